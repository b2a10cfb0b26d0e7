//! The search for the fastest plan: every division into segments, every kernel.

use super::{Kernel, Plan, Processor, cost, layout};
use crate::{
    LayerView,
    graph::{LayerKind, MAX_LAYERS},
    kernels::{patches, strips, winograd},
};
use heapless::Vec;

/// The most layers of a segment.
const MAX_SEGMENT: usize = 3;

/// The kernels of a segment.
pub(super) type Kernels = Vec<Kernel, MAX_SEGMENT>;

/// Layers that stream their rows to one another, with their kernels.
#[derive(Clone)]
pub(super) struct Segment {
    pub first: usize,
    pub kernels: Kernels,
    /// Words of the arena.
    pub words: usize,
    instructions: u64,
}

/// The kernels that can compute a layer.
pub(crate) fn kernels(view: &LayerView) -> Vec<Kernel, 4> {
    let mut kernels = Vec::new();
    let mut add = |kernel, is_possible: bool| {
        if is_possible {
            // There is room for every kernel of a convolution.
            let _ = kernels.push(kernel);
        }
    };
    let is_dense = matches!(view.layer.kind, LayerKind::Dense { .. });
    add(Kernel::Dense, is_dense);
    add(Kernel::Direct, !is_dense);
    add(Kernel::Patches, !is_dense && patches::is_possible(view));
    add(
        Kernel::Strips { windows: 1 },
        !is_dense && strips::is_possible(view),
    );
    let tiles = winograd::TILES_AT_ONCE;
    add(
        Kernel::Winograd { tiles },
        !is_dense && winograd::is_possible(view),
    );
    kernels
}

/// Words of the output of the layers up to `end`, the input of layer `end`, which starts a segment.
pub(super) fn map_words(views: &[LayerView], end: usize) -> usize {
    views.get(end).map_or(0, |view| {
        let [height, width, channels] = view.input_shape.map(usize::from);
        (height * width * channels + channels).div_ceil(4)
    })
}

/// A layer that is alone in its segment, all tiles of which are transformed before the first product.
pub(super) fn shares_input(view: &LayerView, first: usize, kernels: &[Kernel]) -> bool {
    let [Kernel::Winograd { tiles }] = *kernels else {
        return false;
    };
    let (rows, columns) = winograd::grid(view);
    first > 0 && rows * columns <= tiles
}

/// A kernel with chunks of all sizes that make sense, in ascending order.
fn larger(
    view: &LayerView,
    kernel: Kernel,
    is_alone: bool,
) -> impl DoubleEndedIterator<Item = Kernel> + use<> {
    let sizes = match kernel {
        Kernel::Strips { .. } => strips::windows_across(view),
        Kernel::Winograd { .. } => {
            let (rows, columns) = winograd::grid(view);
            let tiles = if is_alone { rows * columns } else { columns };
            tiles.div_ceil(winograd::TILES_AT_ONCE)
        }
        _ => 1,
    };
    (1..=sizes).map(move |size| match kernel {
        Kernel::Strips { .. } => Kernel::Strips { windows: size },
        Kernel::Winograd { .. } => Kernel::Winograd {
            tiles: size * winograd::TILES_AT_ONCE,
        },
        _ => kernel,
    })
}

impl Segment {
    /// The layers from `first` on with the largest chunks of tiles that fit `words`.
    fn fit(
        views: &[LayerView],
        first: usize,
        mut kernels: Kernels,
        processor: Processor,
        words: usize,
    ) -> Option<Self> {
        for index in 0..kernels.len() {
            let is_alone = kernels.len() == 1 && first > 0;
            let candidates = larger(&views[first + index], kernels[index], is_alone);
            candidates.rev().find(|&candidate| {
                kernels[index] = candidate;
                layout::segment_words(views, first, &kernels) <= words
            })?;
        }
        let words_needed = layout::segment_words(views, first, &kernels);
        let is_alone = kernels.len() == 1;
        let layers = kernels.iter().zip(&views[first..]);
        let instructions = layers
            .map(|(&kernel, view)| {
                cost::instructions(view, kernel, is_alone && first > 0, processor)
            })
            .sum();
        (words_needed <= words).then_some(Self {
            first,
            instructions,
            kernels,
            words: words_needed,
        })
    }
}

/// Calls `visit` with every choice of kernels for the layers `first..end`.
fn for_each_choice(
    views: &[LayerView],
    chosen: &Kernels,
    (next, end): (usize, usize),
    visit: &mut impl FnMut(&Kernels),
) {
    if next == end {
        return visit(chosen);
    }
    for kernel in kernels(&views[next]) {
        if kernel == Kernel::Dense && (!chosen.is_empty() || next + 1 != end) {
            continue;
        }
        let mut chosen = chosen.clone();
        // A segment has no more layers than that.
        let _ = chosen.push(kernel);
        for_each_choice(views, &chosen, (next + 1, end), visit);
    }
}

/// The fastest plan within `words`.
pub(super) fn fastest(views: &[LayerView], processor: Processor, words: usize) -> Option<Plan> {
    // The fastest way to the input of each layer, and the segment that ends there.
    let mut best: Vec<Option<(u64, Option<Segment>)>, { MAX_LAYERS + 1 }> = Vec::new();
    let _ = best.push(Some((0, None)));
    for end in 1..=views.len() {
        let mut found: Option<(u64, Option<Segment>)> = None;
        for first in end.saturating_sub(MAX_SEGMENT)..end {
            let Some((before, _)) = best[first] else {
                continue;
            };
            for_each_choice(views, &Kernels::new(), (first, end), &mut |kernels| {
                if let Some(segment) = Segment::fit(views, first, kernels.clone(), processor, words)
                {
                    let total = before + segment.instructions;
                    if found.as_ref().is_none_or(|(least, _)| total < *least) {
                        found = Some((total, Some(segment)));
                    }
                }
            });
        }
        let _ = best.push(found);
    }
    let instructions = best.last()?.as_ref()?.0;
    let mut segments: Vec<Segment, MAX_LAYERS> = Vec::new();
    let mut end = views.len();
    while let Some((_, Some(segment))) = best.get(end)?.clone() {
        end = segment.first;
        let _ = segments.push(segment);
    }
    segments.reverse();
    Some(layout::plan(views, &segments, instructions))
}

/// Words of the smallest arena for which there is a plan.
pub(crate) fn least_arena_len(views: &[LayerView]) -> usize {
    let mut least: Vec<usize, { MAX_LAYERS + 1 }> = Vec::new();
    let _ = least.push(0);
    for end in 1..=views.len() {
        let mut found = usize::MAX;
        for first in end.saturating_sub(MAX_SEGMENT)..end {
            for_each_choice(views, &Kernels::new(), (first, end), &mut |kernels| {
                let words = layout::segment_words(views, first, kernels);
                found = found.min(words.max(least[first]));
            });
        }
        let _ = least.push(found);
    }
    least.last().map_or(0, |words| words * size_of::<u32>()) + super::ALIGNMENT_SLACK
}
