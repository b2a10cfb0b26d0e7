//! 3×3 convolutions, one row of output at a time.
//!
//! A row of input is `[w + 2, in]` with its border; the three pixels that lie under one row of the kernel are `3 * in`
//! bytes in succession, and so are their weights.

use super::{Channel, channels, dot, dot_four};
use crate::{LayerView, arithmetic::requantize};

/// `[3, w + 2, in] → [w, out]`, without a pool.
pub(crate) fn row(view: &LayerView, lines: [&[i8]; 3], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    let in_fours = width - width % 4;
    for (index, channel) in channels(view).enumerate() {
        let mut pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        for column in (0..in_fours).step_by(4) {
            let accumulators = four(&channel, inputs, |kernel_row, pixel| {
                patch(lines[kernel_row], column + pixel, inputs)
            });
            for (accumulator, pixel) in accumulators.into_iter().zip(&mut pixels) {
                *pixel = activation(&channel, accumulator);
            }
        }
        for (column, pixel) in (in_fours..width).zip(pixels) {
            let accumulator = one(&channel, inputs, |kernel_row| {
                patch(lines[kernel_row], column, inputs)
            });
            *pixel = activation(&channel, accumulator);
        }
    }
}

/// `[4, w + 2, in] → [w / 2, out]`, with the pool.
pub(crate) fn pooled_row(view: &LayerView, lines: [&[i8]; 4], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    for (index, channel) in channels(view).enumerate() {
        let pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        for (column, pixel) in (0..width).step_by(2).zip(pixels) {
            // In reading order: pixels 0 and 1 above 2 and 3.
            let [a, b, c, d] = four(&channel, inputs, |kernel_row, pixel| {
                patch(lines[kernel_row + pixel / 2], column + pixel % 2, inputs)
            });
            let pooled = if channel.multiplier >= 0 {
                a.max(b).max(c).max(d)
            } else {
                a.min(b).min(c).min(d)
            };
            *pixel = activation(&channel, pooled);
        }
    }
}

/// Accumulators of four pixels. `patch` gives what lies under a row of the kernel for each of them.
#[inline]
fn four<'l>(
    channel: &Channel,
    inputs: usize,
    patch: impl Fn(usize, usize) -> &'l [i8],
) -> [i32; 4] {
    let mut accumulators = [channel.bias; 4];
    for (kernel_row, weights) in channel.weights.chunks_exact(3 * inputs).enumerate() {
        let patches = core::array::from_fn(|pixel| patch(kernel_row, pixel));
        for (accumulator, sum) in accumulators.iter_mut().zip(dot_four(weights, patches)) {
            *accumulator += sum;
        }
    }
    accumulators
}

/// The accumulator of one pixel.
#[inline]
fn one<'l>(channel: &Channel, inputs: usize, patch: impl Fn(usize) -> &'l [i8]) -> i32 {
    let kernel_rows = channel.weights.chunks_exact(3 * inputs).enumerate();
    let sums = kernel_rows.map(|(kernel_row, weights)| dot(weights, patch(kernel_row)));
    channel.bias + sums.sum::<i32>()
}

/// What lies under one row of the kernel for the pixel at `column`.
#[inline]
fn patch(line: &[i8], column: usize, inputs: usize) -> &[i8] {
    &line[column * inputs..][..3 * inputs]
}

/// ReLU and requantization.
#[inline]
fn activation(channel: &Channel, accumulator: i32) -> i8 {
    requantize(
        accumulator.max(channel.floor),
        channel.multiplier,
        channel.offset,
    )
}
