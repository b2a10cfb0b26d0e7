//! Reading a blob: see `FORMAT.md`.

pub(crate) mod header;
mod load;
#[cfg(test)]
mod tests;

pub use header::{FORMAT_VERSION, Header};

use crate::{
    Backend, Shape,
    error::LoadError,
    graph::{Graph, MAX_OPERATIONS},
    ops::OperationView,
    plan::{self, Plan},
    step::Step,
};
use heapless::Vec;

/// A validated network in place in its blob. Inference with it cannot fail.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    graph: Graph<'a>,
    section: &'a [u8],
    steps: Vec<Step<'a>, MAX_OPERATIONS>,
    /// `None`: the pattern.
    known_image: Option<&'a [u8]>,
    crc32: u32,
}

impl<'a> Model<'a> {
    /// Validates a blob once and entirely; copies nothing but a description of each step. The known answer is not run: see
    /// [`Interpreter::known_answer_holds`](crate::Interpreter::known_answer_holds).
    ///
    /// # Errors
    ///
    /// See [`LoadError`]: one variant for each way a blob can be wrong.
    pub fn load(blob: &'a [u8]) -> Result<Self, LoadError> {
        let mut model = Self::begin(blob)?;
        model.finish()?;
        Ok(model)
    }

    /// Like [`Self::load`], in place, where a microcontroller has no stack for a model that is moved. On an error the slot is empty.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_into<'s>(slot: &'s mut Option<Self>, blob: &'a [u8]) -> Result<&'s Self, LoadError> {
        *slot = None;
        Self::insert(slot, blob)?;
        if let Err(error) = slot.as_mut().map_or(Ok(()), Self::finish) {
            *slot = None;
            return Err(error);
        }
        Ok(slot.as_ref().expect("it has just been filled"))
    }

    /// What is left of a model on the stack is gone when this returns.
    #[inline(never)]
    fn insert(slot: &mut Option<Self>, blob: &'a [u8]) -> Result<(), LoadError> {
        *slot = Some(Self::begin(blob)?);
        Ok(())
    }

    /// A model without steps, of which all but the operations and the ranges is valid.
    fn begin(blob: &'a [u8]) -> Result<Self, LoadError> {
        let parts = header::split(blob)?;
        let graph = Graph::read(parts.graph)?;
        load::validate(&graph)?;
        Ok(Self { graph, section: parts.section, steps: Vec::new(), known_image: None, crc32: parts.crc32 })
    }

    /// Validates the rest and makes the steps.
    #[inline(never)]
    fn finish(&mut self) -> Result<(), LoadError> {
        load::read_steps(&self.graph, self.section, &mut self.steps)?;
        self.known_image = load::known_image(&self.graph, self.section)?;
        load::check_ranges(&self.graph, self.section)?;
        load::attach_filters(&self.graph, self.section, &mut self.steps)
    }

    /// What the blob says about the network.
    pub fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// Shape of the picture that it classifies.
    pub fn input_shape(&self) -> Shape {
        self.graph.input.shape
    }

    /// Name of a class; empty for one that the network does not have.
    pub fn label(&self, class: usize) -> &'a str {
        self.graph.labels.get(class).unwrap_or_default()
    }

    /// The blob's CRC-32, which identifies it.
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// The operations as the blob has them, with their numbers.
    pub fn operations(&self) -> impl Iterator<Item = OperationView<'a>> {
        load::views(&self.graph, self.section).map_while(Result::ok)
    }

    /// What is computed one after the other: operations with the pools behind them.
    pub fn steps(&self) -> &[Step<'a>] {
        &self.steps
    }

    /// Content of the extension of a kind, if the blob has one.
    pub fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        let mut extensions = self.graph.extensions.iter();
        let range = extensions.find(|extension| extension.kind == kind)?.range;
        self.section.get(range.offset as usize..)?.get(..range.len as usize)
    }

    /// Pixels of the known answer's image, `[h, w, c]`.
    pub fn known_pixels(&self) -> impl Iterator<Item = u8> + use<'a> {
        let image = self.known_image;
        (0..self.input_shape().elements()).map(move |k| match image {
            Some(pixels) => pixels[k],
            None => crate::graph::pattern(k),
        })
    }

    /// Bytes of the smallest arena in which an [`Interpreter`](crate::Interpreter) can compute this network here.
    ///
    /// No sum overflows, even where `usize` has 32 bits: a tensor has at most 2^20 elements, and no kernel needs more than 72 bytes
    /// of scratch memory for one.
    pub fn arena_len(&self) -> usize {
        self.arena_len_on(Backend::native())
    }

    /// Like [`Self::arena_len`], on another backend.
    pub fn arena_len_on(&self, backend: &'static Backend) -> usize {
        plan::least_arena_len(&self.steps, backend)
    }

    /// How an [`Interpreter`](crate::Interpreter) computes this network in an arena of `arena_len` bytes: the fastest way that fits;
    /// `None` if that is fewer than [`Self::arena_len`].
    pub fn plan(&self, arena_len: usize) -> Option<Plan<'_, 'a>> {
        self.plan_on(Backend::native(), arena_len)
    }

    /// Like [`Self::plan`], on another backend.
    pub fn plan_on(&self, backend: &'static Backend, arena_len: usize) -> Option<Plan<'_, 'a>> {
        plan::fastest(&self.steps, backend, arena_len)
    }

    /// Bytes of arena that the fastest plan needs within what can usually be spared here: 48 KiB, or 8 MiB on a computer whose vectors have
    /// a [`Backend`]. [`Self::arena_len`] if there is none.
    pub fn fast_arena_len(&self) -> usize {
        self.plan(Backend::native().spare).map_or_else(|| self.arena_len(), |plan| plan.arena_len())
    }
}
