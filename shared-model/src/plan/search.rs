//! The search for the fastest plan: every division into segments, every kernel, every height of a turn.
//!
//! A larger arena is never slower by the estimate: it offers the same divisions, kernels and heights, each with at least the size that it had in
//! a smaller one, and no kernel takes more instructions in a larger size.

use super::{
    ALIGNMENT_SLACK, Begins, Choice, Height, MAX_SEGMENT, Plan,
    layout::{self, Segment},
};
use crate::{
    Backend,
    graph::MAX_OPERATIONS,
    kernels::{ALL_ROWS, Need},
    step::Step,
};
use heapless::Vec;

/// The fastest way to the end of a step: instructions up to there, and the last segment.
#[derive(Clone, Copy)]
struct Best {
    instructions: u64,
    first: u8,
    choices: [Choice; MAX_SEGMENT],
}

/// The search over one network.
struct Search<'s, 'a> {
    steps: &'s [Step<'a>],
    backend: &'static Backend,
}

impl Search<'_, '_> {
    /// Calls `visit` with every choice of kernels for the steps `first..end`, all of size 1.
    fn for_each_choice(&self, first: usize, end: usize, visit: &mut dyn FnMut(&Segment)) {
        let len = end - first;
        let can_be_in_place = layout::can_be_in_place(self.steps, first, end);
        // In place several steps need less memory, and a single one gives up to be computed in one turn.
        if !can_be_in_place || len == 1 {
            self.extend(&mut Segment::new(first, len, Begins::Apart), end, visit);
        }
        if can_be_in_place {
            // More rows a turn are more memory for fewer fetches of weights.
            for height in &Height::ALL[..if len == 1 { Height::ALL.len() } else { 1 }] {
                self.extend(&mut Segment::new(first, len, Begins::InPlace(*height)), end, visit);
            }
        }
    }

    fn extend(&self, segment: &mut Segment, end: usize, visit: &mut dyn FnMut(&Segment)) {
        let begins = if segment.choices.is_empty() { segment.begins } else { Begins::Nothing };
        let index = segment.first + segment.choices.len();
        let Some(step) = self.steps[..end].get(index) else {
            return visit(segment);
        };
        for (kernel, candidate) in (0..).zip(self.backend.kernels) {
            if !candidate.fits(step) {
                continue;
            }
            let need = candidate.need(step, segment.height);
            // A kernel whose turns are that low gives the same in a lower one.
            if segment.height < ALL_ROWS && need.rows_out < segment.height {
                continue;
            }
            let choice = Choice { size: 1, kernel, begins };
            // A segment has no more steps than that.
            let _ = segment.choices.push((choice, need));
            self.extend(segment, end, visit);
            segment.choices.pop();
        }
    }

    /// The segment with the largest sizes that fit `words`; `before` are the instructions up to it.
    fn fit(&self, segment: &Segment, words: usize, before: u64) -> Option<Best> {
        let free = layout::scratch_start(self.steps, segment);
        let available = words.checked_sub(layout::apart_words(self.steps, segment))?;
        let mut best = Best { instructions: before, first: segment.first as u8, choices: Default::default() };
        let steps = &self.steps[segment.first..];
        for (place, ((choice, need), step)) in segment.choices.iter().zip(steps).enumerate() {
            let size = largest_size(need, segment.height, free, available)?;
            let kernel = self.backend.kernels[usize::from(choice.kernel)];
            best.instructions += kernel.instructions(step, size, segment.height, &self.backend.costs);
            best.choices[place] = Choice {
                // At most a quarter of the tiles of a tensor of 256×256 pixels.
                size: size as u16,
                ..*choice
            };
        }
        Some(best)
    }
}

/// The largest size whose scratch memory ends within `available` words, of which `free` are taken.
fn largest_size(need: &Need, height: usize, free: usize, available: usize) -> Option<usize> {
    if layout::scratch_end(need, need.sizes, height, free) <= available {
        return Some(need.sizes);
    }
    let fixed = free + need.scratch.fixed + need.overlay.fixed;
    let room = available.checked_sub(fixed)?;
    let size = room / (need.scratch.each + need.overlay.each).max(1);
    (size > 0).then(|| size.min(need.sizes - 1)).filter(|&size| size > 0)
}

