//! Which kernel computes each layer, and where in the arena everything is.
//!
//! Layers form *segments*. The input and the output of a segment are whole feature maps; within it, a layer computes a few rows as
//! soon as the rows that they need are there, and only the rows that are still needed exist. The maps lie at either end of the
//! arena in turn, so that a segment's output is the next one's input where it is; between them lie the rows within the
//! segment, filters that are kept, and the scratch memory that its kernels take turns to use.

mod cost;
mod layout;
mod search;

use crate::{LayerView, graph::MAX_LAYERS, rows::Rows};
use core::{fmt, ops::Range};
use heapless::Vec;

#[cfg(all(test, feature = "encode"))]
pub(crate) use cost::{filters, scratch};
#[cfg(all(test, feature = "encode"))]
pub(crate) use search::kernels;
pub(crate) use search::least_arena_len;

/// How a layer is computed. All kernels give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A convolution as it is written down: a row of output (two before a pool) at a time.
    Direct,
    /// A convolution with few input channels: patches of nine pixels as rows of a matrix, filters kept in memory as int16.
    Patches,
    /// A convolution as it is written down, for the DSP extension: strips of the input are widened to int16.
    Strips {
        /// Windows of four columns of output for which a filter is widened once.
        windows: usize,
    },
    /// Winograd's F(4×4, 3×3): tiles of 4×4 outputs; filters are transformed again for every so many tiles.
    Winograd {
        /// Tiles for which a filter is transformed once.
        tiles: usize,
    },
    /// Every output from every input.
    Dense,
}

/// How one layer is computed and where its memory is. Ranges are in words of the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlan {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether its whole input is there before it starts.
    pub is_input_whole: bool,
    /// Whether one step computes the whole layer, its input being whole.
    pub(crate) is_alone: bool,
    /// How often an inference fetches each of its weights from the blob.
    pub weight_fetches: usize,
    /// The rows of its input.
    pub(crate) rows: Rows,
    pub(crate) input: Range<usize>,
    /// Filters that are kept through an inference.
    pub(crate) filters: Range<usize>,
    /// Transformed tiles, or all the scratch memory of another kernel.
    pub(crate) scratch: Range<usize>,
    /// What Winograd's products need; where the whole input has been transformed by then, it may lie in the input.
    pub(crate) products: Range<usize>,
}

/// How a network is computed in an arena of a certain length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    layers: Vec<LayerPlan, MAX_LAYERS>,
    words: usize,
    instructions: u64,
}

/// For which kernels a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// A Cortex-M with the DSP extension: an M4, M7 or M33.
    Dsp,
    /// Any other, whose compiler makes the most of the portable kernels.
    Portable,
}

impl Processor {
    /// The one that this is compiled for.
    pub const THIS: Self = if cfg!(arm_dsp) {
        Self::Dsp
    } else {
        Self::Portable
    };
}

/// The arena's first word may begin three bytes behind its first byte.
pub(crate) const ALIGNMENT_SLACK: usize = size_of::<u32>() - 1;

impl Plan {
    /// The fastest one in an arena of `arena_len` bytes, if there is any.
    pub(crate) fn fastest(
        views: &[LayerView],
        processor: Processor,
        arena_len: usize,
    ) -> Option<Self> {
        let words = arena_len.checked_sub(ALIGNMENT_SLACK)? / size_of::<u32>();
        search::fastest(views, processor, words)
    }

    /// The layers in the order of computation.
    pub fn layers(&self) -> &[LayerPlan] {
        &self.layers
    }

    /// Bytes of the arena that are used, wherever it begins.
    pub fn arena_len(&self) -> usize {
        self.words * size_of::<u32>() + ALIGNMENT_SLACK
    }

    /// An estimate of the instructions of an inference, by which plans for the same processor are compared.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.pad("direct"),
            Self::Patches => f.pad("patches"),
            Self::Strips { .. } => f.pad("strips"),
            Self::Winograd { .. } => f.pad("winograd"),
            Self::Dense => f.pad("dense"),
        }
    }
}

/// A table with a line for each layer.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |range: &Range<usize>| range.len() * size_of::<u32>();
        writeln!(
            f,
            "layer  kernel    tiles  input rows  input bytes  kept filters  scratch  weight fetches"
        )?;
        for (index, layer) in self.layers.iter().enumerate() {
            let tiles = match layer.kernel {
                Kernel::Winograd { tiles: count } | Kernel::Strips { windows: count } => count,
                _ => 0,
            };
            writeln!(
                f,
                "{index:5}  {:8}  {tiles:5}  {:3} of {:3}  {:11}  {:12}  {:7}  {:14}",
                layer.kernel,
                layer.rows.kept,
                layer.rows.height,
                bytes(&layer.input),
                bytes(&layer.filters),
                bytes(&layer.scratch) + bytes(&layer.products),
                layer.weight_fetches,
            )?;
        }
        let len = self.arena_len();
        let millions = self.instructions.div_ceil(1_000_000);
        write!(
            f,
            "arena: {len} bytes; about {millions} million instructions"
        )
    }
}
