//! Where everything of a segment lies.

use super::{Begins, Choice, MAX_SEGMENT, Plan, SegmentPlan, StepPlan};
use crate::{
    kernels::{ALL_ROWS, Need, Place, Places},
    ops::OperationKind,
    rows::Rows,
    step::Step,
};
use core::ops::Range;
use heapless::Vec;

/// Steps that stream their rows to one another, with what the kernel of each needs.
pub(super) struct Segment {
    pub first: usize,
    pub begins: Begins,
    /// How many times the rows of their lowest turn its steps compute in a turn.
    pub height: usize,
    pub choices: Vec<(Choice, Need), MAX_SEGMENT>,
}

impl Segment {
    /// One of `len` steps, none of which is chosen yet.
    pub fn new(first: usize, len: usize, begins: Begins) -> Self {
        let height = match begins {
            Begins::InPlace(height) => height as usize,
            // The rows of the picture come one by one.
            Begins::Apart if len == 1 && first > 0 => ALL_ROWS,
            Begins::Apart | Begins::Nothing => 1,
        };
        Self { first, begins, height, choices: Vec::new() }
    }

    /// Whether its output overwrites its input.
    fn is_in_place(&self) -> bool {
        matches!(self.begins, Begins::InPlace(_))
    }
}

/// Whether the steps `first..end` can be a segment in place: convolutions know which rows they read.
pub(super) fn can_be_in_place(steps: &[Step], first: usize, end: usize) -> bool {
    first > 0 && end < steps.len() && steps[first..end].iter().all(|step| step.kind == OperationKind::Convolution)
}

/// Words between the start of the output and the start of the input, which lies behind it: in place, each turn overwrites only rows that
/// neither it nor a later one reads.
fn lead(steps: &[Step], segment: &Segment) -> usize {
    let steps = &steps[segment.first..][..segment.choices.len()];
    let ([first, within @ ..], [.., last], [.., (_, need)]) = (steps, steps, &segment.choices[..]) else {
        return 0;
    };
    if !segment.is_in_place() {
        return 0;
    }
    let [input_line, output_line] = [first.input, last.output].map(|map| Rows::new(map, 1).line());
    let height = usize::from(last.output.height);
    let leads = (0..height).step_by(need.rows_out).map(|start| {
        let end = height.min(start + need.rows_out);
        // The steps before have given the rows that the turn needs, and go on behind them.
        let next = within.iter().rev().fold(if within.is_empty() { start } else { end }, |row, step| {
            (row * step.pool_side() + 1).min(step.input.height.into())
        });
        let read = (next * first.pool_side()).saturating_sub(1);
        (end * output_line).saturating_sub(read * input_line)
    });
    leads.max().unwrap_or_default().div_ceil(4)
}

/// Rows of a step's input that are kept: all of them at the start of a segment; else those that one turn needs, and room for those that come at once with the last of them.
fn kept_rows(steps: &[Step], segment: &Segment, index: usize) -> usize {
    let height = usize::from(steps[segment.first + index].input.height);
    let (_, need) = &segment.choices[index];
    let before = index.checked_sub(1).map(|before| &segment.choices[before]);
    let arriving = before.map_or(1, |(_, need)| need.rows_out);
    // The input of a segment is a whole map; only the rows of the picture come one by one.
    if index == 0 && segment.first > 0 { height } else { height.min(need.rows_in + arriving - 1) }
}

/// Words of a step's input.
fn input_words(steps: &[Step], segment: &Segment, index: usize) -> usize {
    let input = steps[segment.first + index].input;
    Rows::new(input, kept_rows(steps, segment, index)).words()
}

/// Words of the segment's output, the input of the step behind it, which is whole.
fn output_words(steps: &[Step], segment: &Segment) -> usize {
    let next = steps.get(segment.first + segment.choices.len());
    next.map_or(0, |step| Rows::new(step.input, step.input.height.into()).words())
}

/// Words of the segment's input and, in place, of its output.
fn base_words(steps: &[Step], segment: &Segment) -> usize {
    let input = lead(steps, segment) + input_words(steps, segment, 0);
    if segment.is_in_place() { input.max(output_words(steps, segment)) } else { input }
}

/// Words of the segment's maps and rows at one end of the arena, and of what its kernels keep: where scratch memory begins.
pub(super) fn scratch_start(steps: &[Step], segment: &Segment) -> usize {
    let kept = segment.choices.iter().map(|(_, need)| need.kept);
    let rows = (1..segment.choices.len()).map(|index| input_words(steps, segment, index));
    base_words(steps, segment) + kept.chain(rows).sum::<usize>()
}

/// Words of the segment's output at the other end of the arena.
pub(super) fn apart_words(steps: &[Step], segment: &Segment) -> usize {
    if segment.is_in_place() { 0 } else { output_words(steps, segment) }
}

