//! 3×3 convolutions with few input channels: the nine pixels under the kernel become one row of a matrix (im2col), two pixels at a
//! time, and the filters are kept in memory as int16.

use super::inner_loops::{CHUNK_PAIRS, InnerLoops, widen_taps};
use crate::{
    kernels::{Costs, Job, Kernel, Need, Place, Places, Turn, Words, convolution_turn, direct, pair, parts},
    ops::OperationKind,
    step::Step,
};

/// Words of a row of two patches.
const PATCHES: usize = CHUNK_PAIRS * 2;

/// Two pixels at a time.
pub(super) struct Im2col<L>(pub L);

impl<L: InnerLoops + Copy> Kernel for Im2col<L> {
    fn name(&self) -> &'static str {
        "im2col"
    }

    fn fits(&self, step: &Step) -> bool {
        // A patch must fit a chunk, output channels come in fours and pixels in twos.
        step.kind == OperationKind::Convolution
            && !step.pool
            && pairs(step) <= CHUNK_PAIRS
            && step.input.width.is_multiple_of(2)
            && step.biases.len().is_multiple_of(4)
    }

    fn need(&self, step: &Step, _: bool) -> Need {
        let patches_and_accumulators = PATCHES + 2 * step.biases.len();
        Need {
            kept: pairs(step) * step.biases.len(),
            scratch: Words { fixed: direct::lines_len(step).div_ceil(4) + patches_and_accumulators, each: 0 },
            ..Need::rows(3)
        }
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: bool) -> usize {
        1
    }

    fn instructions(&self, step: &Step, _: usize, _: bool, costs: &Costs) -> u64 {
        let pixels = u64::from(step.input.height) * u64::from(step.input.width);
        step.multiply_accumulates() * costs.im2col / 4 + pixels / 2 * costs.im2col_pixels
    }

    fn turn(&self, step: &Step, turn: usize, _: bool) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, turn, rows) = (job.step, job.turn, job.input_rows);
        let row = job.output_rows.row(turn);
        let Places { input, kept, scratch, .. } = job.places;
        let lines_len = direct::lines_len(step);
        let (input, lines) = pair(job.arena, input, scratch);
        let lines = &mut bytemuck::cast_slice_mut(lines)[..lines_len];
        direct::gather_lines((&rows, bytemuck::cast_slice(input)), turn, lines, <[i8]>::copy_from_slice);
        let [filters, scratch, output, _] = parts(job.arena, [kept, scratch, job.output, Place::EMPTY]);
        if turn == 0 {
            widen_filters(step, bytemuck::cast_slice_mut(filters));
        }
        let (lines, scratch) = scratch.split_at_mut(lines_len.div_ceil(4));
        let lines = &bytemuck::cast_slice(lines)[..lines_len];
        let output = &mut bytemuck::cast_slice_mut(output)[row];
        compute_row(self.0, step, lines, filters, scratch, output);
    }
}

/// Pairs of taps: each kernel row begins with a new one.
fn pairs(step: &Step) -> usize {
    3 * row_pairs(step)
}

/// Pairs of taps of a kernel row.
fn row_pairs(step: &Step) -> usize {
    (3 * usize::from(step.input.channels)).div_ceil(2)
}

/// Widens the filters to `[out / 4][pair][4]`.
fn widen_filters(step: &Step, filters: &mut [[i16; 2]]) {
    let row = 3 * usize::from(step.input.channels);
    let rows = filters.as_chunks_mut().0.chunks_exact_mut(row_pairs(step));
    for (index, pairs) in rows.enumerate() {
        let [quad, kernel_row] = [index / 3, index % 3];
        widen_taps(
            [0, 1, 2, 3].map(|output| &step.weights[(3 * (4 * quad + output) + kernel_row) * row..][..row]),
            pairs,
        );
    }
}

/// One row of outputs, `[w, out]`, from its three lines.
fn compute_row(
    loops: impl InnerLoops + Copy,
    step: &Step,
    lines: &[i8],
    filters: &[u32],
    scratch: &mut [u32],
    output: &mut [i8],
) {
    let [_, width, channels] = step.input.dimensions();
    let line = (width + 2) * channels;
    let outputs = step.biases.len();
    let (patches, accumulators) = scratch.split_at_mut(PATCHES);
    let accumulators: &mut [i32] = bytemuck::cast_slice_mut(accumulators);
    for (pair, output) in output.chunks_exact_mut(2 * outputs).enumerate() {
        loops.widen_patches(&lines[2 * pair * channels..], line, channels, patches);
        let biases = step.biases.as_chunks().0;
        let tiles = accumulators.as_chunks_mut().0.as_chunks_mut().0;
        loops.spread(biases, tiles);
        let accumulators = &mut accumulators[..2 * outputs];
        loops.products(patches, filters, accumulators, pairs(step), 0);
        let (multipliers, offsets) = (step.multipliers, step.offsets);
        loops.requantize_pairs(accumulators, output, multipliers, offsets, step.relu);
    }
}
