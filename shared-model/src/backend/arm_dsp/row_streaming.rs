//! 3×3 convolutions by their definition in little memory: of a few times four columns of the input, the rows that are needed are
//! widened to int16, then one kernel row of one filter after the other.

use super::InnerLoops;
use crate::{
    kernels::{Cost, Job, Kernel, Need, Place, Places, Turn, Words, convolution_turn, parts},
    ops::OperationKind,
    rows::Rows,
    step::{Epilogue, Step},
};

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

    fn need(&self, step: &Step, _: bool) -> Need {
        let (rows, channels) = (step.pool_side(), usize::from(step.input.channels));
        Need {
            sizes: windows_across(step),
            scratch: Words {
                fixed: 3 * channels / 2,
                each: WINDOW * channels * (rows + 2) / 2 + COLUMNS * rows,
            },
            ..Need::rows(rows + 2)
        }
    }

    fn cost(&self, step: &Step, size: usize, _: bool) -> Cost {
        let [height, _] = step.computed_size();
        let across = windows_across(step);
        let weight_fetches = height / step.pool_side() * across.div_ceil(size);
        let (inputs, outputs) = (u64::from(step.input.channels), step.biases.len() as u64);
        let windows = (height * across) as u64;
        let per_row = inputs / 2 * 30 / 2 + 12;
        let filters = weight_fetches as u64 * (11 * inputs + 100);
        Cost {
            instructions: outputs * (filters + windows * (3 * per_row + 80)),
            weight_fetches,
        }
    }

    fn turn(&self, step: &Step, turn: usize, _: bool) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, windows, rows) = (job.step, job.size, job.input_rows);
        let (top, row) = (job.turn * step.pool_side(), job.output_rows.row(job.turn));
        let Places { input, scratch, .. } = job.places;
        let [input, scratch, output, _] =
            parts(job.arena, [input, scratch, job.output, Place::EMPTY]);
        let input = (&rows, bytemuck::cast_slice(input));
        let output = &mut bytemuck::cast_slice_mut(output)[row];
        compute_row(self.0, step, top, input, windows, scratch, output);
    }
}

/// Windows across the accumulators.
fn windows_across(step: &Step) -> usize {
    let [_, width] = step.computed_size();
    width.div_ceil(COLUMNS)
}

/// Computes one row of outputs, `[w, out]`, in strips of `windows` windows. `first` is the row of accumulators.
fn compute_row(
    loops: impl InnerLoops + Copy,
    step: &Step,
    first: usize,
    (input, map): (&Rows, &[i8]),
    windows: usize,
    scratch: &mut [u32],
    output: &mut [i8],
) {
    let rows = step.pool_side();
    let across = windows_across(step);
    for start in (0..across).step_by(windows) {
        let windows = windows.min(across - start);
        let lanes = WINDOW * input.channels * (rows + 2) * windows;
        let (window, rest) = scratch.split_at_mut(lanes / 2);
        let (filter, accumulators) = rest.split_at_mut(3 * input.channels / 2);
        let accumulators: &mut [i32] = bytemuck::cast_slice_mut(accumulators);
        let mut strip = Strip {
            windows,
            rows,
            channels: input.channels,
            window: bytemuck::cast_slice_mut(window),
            filter: bytemuck::cast_slice_mut(filter),
            accumulators: &mut accumulators.as_chunks_mut().0[..rows * windows],
        };
        strip.widen(loops, first, start * COLUMNS, input, map);
        for (channel, weights) in step.weights.chunks_exact(9 * input.channels).enumerate() {
            strip.multiply(loops, weights);
            let channels = step.biases.len();
            let pixels = output[start * COLUMNS / rows * channels + channel..].iter_mut();
            strip.finish(&step.epilogue(channel), pixels.step_by(channels));
        }
    }
}

/// A strip at work in the scratch memory.
struct Strip<'s> {
    windows: usize,
    /// Rows of accumulators: two with a pool.
    rows: usize,
    channels: usize,
    /// `[rows + 2][window][pair][6]` pairs of lanes.
    window: &'s mut [i16],
    /// `[pair][3]` pairs of lanes.
    filter: &'s mut [i16],
    /// `[rows][window][4]`.
    accumulators: &'s mut [[i32; COLUMNS]],
}

impl Strip<'_> {
    /// Widens the input around the strip's first row and column of output.
    fn widen(
        &mut self,
        loops: impl InnerLoops + Copy,
        first: usize,
        left: usize,
        input: &Rows,
        map: &[i8],
    ) {
        let windows = self.window.chunks_exact_mut(WINDOW * self.channels);
        for (index, window) in windows.enumerate() {
            let (row, left) = (
                first + index / self.windows,
                left + index % self.windows * COLUMNS,
            );
            let offsets =
                core::array::from_fn(|column| input.bordered_pixel(row, left + column) as u32);
            loops.widen_pixels(map, &offsets, window, self.channels / 4);
        }
    }

    /// Accumulators of one filter, `[ky][kx][in]`.
    fn multiply(&mut self, loops: impl InnerLoops + Copy, weights: &[i8]) {
        self.accumulators.fill([0; COLUMNS]);
        let row = WINDOW * self.channels * self.windows;
        for (kernel_row, weights) in weights.chunks_exact(3 * self.channels).enumerate() {
            loops.widen_filter_row(weights, self.channels, self.filter, self.channels / 4);
            let windows = &self.window[kernel_row * row..];
            loops.row_products(self.filter, windows, self.accumulators, self.channels / 2);
        }
    }

    /// Pools and requantizes the accumulators that are not beyond the right edge.
    fn finish<'o>(&self, epilogue: &Epilogue, pixels: impl Iterator<Item = &'o mut i8>) {
        if self.rows == 2 {
            let (top, bottom) = self.accumulators.split_at(self.windows);
            let pairs = top.as_flattened().as_chunks::<2>().0.iter();
            let pairs = pairs.zip(bottom.as_flattened().as_chunks::<2>().0);
            for (pixel, (top, bottom)) in pixels.zip(pairs) {
                let pooled = epilogue.pool([top[0], top[1], bottom[0], bottom[1]]);
                *pixel = epilogue.activation(pooled);
            }
        } else {
            for (pixel, &accumulator) in pixels.zip(self.accumulators.as_flattened()) {
                *pixel = epilogue.activation(accumulator);
            }
        }
    }
}
