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
