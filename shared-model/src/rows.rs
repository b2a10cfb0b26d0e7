//! The rows of a layer's input that are in memory.

use crate::Shape;
use core::ops::Range;

/// How the input of a layer is kept: a ring of rows `[w, c]`, all of them or the last few, and behind it one pixel of padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Rows that are kept; row `i` stands in slot `i % kept`.
    pub kept: usize,
}

impl Rows {
    /// The last `kept` rows of a map.
    pub fn new(map: Shape, kept: usize) -> Self {
        let [height, width, channels] = map.dimensions();
        Self { height, width, channels, kept }
    }

    /// Bytes of a row.
    pub fn line(&self) -> usize {
        self.width * self.channels
    }

    /// Bytes of all rows that are kept.
    pub fn size(&self) -> usize {
        self.kept * self.line()
    }

    /// Words of all rows and the padding.
    pub fn words(&self) -> usize {
        (self.size() + self.channels).div_ceil(4)
    }

    /// Where a row is.
    pub fn row(&self, row: usize) -> Range<usize> {
        let start = row % self.kept * self.line();
        start..start + self.line()
    }

    /// Where the pixel of padding is.
    pub fn padding(&self) -> Range<usize> {
        let start = self.size();
        start..start + self.channels
    }

    /// Where a pixel starts; row and column are counted from the border of padding around the map, which has one pixel.
    pub fn bordered_pixel(&self, row: usize, column: usize) -> usize {
        if (1..=self.height).contains(&row) && (1..=self.width).contains(&column) {
            self.row(row - 1).start + (column - 1) * self.channels
        } else {
            self.padding().start
        }
    }
}
