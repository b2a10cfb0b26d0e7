//! The forward pass.

use crate::{Classification, Image, Model};

/// The arena is smaller than [`Model::arena_len`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network needs an arena of {needed} bytes, but was given {given}")]
pub struct ArenaTooSmall {
    /// [`Model::arena_len`].
    pub needed: usize,
    /// Length of the arena in bytes.
    pub given: usize,
}

/// Told about every row of every layer; `()` is the hook that costs nothing.
///
/// Layers take turns, a row at a time: layer 1 begins long before layer 0 has ended.
pub trait Hook {
    /// `layer` begins to compute one row of its output.
    fn enter(&mut self, layer: usize) {
        let _ = layer;
    }

    /// `layer` has computed `row`, `[w, c]` (after its pool); empty for the layer whose output is the logits.
    /// Rows come from top to bottom; the output of a dense layer is one row.
    fn leave(&mut self, layer: usize, row: &[i8]) {
        let _ = (layer, row);
    }
}

impl Hook for () {}

/// A model together with an arena that is large enough for it.
pub struct Interpreter<'m, 'a> {
    model: &'m Model<'a>,
    arena: &'m mut [u8],
}

impl<'m, 'a> Interpreter<'m, 'a> {
    /// Prepares the arena, whose content and alignment do not matter.
    ///
    /// # Errors
    ///
    /// If the arena is smaller than [`Model::arena_len`].
    pub fn new(model: &'m Model<'a>, arena: &'m mut [u8]) -> Result<Self, ArenaTooSmall> {
        let (needed, given) = (model.arena_len(), arena.len());
        if given < needed {
            return Err(ArenaTooSmall { needed, given });
        }
        Ok(Self { model, arena })
    }

    /// The logits and the class of one image.
    pub fn classify(&mut self, image: &Image) -> Classification {
        self.classify_with(image, &mut ())
    }

    /// Like [`Self::classify`], with a hook that is told about every row.
    pub fn classify_with(&mut self, _image: &Image, _hook: &mut impl Hook) -> Classification {
        todo!("{} {}", self.model.arena_len(), self.arena.len())
    }

    /// Whether the blob's own image gives the blob's own logits: the self-test at boot.
    pub fn known_answer_holds(&mut self) -> bool {
        todo!()
    }
}
