//! A layer at work.

use crate::{
    LayerView,
    graph::LayerKind,
    kernels::{convolution, dense},
    line_buffer::{Geometry, LineBuffer},
};

/// A layer, the rows of its input that it still needs, and how far it is.
pub(crate) struct Stage<'m, 'a> {
    view: &'m LayerView<'a>,
    input: LineBuffer<'m>,
    /// Rows of output so far.
    computed: usize,
}

impl<'m, 'a> Stage<'m, 'a> {
    /// Takes what it needs from the front of `arena` and gives the rest back; `None` if that is too little.
    /// `padding` has a value for each input channel, or one for all.
    pub fn new(
        view: &'m LayerView<'a>,
        arena: &'m mut [i8],
        padding: &'m [i8],
    ) -> Option<(Self, &'m mut [i8])> {
        let geometry = Geometry::of(view);
        let (memory, rest) = arena.split_at_mut_checked(geometry.len())?;
        let input = LineBuffer::new(geometry, memory, padding);
        Some((
            Self {
                view,
                input,
                computed: 0,
            },
            rest,
        ))
    }

    /// Gets ready for the next image.
    pub fn restart(&mut self) {
        self.computed = 0;
        self.input.clear();
        if let LayerKind::Convolution { .. } = self.view.layer.kind {
            self.input.push_padding();
        }
    }

    /// Makes room for the next row of input, `[w, c]`.
    pub fn push(&mut self) -> &mut [i8] {
        self.input.push()
    }

    /// Takes a row of the image.
    pub fn push_pixels(&mut self, row: &[u8]) {
        for (value, pixel) in self.push().iter_mut().zip(row) {
            *value = (pixel ^ 0x80) as i8; // pixel - 128
        }
    }

    /// Whether all rows are there that the next row of output needs.
    pub fn is_ready(&self) -> bool {
        let [height, ..] = self.view.input_shape.map(usize::from);
        let [rows, ..] = self.view.layer.kind.output_shape().map(usize::from);
        let needed = match self.view.layer.kind {
            // The row of padding below the last one is pushed when it is needed.
            LayerKind::Convolution { .. } => self.lines_end().min(height + 1),
            LayerKind::Dense { .. } => height,
        };
        self.computed < rows && self.input.pushed() >= needed
    }

    /// Computes the next row of output, `[w, c]`, of a layer that gives activations and is ready.
    pub fn compute_row(&mut self, output: &mut [i8]) {
        match self.view.layer.kind {
            LayerKind::Convolution { pool, .. } => {
                if self.input.pushed() < self.lines_end() {
                    self.input.push_padding();
                }
                if pool {
                    let lines = self.input.lines(2 * self.computed);
                    convolution::pooled_row(self.view, lines, output);
                } else {
                    convolution::row(self.view, self.input.lines(self.computed), output);
                }
            }
            LayerKind::Dense { .. } => dense::activations(self.view, self.input.all(), output),
        }
        self.computed += 1;
    }

    /// Computes the logits of the last layer, which is ready.
    pub fn compute_logits(&mut self) -> impl Iterator<Item = i32> {
        self.computed += 1;
        dense::logits(self.view, self.input.all())
    }

    /// The row of input, padding counted, that follows the last one under the kernel of a convolution.
    fn lines_end(&self) -> usize {
        match self.view.layer.kind {
            LayerKind::Convolution { pool: true, .. } => 2 * self.computed + 4,
            _ => self.computed + 3,
        }
    }
}

#[cfg(all(test, feature = "encode"))]
mod tests {
    use super::*;
    use crate::{encode, graph, oracle, testing::Numbers};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    /// Output of one layer for `input`, computed as the interpreter does it.
    fn run(layer: &encode::Layer, input_shape: [u16; 3], input: &[i8], padding: &[i8]) -> Vec<i8> {
        let nowhere = graph::Range { offset: 0, len: 0 };
        let view = LayerView {
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
        };
        let mut arena = vec![0x55; Geometry::of(&view).len()];
        let (mut stage, rest) = Stage::new(&view, &mut arena, padding).unwrap();
        assert!(rest.is_empty());
        let [_, width, channels] = layer.kind.output_shape().map(usize::from);
        let mut output = Vec::new();
        stage.restart();
        for row in input.chunks(usize::from(input_shape[1] * input_shape[2])) {
            stage.push().copy_from_slice(row);
            while stage.is_ready() {
                let mut row = vec![0; width * channels];
                stage.compute_row(&mut row);
                output.extend(row);
            }
        }
        output
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn any_shape_equals_the_oracle(
            seed in any::<u64>(),
            shape in (1_u16..=9, 1_u16..=9, 1_u16..=20),
            outputs in 1_u16..=20,
            is_dense in any::<bool>(),
            pool in any::<bool>(),
            relu in any::<bool>(),
        ) {
            let (mut height, mut width, channels) = shape;
            if pool && !is_dense {
                (height, width) = (2 * height.div_ceil(2), 2 * width.div_ceil(2));
            }
            let shape = [height, width, channels];
            let kind = match is_dense {
                true => LayerKind::Dense { inputs: height * width * channels, outputs },
                false => LayerKind::Convolution { input: shape, output_channels: outputs, pool },
            };
            let mut numbers = Numbers(seed);
            let output = numbers.int8();
            let layer = numbers.layer(kind, relu, output);
            let len = usize::from(height * width * channels);
            let input: Vec<i8> = (0..len).map(|_| numbers.next() as i8).collect();
            let padding: Vec<i8> = (0..channels).map(|_| numbers.next() as i8).collect();
            let expected = oracle::layer(&layer, &input, &padding);
            let expected: Vec<i8> = expected.iter().map(|value| *value.clamp(&-128, &127) as i8).collect();
            prop_assert_eq!(run(&layer, shape, &input, &padding), expected);
        }
    }
}
