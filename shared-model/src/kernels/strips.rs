//! 3×3 convolutions as they are written down, for the DSP extension, in little memory: strips of a few times four columns of the
//! input are widened to int16, then one kernel row of one filter after the other.

use super::{Finish, direct::step_rows, native};
use crate::{LayerView, rows::Rows};

/// Columns of outputs, before a pool, that share a window.
const COLUMNS: usize = 4;

/// Pixels of a window.
const WINDOW: usize = COLUMNS + 2;

/// Whether a layer can be computed so: channels are widened four at a time.
pub(crate) fn is_possible(view: &LayerView) -> bool {
    let [_, _, channels] = view.input_shape;
    channels.is_multiple_of(4)
}

/// Windows across the input.
pub(crate) fn windows_across(view: &LayerView) -> usize {
    let [_, width, _] = view.input_shape.map(usize::from);
    width.div_ceil(COLUMNS)
}

/// Bytes that a strip of some windows needs.
pub(crate) fn scratch_len(view: &LayerView, windows: usize) -> usize {
    let [_, _, channels] = view.input_shape.map(usize::from);
    let rows = step_rows(view);
    2 * WINDOW * channels * windows * (rows + 2) + 2 * 3 * channels + 4 * COLUMNS * windows * rows
}

/// Computes one row of outputs, `[w, out]`, or `[w / 2, out]` with a pool, in strips of `windows` windows. `first` is the row, before
/// the pool.
pub(crate) fn row(
    view: &LayerView,
    first: usize,
    (input, map): (&Rows, &[i8]),
    windows: usize,
    scratch: &mut [u32],
    output: &mut [i8],
) {
    let rows = step_rows(view);
    let across = windows_across(view);
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
        strip.widen(first, start * COLUMNS, input, map);
        for (channel, weights) in view.weights.chunks_exact(9 * input.channels).enumerate() {
            strip.multiply(weights);
            let channels = view.biases.len();
            let pixels = output[start * COLUMNS / rows * channels + channel..].iter_mut();
            strip.finish(&Finish::of(view, channel), pixels.step_by(channels));
        }
    }
}

/// A strip at work in the scratch memory.
struct Strip<'s> {
    windows: usize,
    /// Rows of outputs, before the pool: two with a pool.
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
    fn widen(&mut self, first: usize, left: usize, input: &Rows, map: &[i8]) {
        let windows = self.window.chunks_exact_mut(WINDOW * self.channels);
        for (index, window) in windows.enumerate() {
            let (row, left) = (
                first + index / self.windows,
                left + index % self.windows * COLUMNS,
            );
            let offsets =
                core::array::from_fn(|column| input.bordered_pixel(row, left + column) as u32);
            native::widen_pixels(map, &offsets, window, self.channels / 4);
        }
    }

    /// Accumulators of one filter, `[ky][kx][in]`.
    fn multiply(&mut self, weights: &[i8]) {
        self.accumulators.fill([0; COLUMNS]);
        let row = WINDOW * self.channels * self.windows;
        for (kernel_row, weights) in weights.chunks_exact(3 * self.channels).enumerate() {
            native::widen_filter_row(weights, self.channels, self.filter, self.channels / 4);
            let windows = &self.window[kernel_row * row..];
            native::row_products(self.filter, windows, self.accumulators, self.channels / 2);
        }
    }

    /// Pools and requantizes the accumulators that are not beyond the right edge.
    fn finish<'o>(&self, finish: &Finish, pixels: impl Iterator<Item = &'o mut i8>) {
        if self.rows == 2 {
            let (top, bottom) = self.accumulators.split_at(self.windows);
            let pairs = top.as_flattened().as_chunks::<2>().0.iter();
            let pairs = pairs.zip(bottom.as_flattened().as_chunks::<2>().0);
            for (pixel, (top, bottom)) in pixels.zip(pairs) {
                let pooled = finish.pool([top[0], top[1], bottom[0], bottom[1]]);
                *pixel = finish.activation(pooled);
            }
        } else {
            for (pixel, &accumulator) in pixels.zip(self.accumulators.as_flattened()) {
                *pixel = finish.activation(accumulator);
            }
        }
    }
}
