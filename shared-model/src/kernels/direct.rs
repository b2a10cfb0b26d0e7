//! 3×3 convolutions as they are written down, in portable Rust and for any shape.
//!
//! A line is a row of input with a pixel of padding at either end, `[w + 2, in]`: the three pixels that lie under one row of the
//! kernel are `3 * in` bytes in succession, and so are their weights.

use super::{Finish, dot, dot_four};
use crate::{LayerView, graph::LayerKind, rows::Rows};

/// Rows of output, before the pool, that one step computes.
pub(crate) fn step_rows(view: &LayerView) -> usize {
    match view.layer.kind {
        LayerKind::Convolution { pool: true, .. } => 2,
        _ => 1,
    }
}

/// Bytes of the lines that one step needs.
pub(crate) fn lines_len(view: &LayerView) -> usize {
    let [_, width, channels] = view.input_shape.map(usize::from);
    (step_rows(view) + 2) * (width + 2) * channels
}

/// Copies the lines around output row `first` (before the pool) from a map.
pub(crate) fn gather_lines((rows, map): (&Rows, &[i8]), first: usize, lines: &mut [i8]) {
    let channels = rows.channels;
    let padding = &map[rows.padding()];
    let bordered = lines.chunks_exact_mut(rows.line() + 2 * channels);
    for (row, line) in (first..).zip(bordered) {
        if (1..=rows.height).contains(&row) {
            line[..channels].copy_from_slice(padding);
            line[channels..channels + rows.line()].copy_from_slice(&map[rows.row(row - 1)]);
            line[channels + rows.line()..].copy_from_slice(padding);
        } else {
            for pixel in line.chunks_exact_mut(channels) {
                pixel.copy_from_slice(padding);
            }
        }
    }
}

/// One row of outputs, `[w, out]`, or `[w / 2, out]` with a pool, from its lines.
pub(crate) fn row(view: &LayerView, lines: &[i8], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    let line = (width + 2) * inputs;
    match view.layer.kind {
        LayerKind::Convolution { pool: true, .. } => {
            pooled_row(
                view,
                core::array::from_fn(|i| &lines[i * line..][..line]),
                output,
            );
        }
        _ => plain_row(
            view,
            core::array::from_fn(|i| &lines[i * line..][..line]),
            output,
        ),
    }
}

fn plain_row(view: &LayerView, lines: [&[i8]; 3], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    let in_fours = width - width % 4;
    for (index, weights) in view.weights.chunks_exact(9 * inputs).enumerate() {
        let finish = Finish::of(view, index);
        let mut pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        for column in (0..in_fours).step_by(4) {
            let accumulators = four(weights, inputs, |kernel_row, pixel| {
                patch(lines[kernel_row], column + pixel, inputs)
            });
            for (accumulator, pixel) in accumulators.into_iter().zip(&mut pixels) {
                *pixel = finish.activation(accumulator);
            }
        }
        for (column, pixel) in (in_fours..width).zip(pixels) {
            let accumulator = one(weights, inputs, |kernel_row| {
                patch(lines[kernel_row], column, inputs)
            });
            *pixel = finish.activation(accumulator);
        }
    }
}

fn pooled_row(view: &LayerView, lines: [&[i8]; 4], output: &mut [i8]) {
    let [_, width, inputs] = view.input_shape.map(usize::from);
    for (index, weights) in view.weights.chunks_exact(9 * inputs).enumerate() {
        let finish = Finish::of(view, index);
        let pixels = output.iter_mut().skip(index).step_by(view.biases.len());
        for (column, pixel) in (0..width).step_by(2).zip(pixels) {
            // In reading order: pixels 0 and 1 above 2 and 3.
            let accumulators = four(weights, inputs, |kernel_row, pixel| {
                patch(lines[kernel_row + pixel / 2], column + pixel % 2, inputs)
            });
            *pixel = finish.activation(finish.pool(accumulators));
        }
    }
}

/// Accumulators of four pixels, without bias. `patch` gives what lies under a row of the kernel for each of them.
#[inline]
fn four<'l>(weights: &[i8], inputs: usize, patch: impl Fn(usize, usize) -> &'l [i8]) -> [i32; 4] {
    let mut accumulators = [0; 4];
    for (kernel_row, weights) in weights.chunks_exact(3 * inputs).enumerate() {
        let patches = core::array::from_fn(|pixel| patch(kernel_row, pixel));
        for (accumulator, sum) in accumulators.iter_mut().zip(dot_four(weights, patches)) {
            *accumulator += sum;
        }
    }
    accumulators
}

/// The accumulator of one pixel, without bias.
#[inline]
fn one<'l>(weights: &[i8], inputs: usize, patch: impl Fn(usize) -> &'l [i8]) -> i32 {
    let kernel_rows = weights.chunks_exact(3 * inputs).enumerate();
    let sums = kernel_rows.map(|(kernel_row, weights)| dot(weights, patch(kernel_row)));
    sums.sum()
}

/// What lies under one row of the kernel for the pixel at `column`.
#[inline]
fn patch(line: &[i8], column: usize, inputs: usize) -> &[i8] {
    &line[column * inputs..][..3 * inputs]
}
