//! 3×3 convolutions by their definition, in portable Rust and for any shape.
//!
//! A line is a row of input with a pixel of padding at either end, `[w + 2, in]`: the three pixels that lie under one row of the
//! kernel are `3 * in` bytes in succession, and so are their weights.

use super::{Costs, Job, Kernel, Need, Places, Turn, Words, convolution_turn, dot_four, pair};
use crate::{ops::OperationKind, rows::Rows, step::Step};

/// A row of output at a time.
pub(crate) struct Direct;

impl Kernel for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn fits(&self, step: &Step) -> bool {
        step.kind == OperationKind::Convolution
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        Need { scratch: Words { fixed: lines_len(step).div_ceil(4), each: 0 }, ..Need::rows(step.pool_side() + 2) }
    }

    fn weight_fetches(&self, step: &Step, _: usize, _: usize) -> usize {
        let [height, width] = step.computed_size();
        height * width.div_ceil(4)
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, costs: &Costs) -> u64 {
        let rows = 3 * (step.biases.len() * self.weight_fetches(step, 1, 1)) as u64;
        step.multiply_accumulates() * costs.direct / 4 + rows * costs.direct_row
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        convolution_turn(step, 1, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, rows) = (job.step, job.input_rows);
        let (top, row) = (job.turn * step.pool_side(), job.output_rows.row(job.turn));
        let Places { input, scratch, .. } = job.places;
        let (input, lines) = pair(job.arena, input, scratch);
        gather_lines(
            (&rows, bytemuck::cast_slice(input)),
            top,
            &mut bytemuck::cast_slice_mut(lines)[..lines_len(step)],
            &<[i8]>::copy_from_slice,
        );
        let (lines, output) = pair(job.arena, scratch, job.output);
        let lines = &bytemuck::cast_slice(lines)[..lines_len(step)];
        let output = &mut bytemuck::cast_slice_mut(output)[row];
        compute_row(step, lines, output);
    }
}

/// Bytes of the lines that one turn needs.
pub(crate) fn lines_len(step: &Step) -> usize {
    let [_, width, channels] = step.input.dimensions();
    (step.pool_side() + 2) * (width + 2) * channels
}

/// Copies the lines around row `top` of accumulators from a map, with `copy` from the second slice to the first, both of one length.
pub(crate) fn gather_lines((rows, map): (&Rows, &[i8]), top: usize, lines: &mut [i8], copy: &dyn Fn(&mut [i8], &[i8])) {
    let channels = rows.channels;
    let padding = &map[rows.padding()];
    let bordered = lines.chunks_exact_mut(rows.line() + 2 * channels);
    for (row, line) in (top..).zip(bordered) {
        if (1..=rows.height).contains(&row) {
            copy(&mut line[..channels], padding);
            copy(&mut line[channels..channels + rows.line()], &map[rows.row(row - 1)]);
            copy(&mut line[channels + rows.line()..], padding);
        } else {
            for pixel in line.chunks_exact_mut(channels) {
                copy(pixel, padding);
            }
        }
    }
}

/// One row of outputs, `[w, out]`, from its lines.
fn compute_row(step: &Step, lines: &[i8], output: &mut [i8]) {
    let (inputs, outputs) = (usize::from(step.input.channels), step.biases.len());
    let line = lines.len() / (step.pool_side() + 2);
    let [_, width] = step.computed_size();
    // Where the patches of four pixels start: two above two before a pool, else four in a row, the last one again at the end.
    let starts = |column: usize| -> [usize; 4] {
        core::array::from_fn(|pixel| {
            if step.pool {
                pixel / 2 * line + (column + pixel % 2) * inputs
            } else {
                (column + pixel).min(width - 1) * inputs
            }
        })
    };
    let columns = if step.pool { 2 } else { 4 };
    for (channel, weights) in step.weights.chunks_exact(9 * inputs).enumerate() {
        let epilogue = step.epilogue(channel);
        let mut pixels = output.iter_mut().skip(channel).step_by(outputs);
        for column in (0..width).step_by(columns) {
            let accumulators = four(weights, lines, line, starts(column));
            if step.pool {
                let pooled = epilogue.pool(accumulators);
                if let Some(pixel) = pixels.next() {
                    *pixel = epilogue.activation(pooled);
                }
            } else {
                for (accumulator, pixel) in accumulators.into_iter().zip(&mut pixels) {
                    *pixel = epilogue.activation(accumulator);
                }
            }
        }
    }
}

/// Accumulators of four pixels, without bias, whose patches begin at `starts` of the first of three lines.
fn four(weights: &[i8], lines: &[i8], line: usize, starts: [usize; 4]) -> [i32; 4] {
    let len = weights.len() / 3;
    let mut accumulators = [0; 4];
    for (kernel_row, weights) in weights.chunks_exact(len).enumerate() {
        let patches = starts.map(|start| &lines[kernel_row * line + start..][..len]);
        for (accumulator, sum) in accumulators.iter_mut().zip(dot_four(weights, patches)) {
            *accumulator += sum;
        }
    }
    accumulators
}