/// The fastest plan in an arena of `arena_len` bytes, if there is any.
pub(crate) fn fastest<'m, 'a>(
    steps: &'m [Step<'a>],
    backend: &'static Backend,
    arena_len: usize,
) -> Option<Plan<'m, 'a>> {
    let words = arena_len.checked_sub(ALIGNMENT_SLACK)? / size_of::<u32>();
    let search = Search { steps, backend };
    // One for each step.
    let mut best: Vec<Option<Best>, MAX_OPERATIONS> = Vec::new();
    for end in 1..=steps.len() {
        let mut found: Option<Best> = None;
        for first in end.saturating_sub(MAX_SEGMENT)..end {
            let before = match first.checked_sub(1) {
                Some(last) => best[last].map(|best| best.instructions),
                None => Some(steps[0].input.elements() as u64 * backend.costs.input),
            };
            let Some(before) = before else { continue };
            search.for_each_choice(first, end, &mut |segment| {
                let fitting = search.fit(segment, words, before);
                let is_better = |new: &Best| found.is_none_or(|found| new.instructions < found.instructions);
                found = fitting.filter(is_better).or(found);
            });
        }
        let _ = best.push(found);
    }
    let mut plan =
        Plan { backend, steps, choices: Vec::new(), words: 0, instructions: best.last()?.as_ref()?.instructions };
    plan.choices.resize_default(steps.len()).expect("there are at most as many steps as operations");
    let mut end = steps.len();
    while let Some(last) = end.checked_sub(1) {
        let segment = best[last]?;
        let first = usize::from(segment.first);
        plan.choices[first..end].copy_from_slice(&segment.choices[..end - first]);
        end = first;
    }
    plan.words = layout::plan_words(&plan);
    Some(plan)
}

/// Bytes of the smallest arena for which there is a plan.
pub(crate) fn least_arena_len(steps: &[Step], backend: &'static Backend) -> usize {
    let search = Search { steps, backend };
    let mut least: Vec<usize, { MAX_OPERATIONS + 1 }> = Vec::new();
    let _ = least.push(0);
    for end in 1..=steps.len() {
        let mut found = usize::MAX;
        for first in end.saturating_sub(MAX_SEGMENT)..end {
            search.for_each_choice(first, end, &mut |segment| {
                found = found.min(layout::words(steps, segment).max(least[first]));
            });
        }
        let _ = least.push(found);
    }
    least.last().map_or(0, |words| words * size_of::<u32>()) + ALIGNMENT_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::encode;
    use crate::testing::{Plain, any_network, network, with_transformed_filters};
    use crate::{Model, Shape};

    /// Segments that a search looks at for one step.
    fn segments(steps: &[Step], backend: &'static Backend) -> usize {
        let search = Search { steps, backend };
        let mut count = 0;
        for end in 1..=steps.len() {
            for first in end.saturating_sub(MAX_SEGMENT)..end {
                search.for_each_choice(first, end, &mut |_| count += 1);
            }
        }
        count / steps.len()
    }

    /// Nothing that a blob may hold makes a plan take long: as many steps as there may be, each of which every kernel fits.
    #[test]
    fn the_search_is_bounded() {
        let mut operations = [Plain::Convolution(4, true); MAX_OPERATIONS];
        operations[MAX_OPERATIONS - 1] = Plain::Dense(2, false);
        for channels in [1, 3] {
            let blob = encode(&network(1, Shape::new(8, 8, channels), &operations)).unwrap();
            let model = Model::load(&blob).unwrap();
            assert_eq!(model.steps().len(), MAX_OPERATIONS);
            for backend in Backend::ALL {
                let found = segments(model.steps(), backend);
                assert!(found <= 150, "{backend:?}: {found} segments for each step");
            }
        }
    }

    /// What plans of random networks in small, larger and ample arenas need, added up for each backend: bytes, and instructions by their estimate.
    /// Who changes a kernel's needs or costs writes new sums, and compares the costs with what is executed (`tests/bench`, `tests/tests/family.rs`).
    const PLANS: [(&str, usize, u64); Backend::ALL.len()] = [
        ("portable", 871_428, 73_098_714),
        ("vectors", 1_219_580, 212_767_124),
        ("vnni", 1_262_432, 201_841_082),
        ("arm-dsp", 1_091_716, 1_555_993_666),
        ("armv7-m", 1_100_384, 1_537_964_860),
        ("armv6-m", 1_090_516, 2_753_164_860),
        ("rv32im", 1_097_468, 1_901_698_868),
        ("helium", 1_056_004, 1_281_200_706),
    ];

    #[test]
    fn plans_need_these() {
        let networks = (0..32).map(|seed| match any_network(seed) {
            network if seed % 2 == 0 => network,
            network => with_transformed_filters(network),
        });
        let blobs: std::vec::Vec<_> = networks.map(|network| encode(&network).unwrap()).collect();
        let found = Backend::ALL.map(|backend| {
            let plans = blobs.iter().flat_map(|blob| {
                let model = Model::load(blob).unwrap();
                let least = model.arena_len_on(backend);
                [least, least + least / 3, 4 * least].map(|arena_len| {
                    let plan = model.plan_on(backend, arena_len).unwrap();
                    (plan.arena_len(), plan.instructions())
                })
            });
            let (lens, instructions): (std::vec::Vec<_>, std::vec::Vec<_>) = plans.unzip();
            (backend.name(), lens.iter().sum(), instructions.iter().sum())
        });
        assert_eq!(found, PLANS);
    }
}
