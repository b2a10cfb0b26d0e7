//! A layer at work.

use crate::{
    LayerView,
    graph::LayerKind,
    kernels::{dense, direct, patches, strips, winograd},
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
        if let Kernel::Strips { windows } = plan.kernel {
            let first = row * self.pool();
            let input = (&plan.rows, input);
            return strips::row(self.view, first, input, windows, scratch, output);
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

#[cfg(all(test, feature = "encode"))]
mod tests {
    use super::*;
    use crate::{encode, graph, oracle, plan, testing::Numbers};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn rows([height, width, channels]: [usize; 3]) -> Rows {
        Rows {
            height,
            width,
            channels,
            kept: height,
        }
    }

    /// A plan of one layer alone, and of one behind it that takes its output, whose input and output are whole.
    fn plans(view: &LayerView, kernel: Kernel) -> [LayerPlan; 2] {
        let mut next = 0;
        let mut take = |words: usize| {
            next += words;
            if words == 0 { 0..0 } else { next - words..next }
        };
        let [input, output] =
            [view.input_shape, view.layer.kind.output_shape()].map(|s| rows(s.map(usize::from)));
        let (scratch, products) = plan::scratch(view, kernel);
        [input, output].map(|rows| LayerPlan {
            kernel,
            is_input_whole: true,
            is_alone: true,
            weight_fetches: 0,
            rows,
            input: take(rows.len().div_ceil(4)),
            filters: take(plan::filters(view, kernel)),
            scratch: take(scratch),
            products: take(products),
        })
    }

    /// Output of one layer for `input`.
    fn run(view: &LayerView, kernel: Kernel, input: &[i8], padding: &[i8]) -> Vec<i8> {
        let [plan, next] = plans(view, kernel);
        // Behind the last region of either layer.
        let mut arena =
            vec![0x5555_AAAA; next.products.end.max(next.scratch.end).max(next.input.end)];
        let mut stage = Stage {
            view,
            plan: &plan,
            progress: Progress::default(),
        };
        bytemuck::cast_slice_mut::<_, i8>(&mut arena[plan.input.clone()])[..input.len()]
            .copy_from_slice(input);
        stage.pad(&mut arena, padding);
        stage.progress.pushed = plan.rows.height;
        while stage.is_ready() {
            stage.progress.computed = stage.compute(&mut arena, &next).end;
        }
        let output: &[i8] = bytemuck::cast_slice(&arena[next.input.clone()]);
        output[..next.rows.size()].to_vec()
    }

    fn view(layer: &encode::Layer, input_shape: [u16; 3]) -> LayerView<'_> {
        let nowhere = graph::Range { offset: 0, len: 0 };
        LayerView {
            layer: graph::Layer {
                kind: layer.kind,
                relu: layer.relu,
                output: layer.output,
                weights: nowhere,
                biases: nowhere,
                multipliers: nowhere,
                offsets: nowhere,
            },
            input_shape,
            weights: &layer.weights,
            biases: &layer.biases,
            multipliers: &layer.multipliers,
            offsets: &layer.offsets,
        }
    }

    /// `len` values: any, all the same extreme, extremes in turn, or extremes by chance.
    fn values(numbers: &mut Numbers, [low, high]: [i8; 2], len: usize) -> Vec<i8> {
        let style = numbers.next() % 6;
        let any = |number: u64| low.max(number as i8);
        let extreme = |is_high: bool| if is_high { high } else { low };
        (0..len)
            .map(|index| match style {
                0 => low,
                1 => high,
                2 => extreme(index.is_multiple_of(2)),
                3 => extreme(numbers.next().is_multiple_of(2)),
                _ => any(numbers.next()),
            })
            .collect()
    }

    fn assert_equals_oracle(seed: u64, shape: [u16; 3], kind: LayerKind, relu: bool, size: usize) {
        let mut numbers = Numbers(seed);
        let output = numbers.int8();
        let mut layer = numbers.layer(kind, relu, output);
        layer.weights = values(&mut numbers, [-127, 127], layer.weights.len());
        let len = shape.iter().map(|&side| usize::from(side)).product();
        let input = values(&mut numbers, [-128, 127], len);
        let padding: Vec<i8> = (0..shape[2]).map(|_| numbers.next() as i8).collect();
        let expected = oracle::layer(&layer, &input, &padding);
        let expected: Vec<i8> = expected
            .iter()
            .map(|value| *value.clamp(&-128, &127) as i8)
            .collect();
        let view = view(&layer, shape);
        for kernel in plan::kernels(&view) {
            let sized = match kernel {
                Kernel::Strips { .. } => Kernel::Strips { windows: size },
                Kernel::Winograd { .. } => Kernel::Winograd { tiles: 4 * size },
                _ => kernel,
            };
            let found = run(&view, sized, &input, &padding);
            assert!(
                found == expected,
                "{sized:?}, {kind:?}, ReLU {relu}, seed {seed}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn every_kernel_equals_the_oracle(
            seed in any::<u64>(),
            side in (1_u16..=33, 1_u16..=33),
            channels in prop_oneof![1_u16..=12, (1_u16..=32).prop_map(|quads| 4 * quads), 120_u16..=130],
            outputs in prop_oneof![1_u16..=9, 1_u16..=130],
            is_dense in prop::bool::weighted(0.1),
            pool in any::<bool>(),
            relu in any::<bool>(),
            size in 1_usize..=5,
        ) {
            // The oracle shall not take long.
            const MACS: u32 = 1_500_000;
            let (mut height, mut width) = side;
            let inputs = |height: u16, width: u16| u32::from(height) * u32::from(width) * u32::from(channels);
            while 9 * inputs(height, width) > MACS || (is_dense && inputs(height, width) > 65_535) {
                (height, width) = (height.div_ceil(2), width.div_ceil(2));
            }
            if pool && !is_dense {
                (height, width) = (2 * height.div_ceil(2), 2 * width.div_ceil(2));
            }
            let outputs = outputs.min((MACS / (9 * inputs(height, width))).max(1) as u16);
            let shape = [height, width, channels];
            let kind = match is_dense {
                true => LayerKind::Dense { inputs: height * width * channels, outputs },
                false => LayerKind::Convolution { input: shape, output_channels: outputs, pool },
            };
            assert_equals_oracle(seed, shape, kind, relu, size);
        }
    }

    #[test]
    fn whole_layers_of_the_committed_network() {
        for (seed, (side, inputs, outputs, pool)) in [
            (32, 3, 32, false),
            (32, 32, 8, true),
            (16, 64, 6, true),
            (8, 64, 128, false),
            (8, 128, 128, true),
        ]
        .into_iter()
        .enumerate()
        {
            let shape = [side, side, inputs];
            let kind = LayerKind::Convolution {
                input: shape,
                output_channels: outputs,
                pool,
            };
            assert_equals_oracle(seed as u64, shape, kind, true, 2);
        }
    }
}
