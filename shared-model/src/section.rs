//! Where things are in a blob.

use serde::{Deserialize, Serialize};

/// Bytes in front of the graph: magic, version, total length, CRC, length of the graph.
pub(crate) const HEADER_LEN: usize = 24;

/// A part of the section, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// From the start of the section; a multiple of 16.
    pub offset: u32,
    /// Length.
    pub len: u32,
}

impl Range {
    /// No bytes.
    pub const EMPTY: Self = Self { offset: 0, len: 0 };

    pub(crate) fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }
}
