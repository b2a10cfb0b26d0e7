//! Reading a blob: see `FORMAT.md`.

use crate::graph::{Graph, Layer};

/// Why a blob was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {}

/// Which numbers a range of the section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeKind {
    /// Weights of a layer.
    Weights,
}

/// A layer with its numbers, in place in the blob.
#[derive(Clone, Copy, Debug)]
pub struct LayerView<'a> {
    /// Its shapes.
    pub layer: Layer,
    /// `[out][ky][kx][in]` or `[out][in]`, -127 … 127.
    pub weights: &'a [i8],
    /// One an output channel.
    pub biases: &'a [i32],
    /// One an output channel.
    pub multipliers: &'a [i32],
    /// One an output channel.
    pub offsets: &'a [i64],
}

/// A validated network in place in its blob. Inference with it cannot fail.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    graph: Graph<'a>,
    layers: heapless::Vec<LayerView<'a>, 16>,
    crc32: u32,
}

impl<'a> Model<'a> {
    /// Validates a blob once and entirely; copies nothing but the graph.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]: one variant for each way a blob can be wrong.
    pub fn load(_blob: &'a [u8]) -> Result<Self, LoadError> {
        todo!()
    }

    /// What the blob says about the network.
    pub fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// The blob's CRC-32, which identifies it.
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// Bytes that an [`Interpreter`](crate::Interpreter) needs as working memory.
    pub fn arena_len(&self) -> usize {
        todo!()
    }

    /// One layer with its numbers.
    pub fn layer(&self, index: usize) -> Option<&LayerView<'a>> {
        self.layers.get(index)
    }
}
