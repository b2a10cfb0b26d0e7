//! 3×3 convolutions for cores with vectors of 16 bytes: the nine pixels under the kernel become a patch of one piece, four patches at a
//! time, which are multiplied with two filters at a time, 16 int8 by 16 int8.
//!
//! Winograd's algorithm takes a quarter of the products, but as int16, of which a vector has half as many, and its transforms: on these
//! cores, and layers such as those of the committed model, it saves nothing.

use super::inner_loops::{BLOCK, BLOCK_WORDS, Channels, InnerLoops};
use crate::{
    kernels::{Costs, Job, Kernel, Need, Places, Turn, Words, convolution_turn, direct, pair},
    ops::OperationKind,
    step::Step,
};

/// Four pixels at a time: two by two before a pool, else four in a row.
pub(super) struct Patches<L>(pub L);

impl<L: InnerLoops + Copy> Kernel for Patches<L> {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn fits(&self, step: &Step) -> bool {
        // Output channels come in fours, and a row has four pixels or more.
        step.kind == OperationKind::Convolution
            && step.biases.len().is_multiple_of(4)
            && (step.pool || step.output.width >= 4)
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        let accumulators = 4 * step.biases.len();
        let scratch = direct::lines_len(step).div_ceil(4) + patches_len(step) + accumulators;
        Need { scratch: Words { fixed: scratch, each: 0 }, ..Need::rows(step.pool_side() + 2) }
    }

    fn weight_fetches(&self, step: &Step, _: usize, _: usize) -> usize {
        usize::from(step.output.height) * tiles_across(step)
    }

    fn instructions(&self, step: &Step, size: usize, height: usize, costs: &Costs) -> u64 {
        let outputs = step.biases.len() as u64;
        let per_pair = blocks(step) as u64 * costs.patch_block + costs.patch_pair;
        let row = 3 * usize::from(step.input.channels);
        let gathered = if row.is_multiple_of(BLOCK) { 0 } else { row.div_ceil(BLOCK) as u64 * costs.patch_rows };
        let patches =
            self.weight_fetches(step, size, height) as u64 * (outputs / 2 * per_pair + gathered + costs.patch);
        patches + u64::from(step.output.height) * costs.patch_line
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, rows) = (job.step, job.input_rows);
        let (top, row) = (job.turn * step.pool_side(), job.output_rows.row(job.turn));
        let Places { input, scratch, .. } = job.places;
        let lines_len = direct::lines_len(step);
        let (input, lines) = pair(job.arena, input, scratch);
        let lines = &mut bytemuck::cast_slice_mut(lines)[..lines_len];
        let copy = |line: &mut [i8], row: &[i8]| self.0.copy(line, row);
        direct::gather_lines((&rows, bytemuck::cast_slice(input)), top, lines, &copy);
        let (scratch, output) = pair(job.arena, scratch, job.output);
        let (lines, scratch) = scratch.split_at_mut(lines_len.div_ceil(4));
        let lines = &bytemuck::cast_slice(lines)[..lines_len];
        let output = &mut bytemuck::cast_slice_mut(output)[row];
        compute_row(self.0, step, lines, scratch, output);
    }
}

/// Blocks of a patch.
fn blocks(step: &Step) -> usize {
    (9 * usize::from(step.input.channels)).div_ceil(BLOCK)
}

/// Words of four patches.
fn patches_len(step: &Step) -> usize {
    blocks(step) * BLOCK_WORDS
}

/// Times four pixels of a row of output, or of a row before it is pooled.
fn tiles_across(step: &Step) -> usize {
    let width = usize::from(step.output.width);
    if step.pool { width } else { width.div_ceil(4) }
}

/// One row of outputs, `[w, out]`, from its lines.
fn compute_row(loops: impl InnerLoops, step: &Step, lines: &[i8], scratch: &mut [u32], output: &mut [i8]) {
    let (inputs, outputs) = (usize::from(step.input.channels), step.biases.len());
    let line = lines.len() / (step.pool_side() + 2);
    let width = usize::from(step.output.width);
    let channels = Channels::of(step);
    let (patches, accumulators) = scratch.split_at_mut(patches_len(step));
    let accumulators: &mut [i32] = bytemuck::cast_slice_mut(accumulators);
    let accumulators = &mut accumulators.as_chunks_mut::<4>().0[..outputs];
    // Where the patches start in those of the first tile.
    let starts = core::array::from_fn(|pixel| match step.pool {
        true => pixel / 2 * line + pixel % 2 * inputs,
        false => pixel * inputs,
    });
    for tile in 0..tiles_across(step) {
        // The last pixels of a row are computed again where four do not divide it.
        let first = if step.pool { tile } else { (4 * tile).min(width - 4) };
        let lines = &lines[first * step.pool_side() * inputs..];
        loops.gather_patches(lines, line, &starts, 3 * inputs, patches);
        loops.patch_products(patches, step.weights, accumulators);
        let output = &mut output[first * outputs..];
        if step.pool {
            loops.requantize_pooled(accumulators, &mut output[..outputs], &channels);
        } else {
            loops.requantize_fours(accumulators, &mut output[..4 * outputs], &channels);
        }
    }
}
