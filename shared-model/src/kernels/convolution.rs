//! 3×3 convolutions, one row of output at a time.
//!
//! A row of input is `[w + 2, in]` with its border; the three pixels that lie under one row of the kernel are `3 * in`
//! bytes in succession, and so are their weights.

use super::{Channel, channels, dot};
use crate::{LayerView, arithmetic::requantize};

/// Pixels that are computed at once.
const TILE: usize = 4;

/// `[3, w + 2, in] → [w, out]`, without a pool.
pub(crate) fn row(view: &LayerView, lines: [&[i8]; 3], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    for (index, channel) in channels(view).enumerate() {
        let mut pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        let whole_tiles = width - width % TILE;
        for column in (0..whole_tiles).step_by(TILE) {
            let sums = adjacent::<TILE>(&channel, inputs, lines, column);
            store(&channel, sums, &mut pixels);
        }
        for column in whole_tiles..width {
            let sums = adjacent::<1>(&channel, inputs, lines, column);
            store(&channel, sums, &mut pixels);
        }
    }
}

/// `[4, w + 2, in] → [w / 2, out]`, with the pool.
pub(crate) fn pooled_row(view: &LayerView, lines: [&[i8]; 4], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    for (index, channel) in channels(view).enumerate() {
        let mut pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        for column in (0..width).step_by(2) {
            let [a, b, c, d] = square(&channel, inputs, lines, column);
            let pooled = if channel.multiplier >= 0 {
                a.max(b).max(c).max(d)
            } else {
                a.min(b).min(c).min(d)
            };
            store(&channel, [pooled], &mut pixels);
        }
    }
}

/// Accumulators of `N` pixels side by side, the first at `column`.
#[inline]
fn adjacent<const N: usize>(
    channel: &Channel,
    inputs: usize,
    lines: [&[i8]; 3],
    column: usize,
) -> [i32; N] {
    let mut sums = [channel.bias; N];
    for (weights, line) in channel.weights.chunks_exact(3 * inputs).zip(lines) {
        let patches = core::array::from_fn(|pixel| patch(line, column + pixel, inputs));
        add(&mut sums, dot(weights, patches));
    }
    sums
}

/// Accumulators of the 2×2 pixels whose left column is `column`.
#[inline]
fn square(channel: &Channel, inputs: usize, lines: [&[i8]; 4], column: usize) -> [i32; 4] {
    let mut sums = [channel.bias; 4];
    let pairs = lines.windows(2);
    for (weights, pair) in channel.weights.chunks_exact(3 * inputs).zip(pairs) {
        let patches =
            core::array::from_fn(|pixel| patch(pair[pixel / 2], column + pixel % 2, inputs));
        add(&mut sums, dot(weights, patches));
    }
    sums
}

/// What lies under one row of the kernel for the pixel at `column`.
#[inline]
fn patch(line: &[i8], column: usize, inputs: usize) -> &[i8] {
    &line[column * inputs..][..3 * inputs]
}

#[inline]
fn add<const N: usize>(sums: &mut [i32; N], terms: [i32; N]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}

/// ReLU and requantization of accumulators into the next pixels.
#[inline]
fn store<'o, const N: usize>(
    channel: &Channel,
    accumulators: [i32; N],
    pixels: &mut impl Iterator<Item = &'o mut i8>,
) {
    for (accumulator, pixel) in accumulators.into_iter().zip(pixels) {
        let accumulator = accumulator.max(channel.floor);
        *pixel = requantize(accumulator, channel.multiplier, channel.offset);
    }
}
