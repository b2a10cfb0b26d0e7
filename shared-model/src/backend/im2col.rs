//! 3×3 convolutions with few input channels: the nine pixels under the kernel become one row of a matrix (im2col), two pixels at a
//! time, and the filters are kept in memory as int16.

use super::inner_loops::{CHUNK_PAIRS, InnerLoops, tap_pairs};
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

    fn need(&self, step: &Step, _: usize) -> Need {
        let patches_and_accumulators = PATCHES + 2 * step.biases.len();
        Need {
            kept: pairs(step) * step.biases.len(),
            scratch: Words { fixed: direct::lines_len(step).div_ceil(4) + patches_and_accumulators, each: 0 },
            ..Need::rows(3)
        }
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: usize) -> usize {
        1
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, costs: &Costs) -> u64 {
        let pixels = u64::from(step.input.height) * u64::from(step.input.width);
        let (outputs, pairs) = (step.biases.len() as u64, pairs(step) as u64);
        let pairs = pairs * (outputs / 4 + 1) * costs.im2col;
        pixels / 2 * (pairs + outputs * costs.im2col_output + costs.im2col_pixels)
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, turn, rows) = (job.step, job.turn, job.input_rows);
        let row = job.output_rows.row(turn);
        let Places { input, kept, scratch, .. } = job.places;
        let lines_len = direct::lines_len(step);
        let (input, lines) = pair(job.arena, input, scratch);
        let lines = &mut bytemuck::cast_slice_mut(lines)[..lines_len];
        direct::gather_lines((&rows, bytemuck::cast_slice(input)), turn, lines, &|line, row| self.0.copy(line, row));
        let [filters, scratch, output, _] = parts(job.arena, [kept, scratch, job.output, Place::EMPTY]);
        let (lines, scratch) = scratch.split_at_mut(lines_len.div_ceil(4));
        if turn == 0 {
            widen_filters(self.0, step, &mut scratch[..PATCHES], filters);
        }
        let lines = &bytemuck::cast_slice(lines)[..lines_len];
        let output = &mut bytemuck::cast_slice_mut(output)[row];
        compute_row(self.0, step, lines, filters, scratch, output);
    }
}

/// Pairs of taps.
fn pairs(step: &Step) -> usize {
    tap_pairs(3 * usize::from(step.input.channels))
}

/// Widens the filters to `[out / 4][pair][4]`, two at a time.
fn widen_filters(loops: impl InnerLoops + Copy, step: &Step, two: &mut [u32], filters: &mut [u32]) {
    let (row, pairs) = (3 * usize::from(step.input.channels), pairs(step));
    for (quad, filters) in filters.chunks_exact_mut(4 * pairs).enumerate() {
        for half in 0..2 {
            loops.widen_taps(&step.weights[3 * row * (4 * quad + 2 * half)..], [row, row, 3 * row], two);
            for (filters, two) in filters.as_chunks_mut::<4>().0.iter_mut().zip(two.as_chunks::<2>().0) {
                filters[2 * half..][..2].copy_from_slice(two);
            }
        }
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
        loops.widen_taps(&lines[2 * pair * channels..], [line, 3 * channels, channels], patches);
        let tiles = &mut accumulators.as_chunks_mut().0.as_chunks_mut().0[..outputs / 4];
        loops.spread(step.biases.as_chunks().0, tiles);
        loops.products(patches, filters, tiles, pairs(step), 0);
        let (multipliers, offsets) = (step.multipliers, step.offsets);
        loops.requantize_pairs(accumulators, output, multipliers, offsets, step.relu);
    }
}
