//! Reading a blob: see `FORMAT.md`.

mod error;
pub(crate) mod header;
mod section;
mod shapes;
#[cfg(all(test, feature = "encode"))]
mod tests;

pub use error::{LoadError, SectionPart};
pub use header::FORMAT_VERSION;
pub use section::LayerView;

use crate::{
    Image,
    graph::{Graph, MAX_LAYERS},
    plan::{Plan, Processor, least_arena_len},
};
use heapless::Vec;

/// What a microcontroller can usually spare.
const FAST_ARENA_LEN: usize = 48 * 1024;

/// A validated network in place in its blob. Inference with it cannot fail.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    graph: Graph<'a>,
    layers: Vec<LayerView<'a>, MAX_LAYERS>,
    known_answer_image: &'a Image,
    crc32: u32,
}

impl<'a> Model<'a> {
    /// Validates a blob once and entirely; copies nothing but the graph.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]: one variant for each way a blob can be wrong.
    pub fn load(blob: &'a [u8]) -> Result<Self, LoadError> {
        let parts = header::split(blob)?;
        let (graph, unused): (Graph, _) =
            postcard::take_from_bytes(parts.graph).map_err(LoadError::Graph)?;
        if !unused.is_empty() {
            return Err(LoadError::GraphTrailingBytes {
                unused: unused.len(),
            });
        }
        shapes::validate(&graph)?;
        let layers = section::layers(&graph, parts.section)?;
        let known_answer_image = section::known_answer_image(&graph, parts.section)?;
        section::reject_overlaps(&graph)?;
        Ok(Self {
            graph,
            layers,
            known_answer_image,
            crc32: parts.crc32,
        })
    }

    /// What the blob says about the network.
    pub fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// The blob's CRC-32, which identifies it.
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// Bytes of the smallest arena in which an [`Interpreter`](crate::Interpreter) can compute this network.
    ///
    /// No sum overflows, even where `usize` has 32 bits: the input has 32×32 pixels and no layer makes more of them, channels
    /// and dense inputs are at most 65,535.
    pub fn arena_len(&self) -> usize {
        least_arena_len(&self.layers)
    }

    /// How an [`Interpreter`](crate::Interpreter) computes this network in an arena of `arena_len` bytes: the fastest way that fits;
    /// `None` if that is fewer than [`Self::arena_len`].
    pub fn plan(&self, arena_len: usize) -> Option<Plan> {
        self.plan_for(Processor::THIS, arena_len)
    }

    /// Like [`Self::plan`], for another processor.
    pub fn plan_for(&self, processor: Processor, arena_len: usize) -> Option<Plan> {
        Plan::fastest(&self.layers, processor, arena_len)
    }

    /// Bytes of arena that the fastest plan within 48 KiB needs; [`Self::arena_len`] if there is none.
    pub fn fast_arena_len(&self) -> usize {
        self.plan(FAST_ARENA_LEN)
            .map_or_else(|| self.arena_len(), |plan| plan.arena_len())
    }

    /// One layer with its numbers.
    pub fn layer(&self, index: usize) -> Option<&LayerView<'a>> {
        self.layers.get(index)
    }

    /// All layers with their numbers, in the order of computation.
    pub fn layers(&self) -> &[LayerView<'a>] {
        &self.layers
    }

    /// The image of the known answer.
    pub fn known_answer_image(&self) -> &'a Image {
        self.known_answer_image
    }

    #[cfg(all(test, feature = "encode"))]
    pub(crate) fn graph_mut(&mut self) -> &mut Graph<'a> {
        &mut self.graph
    }
}
