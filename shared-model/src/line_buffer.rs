//! The rows of a layer's input that are still needed.

use crate::{LayerView, graph::LayerKind};

/// How a layer's input is kept.
///
/// A convolution keeps the rows that one row of its output needs: three, or four with a pool. Each is bordered by a padding
/// pixel left and right, and a row of padding precedes the first one and follows the last one: to a kernel there are no
/// borders. A dense layer keeps its whole input, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of a row that comes from the layer before.
    line: usize,
    /// Bytes of padding at either end of it: those of one pixel, or none.
    border: usize,
    /// Rows that are kept.
    kept: usize,
}

impl Geometry {
    /// The input of a layer.
    pub fn of(view: &LayerView) -> Self {
        let [height, width, channels] = view.input_shape.map(usize::from);
        let line = width * channels;
        match view.layer.kind {
            LayerKind::Convolution { pool: false, .. } => Self {
                line,
                border: channels,
                kept: 3,
            },
            LayerKind::Convolution { pool: true, .. } => Self {
                line,
                border: channels,
                kept: 4,
            },
            LayerKind::Dense { .. } => Self {
                line,
                border: 0,
                kept: height,
            },
        }
    }

    fn bordered_line(&self) -> usize {
        self.border + self.line + self.border
    }

    /// Bytes of memory.
    pub fn len(&self) -> usize {
        self.kept * self.bordered_line()
    }
}

/// A ring of rows. Row `i`, counted from the first one that was pushed, stands in slot `i % kept`.
pub(crate) struct LineBuffer<'m> {
    geometry: Geometry,
    memory: &'m mut [i8],
    /// One value a channel, or one for all.
    padding: &'m [i8],
    pushed: usize,
}

impl<'m> LineBuffer<'m> {
    /// `memory` has [`Geometry::len`] bytes.
    pub fn new(geometry: Geometry, memory: &'m mut [i8], padding: &'m [i8]) -> Self {
        for line in memory.chunks_exact_mut(geometry.bordered_line()) {
            pad(line, padding);
        }
        Self {
            geometry,
            memory,
            padding,
            pushed: 0,
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.pushed = 0;
    }

    /// How many rows were pushed.
    pub fn pushed(&self) -> usize {
        self.pushed
    }

    /// Makes room for one more row and gives the part of it that the layer before has to fill.
    pub fn push(&mut self) -> &mut [i8] {
        let Geometry { line, border, .. } = self.geometry;
        &mut self.next_slot()[border..border + line]
    }

    /// Adds a row of padding.
    pub fn push_padding(&mut self) {
        let padding = self.padding;
        pad(self.next_slot(), padding);
    }

    /// Rows `first`, `first + 1`, … with their borders; all of them are still kept.
    pub fn lines<const N: usize>(&self, first: usize) -> [&[i8]; N] {
        core::array::from_fn(|index| &self.memory[self.slot(first + index)])
    }

    /// Everything that is kept, from slot 0 on.
    pub fn all(&self) -> &[i8] {
        self.memory
    }

    fn slot(&self, row: usize) -> core::ops::Range<usize> {
        let len = self.geometry.bordered_line();
        let start = row % self.geometry.kept * len;
        start..start + len
    }

    fn next_slot(&mut self) -> &mut [i8] {
        let slot = self.slot(self.pushed);
        self.pushed += 1;
        &mut self.memory[slot]
    }
}

fn pad(line: &mut [i8], padding: &[i8]) {
    for (value, &padding) in line.iter_mut().zip(padding.iter().cycle()) {
        *value = padding;
    }
}