/// Whether the overlay lies in the input: all of it has been read by the time that the overlay is written.
fn is_overlaid(need: &Need, size: usize, height: usize) -> bool {
    height == ALL_ROWS && size == need.sizes
}

/// Where the scratch memory of a kernel ends.
pub(super) fn scratch_end(need: &Need, size: usize, height: usize, free: usize) -> usize {
    let (scratch, overlay) = (need.scratch.at(size), need.overlay.at(size));
    if is_overlaid(need, size, height) { free.max(overlay) + scratch } else { free + scratch + overlay }
}

/// Words of the arena that a segment needs, its output included.
pub(super) fn words(steps: &[Step], segment: &Segment) -> usize {
    let free = scratch_start(steps, segment);
    let ends = segment.choices.iter();
    let ends = ends.map(|(choice, need)| scratch_end(need, choice.size.into(), segment.height, free));
    ends.max().unwrap_or(free) + apart_words(steps, segment)
}

/// Hands out words from one end of the arena.
struct Allocator {
    next: usize,
    /// The other end, if words are counted from there.
    mirrored: Option<usize>,
}

impl Allocator {
    fn take(&mut self, words: usize) -> Place {
        let start = self.next;
        self.next += words;
        self.place(start..self.next)
    }

    fn place(&self, range: Range<usize>) -> Place {
        let start = match self.mirrored {
            _ if range.is_empty() => 0,
            None => range.start,
            Some(end) => end - range.end,
        };
        // An arena has fewer than 2^32 words.
        Place { start: start as u32, len: range.len() as u32 }
    }
}

/// The steps of a plan from `first` on up to the next segment.
fn chosen(plan: &Plan, first: usize) -> Segment {
    let choices = plan.choices[first..].iter().take(MAX_SEGMENT);
    let others = choices.clone().skip(1);
    let len = 1 + others.take_while(|choice| choice.begins == Begins::Nothing).count();
    let mut segment = Segment::new(first, len, plan.choices[first].begins);
    for (choice, step) in choices.take(len).zip(&plan.steps[first..]) {
        let kernel = plan.backend.kernels[usize::from(choice.kernel)];
        // A segment has no more steps than that.
        let _ = segment.choices.push((*choice, kernel.need(step, segment.height)));
    }
    segment
}

/// Words of the arena that a plan needs.
pub(super) fn plan_words(plan: &Plan) -> usize {
    let firsts = (0..plan.choices.len()).filter(|&first| plan.choices[first].begins != Begins::Nothing);
    let words = firsts.map(|first| words(plan.steps, &chosen(plan, first)));
    words.max().unwrap_or_default()
}

/// Lays out the segment that begins with step `first`, from its input on. Unless it is computed in place, that lies at the start of the
/// arena or at the end.
pub(super) fn segment(plan: &Plan, first: usize, is_input_first: bool) -> SegmentPlan {
    let steps = plan.steps;
    let segment = chosen(plan, first);
    let is_mirrored = !is_input_first && !segment.is_in_place();
    let (free, height) = (scratch_start(steps, &segment), segment.height);
    let allocator = |is_mirrored: bool| Allocator { next: 0, mirrored: is_mirrored.then_some(plan.words) };
    let mut laid_out = SegmentPlan {
        first,
        steps: Vec::new(),
        output: allocator(is_mirrored == segment.is_in_place()).take(output_words(steps, &segment)),
        is_output_first: is_mirrored != segment.is_in_place(),
    };
    let mut allocator = allocator(is_mirrored);
    let base = allocator.take(base_words(steps, &segment));
    for (index, (choice, need)) in segment.choices.iter().enumerate() {
        let (step, size) = (&steps[first + index], usize::from(choice.size));
        let input_words = input_words(steps, &segment, index);
        let input = match index {
            0 => Place { start: base.start + lead(steps, &segment) as u32, len: input_words as u32 },
            1.. => allocator.take(input_words),
        };
        let kept = allocator.take(need.kept);
        let end = scratch_end(need, size, height, free);
        let (scratch_len, overlay_len) = (need.scratch.at(size), need.overlay.at(size));
        let (scratch, overlay) = if is_overlaid(need, size, height) {
            (end - scratch_len..end, 0..overlay_len)
        } else {
            (free..free + scratch_len, end - overlay_len..end)
        };
        let kernel = plan.backend.kernels[usize::from(choice.kernel)];
        // As many as the segment has.
        let _ = laid_out.steps.push(StepPlan {
            kernel,
            places: Places { input, kept, scratch: allocator.place(scratch), overlay: allocator.place(overlay) },
            size,
            rows: Rows::new(step.input, kept_rows(steps, &segment, index)),
            height,
        });
    }
    laid_out
}
