//! Where everything of a segment lies.

use super::{
    Kernel, LayerPlan, Plan, cost,
    search::{Kernels, Segment, map_words, shares_input},
};
use crate::{LayerView, graph::MAX_LAYERS, rows::Rows};
use core::ops::Range;
use heapless::Vec;

/// Hands out words from one end of the arena.
struct Allocator {
    next: usize,
    /// The other end, if words are counted from there.
    mirrored: Option<usize>,
}

impl Allocator {
    fn take(&mut self, words: usize) -> Range<usize> {
        let start = self.next;
        self.next += words;
        self.place(start..self.next)
    }

    fn place(&self, range: Range<usize>) -> Range<usize> {
        match self.mirrored {
            _ if range.is_empty() => 0..0,
            None => range,
            Some(end) => end - range.end..end - range.start,
        }
    }
}

/// The rows of a layer's input: all of them at the start of a segment and before a dense layer; else those that one step needs, and
/// room for those that come at once with the last of them.
fn rows(views: &[LayerView], first: usize, kernels: &[Kernel], index: usize) -> Rows {
    let [height, width, channels] = views[first + index].input_shape.map(usize::from);
    let kernel = kernels[index];
    let is_whole = (index == 0 && first > 0) || kernel == Kernel::Dense;
    let arriving = match index.checked_sub(1) {
        Some(before) => cost::output_rows(&views[first + before], kernels[before]),
        None => 1,
    };
    let needed = cost::step_rows(&views[first + index], kernel) + 2 + (arriving - 1);
    Rows {
        height,
        width,
        channels,
        kept: if is_whole { height } else { height.min(needed) },
    }
}

/// Lays out a segment from its input on, and gives the words up to the end of its scratch memory.
fn lay_out(
    views: &[LayerView],
    first: usize,
    kernels: &Kernels,
    allocator: &mut Allocator,
    plans: &mut Vec<LayerPlan, MAX_LAYERS>,
) -> usize {
    let start = plans.len();
    for (index, &kernel) in kernels.iter().enumerate() {
        let view = &views[first + index];
        let rows = rows(views, first, kernels, index);
        let is_alone = kernels.len() == 1 && first > 0;
        // A plan has no more layers than there is room for.
        let _ = plans.push(LayerPlan {
            kernel,
            is_input_whole: index == 0 && first > 0,
            is_alone,
            weight_fetches: cost::weight_fetches(view, kernel, is_alone),
            input: allocator.take(rows.len().div_ceil(4)),
            filters: allocator.take(cost::filters(view, kernel)),
            rows,
            scratch: 0..0,
            products: 0..0,
        });
    }
    let free = allocator.next;
    let mut end = free;
    for ((&kernel, view), plan) in kernels.iter().zip(&views[first..]).zip(&mut plans[start..]) {
        let (scratch, products) = cost::scratch(view, kernel);
        let mut scratch_start = free;
        let mut products_start = free + scratch;
        if shares_input(view, first, kernels) {
            products_start = 0;
            scratch_start = free.max(products);
        }
        plan.scratch = allocator.place(scratch_start..scratch_start + scratch);
        plan.products = allocator.place(products_start..products_start + products);
        end = end
            .max(scratch_start + scratch)
            .max(products_start + products);
    }
    end
}

/// Words of the arena that a segment needs, its output included.
pub(super) fn segment_words(views: &[LayerView], first: usize, kernels: &Kernels) -> usize {
    let mut allocator = Allocator {
        next: 0,
        mirrored: None,
    };
    let words = lay_out(views, first, kernels, &mut allocator, &mut Vec::new());
    words + map_words(views, first + kernels.len())
}

/// The plan of a whole network.
pub(super) fn plan(views: &[LayerView], segments: &[Segment], instructions: u64) -> Plan {
    let words = segments.iter().map(|segment| segment.words).max();
    let words = words.unwrap_or_default();
    let mut layers = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let mut allocator = Allocator {
            next: 0,
            mirrored: (index % 2 == 1).then_some(words),
        };
        lay_out(
            views,
            segment.first,
            &segment.kernels,
            &mut allocator,
            &mut layers,
        );
    }
    Plan {
        layers,
        words,
        instructions,
    }
}
