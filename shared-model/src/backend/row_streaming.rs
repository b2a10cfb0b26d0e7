//! 3×3 convolutions by their definition in little memory: of a few times four columns of the input, the rows that are needed are
//! widened to int16, then one kernel row of one filter after the other.

use super::inner_loops::InnerLoops;
use crate::{
    kernels::{Costs, Job, Kernel, Need, Places, Turn, Words, convolution_turn, pair},
    ops::OperationKind,
    rows::Rows,
    step::{Epilogue, Step},
};
use core::ops::Range;

/// Columns of accumulators that share a window.
const COLUMNS: usize = 4;

/// Pixels of a window.
const WINDOW: usize = COLUMNS + 2;

/// Of size n: a filter is widened again for every `n` windows.
pub(super) struct RowStreaming<L>(pub L);

impl<L: InnerLoops + Copy> Kernel for RowStreaming<L> {
    fn name(&self) -> &'static str {
        "row-streaming"
    }

    fn fits(&self, step: &Step) -> bool {
        // Channels are widened four at a time.
        step.kind == OperationKind::Convolution && step.input.channels.is_multiple_of(4)
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        let (rows, channels) = (step.pool_side(), usize::from(step.input.channels));
        Need {
            sizes: windows_across(step),
            scratch: Words { fixed: 3 * channels / 2, each: WINDOW * channels * (rows + 2) / 2 + COLUMNS * rows },
            ..Need::rows(rows + 2)
        }
    }

    fn weight_fetches(&self, step: &Step, size: usize, _: usize) -> usize {
        usize::from(step.output.height) * windows_across(step).div_ceil(size)
    }

    fn instructions(&self, step: &Step, size: usize, height: usize, costs: &Costs) -> u64 {
        let [rows, _] = step.computed_size();
        let (inputs, outputs) = (u64::from(step.input.channels), step.biases.len() as u64);
        let windows = (rows * windows_across(step)) as u64;
        let per_row = inputs / 2 * costs.row_pair + 48;
        let filters = self.weight_fetches(step, size, height) as u64 * (costs.row_filter * inputs + 280);
        outputs * (filters + windows * 3 * per_row)
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, rows) = (job.step, job.input_rows);
        let (top, row) = (job.turn * step.pool_side(), job.output_rows.row(job.turn));
        let Places { input, scratch, .. } = job.places;
        let across = windows_across(step);
        for start in (0..across).step_by(job.size) {
            let strip = start..across.min(start + job.size);
            let row_words = WINDOW * rows.channels / 2 * strip.len();
            let (input, windows) = pair(job.arena, input, scratch);
            let windows = &mut windows[..row_words * (step.pool_side() + 2)];
            widen(self.0, (&rows, input), top, strip.clone(), windows);
            let (scratch, output) = pair(job.arena, scratch, job.output);
            let output = &mut bytemuck::cast_slice_mut(output)[row.clone()];
            compute_strip(self.0, step, strip, row_words, scratch, output);
        }
    }
}

/// Windows across the accumulators.
fn windows_across(step: &Step) -> usize {
    let [_, width] = step.computed_size();
    width.div_ceil(COLUMNS)
}

/// Widens the windows of a strip, for the rows of accumulators from `top` on, to `[rows][window][pair][6]`.
fn widen(loops: impl InnerLoops, (input, map): (&Rows, &[u32]), top: usize, strip: Range<usize>, windows: &mut [u32]) {
    for (index, window) in windows.chunks_exact_mut(WINDOW * input.channels / 2).enumerate() {
        let (row, left) = (top + index / strip.len(), (strip.start + index % strip.len()) * COLUMNS);
        let offsets = core::array::from_fn(|column| input.bordered_pixel(row, left + column) as u32);
        loops.widen_pixels(map, &offsets, window, input.channels / 4);
    }
}

/// Computes the outputs of a strip whose windows, `row_words` words for each row, are the first in `scratch`.
fn compute_strip(
    loops: impl InnerLoops,
    step: &Step,
    strip: Range<usize>,
    row_words: usize,
    scratch: &mut [u32],
    output: &mut [i8],
) {
    let (rows, channels, outputs) = (step.pool_side(), usize::from(step.input.channels), step.biases.len());
    let (windows, rest) = scratch.split_at_mut(row_words * (rows + 2));
    let (filter, accumulators) = rest.split_at_mut(3 * channels / 2);
    // `filter` is `[pair][3]`, and this `[rows][window][4]`.
    let accumulators: &mut [i32] = bytemuck::cast_slice_mut(accumulators);
    let accumulators = &mut accumulators.as_chunks_mut().0[..rows * strip.len()];
    let weights: &[u32] = bytemuck::cast_slice(step.weights);
    for (channel, weights) in weights.chunks_exact(9 * channels / 4).enumerate() {
        accumulators.fill([0; COLUMNS]);
        for (kernel_row, weights) in weights.chunks_exact(3 * channels / 4).enumerate() {
            loops.widen_filter_row(weights, channels / 4, filter, channels / 4);
            loops.row_products(filter, &windows[kernel_row * row_words..], accumulators, channels / 2);
        }
        let pixels = output[strip.start * COLUMNS / rows * outputs + channel..].iter_mut();
        let (top, bottom) = accumulators.split_at(strip.len());
        finish(&step.epilogue(channel), top, bottom, pixels.step_by(outputs));
    }
}

/// Pools, if there is a bottom row, and requantizes the accumulators that are not beyond the right edge.
fn finish<'o>(
    epilogue: &Epilogue,
    top: &[[i32; COLUMNS]],
    bottom: &[[i32; COLUMNS]],
    pixels: impl Iterator<Item = &'o mut i8>,
) {
    if bottom.is_empty() {
        for (pixel, &accumulator) in pixels.zip(top.as_flattened()) {
            *pixel = epilogue.activation(accumulator);
        }
    } else {
        let pairs = top.as_flattened().as_chunks::<2>().0.iter();
        let pairs = pairs.zip(bottom.as_flattened().as_chunks::<2>().0);
        for (pixel, (top, bottom)) in pixels.zip(pairs) {
            let pooled = epilogue.pool([top[0], top[1], bottom[0], bottom[1]]);
            *pixel = epilogue.activation(pooled);
        }
    }
}
