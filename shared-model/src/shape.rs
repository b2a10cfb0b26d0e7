//! The shape of a tensor.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Shape of a picture or a feature map, `[height, width, channels]`; the last index is fastest in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Values of a pixel.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three dimensions.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// Number of elements. Fits 32 bits for every tensor of a valid network, which has at most 2^20.
    pub const fn elements(self) -> usize {
        self.height as usize * self.row_len()
    }

    /// Elements of a row, `[width, channels]`.
    pub const fn row_len(self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// The three dimensions, `[height, width, channels]`.
    pub const fn dimensions(self) -> [usize; 3] {
        [self.height as usize, self.width as usize, self.channels as usize]
    }
}

/// As `32x32x3`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}
