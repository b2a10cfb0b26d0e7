//! A layer at work.

use crate::{
    LayerView,
    graph::LayerKind,
    kernels::{dense, direct, patches, winograd},
    plan::{Kernel, LayerPlan},
    rows::Rows,
};
use core::ops::Range;

/// How far a layer is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Rows of input so far.
    pub pushed: usize,
    /// Rows of output so far.
    pub computed: usize,
}

/// A layer and how it is computed.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'s, 'a> {
    pub view: &'s LayerView<'a>,
    pub plan: &'s LayerPlan,
    pub progress: Progress,
}

/// Ranges of the arena, none of which overlap.
fn parts<'p, const N: usize>(
    arena: &'p mut [u32],
    ranges: [&Range<usize>; N],
) -> [&'p mut [u32]; N] {
    arena
        .get_disjoint_mut(ranges.map(Clone::clone))
        .expect("a plan keeps what is used together apart, and an arena has its plan's length")
}

impl Stage<'_, '_> {
    /// Takes a row of the image.
    pub fn push_pixels(&self, arena: &mut [u32], row: &[u8]) {
        let [input] = parts(arena, [&self.plan.input]);
        let input: &mut [i8] = bytemuck::cast_slice_mut(input);
        let line = &mut input[self.plan.rows.row(self.progress.pushed)];
        for (value, pixel) in line.iter_mut().zip(row) {
            *value = (pixel ^ 0x80) as i8; // pixel - 128
        }
    }

    /// Writes the padding behind the rows of the input, which the first of them precedes: one value for each input channel, or one
    /// for all.
    pub fn pad(&self, arena: &mut [u32], padding: &[i8]) {
        let [input] = parts(arena, [&self.plan.input]);
        let input: &mut [i8] = bytemuck::cast_slice_mut(input);
        let pixel = &mut input[self.plan.rows.padding()];
        for (value, &padding) in pixel.iter_mut().zip(padding.iter().cycle()) {
            *value = padding;
        }
    }

    /// Rows of output before its pool, for each row of output.
    fn pool(&self) -> usize {
        match self.view.layer.kind {
            LayerKind::Convolution { pool: true, .. } => 2,
            _ => 1,
        }
    }

    /// Rows of output that the next step computes.
    fn step(&self) -> Range<usize> {
        let [rows, ..] = self.view.layer.kind.output_shape().map(usize::from);
        let step = match self.plan.kernel {
            Kernel::Winograd { .. } if self.plan.is_alone => rows,
            Kernel::Winograd { .. } => winograd::TILE / self.pool(),
            _ => 1,
        };
        let computed = self.progress.computed;
        computed..rows.min(computed + step)
    }

    /// Whether all rows are there that the next step needs.
    pub fn is_ready(&self) -> bool {
        let Rows { height, .. } = self.plan.rows;
        let needed = match self.plan.kernel {
            Kernel::Dense => height,
            _ if self.plan.is_input_whole => height,
            _ => height.min(self.step().end * self.pool() + 1),
        };
        !self.step().is_empty() && self.progress.pushed >= needed
    }

    /// Computes the next rows of output into `next`'s input and says which they are. The stage is ready and gives activations.
    pub fn compute(&self, arena: &mut [u32], next: &LayerPlan) -> Range<usize> {
        let step = self.step();
        if self.plan.kernel == Kernel::Patches && step.start == 0 {
            let [filters] = parts(arena, [&self.plan.filters]);
            patches::widen_filters(self.view, bytemuck::cast_slice_mut(filters));
        }
        match self.plan.kernel {
            Kernel::Winograd { tiles } => self.compute_tiles(arena, next, &step, tiles),
            _ => self.compute_row(arena, next, step.start),
        }
        step
    }

    fn compute_row(&self, arena: &mut [u32], next: &LayerPlan, row: usize) {
        let plan = self.plan;
        let ranges = [&plan.input, &plan.filters, &plan.scratch, &next.input];
        let [input, filters, scratch, output] = parts(arena, ranges);
        let input: &[i8] = bytemuck::cast_slice(input);
        let output: &mut [i8] = bytemuck::cast_slice_mut(output);
        let output = &mut output[next.rows.row(row)];
        if plan.kernel == Kernel::Dense {
            return dense::activations(self.view, &input[..plan.rows.size()], output);
        }
        let lines_len = direct::lines_len(self.view);
        let (lines, rest) = scratch.split_at_mut(lines_len.div_ceil(size_of::<u32>()));
        let lines: &mut [i8] = &mut bytemuck::cast_slice_mut(lines)[..lines_len];
        direct::gather_lines((&plan.rows, input), row * self.pool(), lines);
        if plan.kernel == Kernel::Patches {
            patches::row(
                self.view,
                lines,
                bytemuck::cast_slice(filters),
                rest,
                output,
            );
        } else {
            direct::row(self.view, lines, output);
        }
    }

    fn compute_tiles(
        &self,
        arena: &mut [u32],
        next: &LayerPlan,
        step: &Range<usize>,
        tiles: usize,
    ) {
        let plan = self.plan;
        let tiling = winograd::Tiling::of(self.view);
        let rows = step.start * self.pool() / winograd::TILE
            ..(step.end * self.pool()).div_ceil(winograd::TILE);
        let all = rows.start * tiling.columns()..rows.end * tiling.columns();
        for first in all.clone().step_by(tiles) {
            let count = tiles.min(all.end - first);
            let [input, v] = parts(arena, [&plan.input, &plan.scratch]);
            let input = (&plan.rows, bytemuck::cast_slice(input));
            let v = bytemuck::cast_slice_mut(v);
            winograd::transform_tiles(&tiling, first..first + count, input, v);
            let ranges = [&plan.scratch, &plan.products, &next.input];
            let [v, scratch, output] = parts(arena, ranges);
            let mut output = winograd::Output {
                rows: next.rows,
                map: bytemuck::cast_slice_mut(output),
            };
            let v = bytemuck::cast_slice(v);
            let tiles = first..first + count;
            winograd::multiply_tiles(self.view, &tiling, tiles, v, scratch, &mut output);
        }
    }

    /// Computes the logits of the last layer, which is ready.
    pub fn compute_logits(&self, arena: &[u32]) -> impl Iterator<Item = i32> {
        let input: &[i8] = bytemuck::cast_slice(&arena[self.plan.input.clone()]);
        dense::logits(self.view, &input[..self.plan.rows.size()])
    }
}
