//! The writer of the blob format.

use crate::{
    AlignedBytes, Image, LoadError,
    graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance},
};
use alloc::{string::String, vec::Vec};

/// A layer with its numbers; see [`graph::Layer`](crate::graph::Layer).
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What it computes, with its shapes.
    pub kind: LayerKind,
    /// Whether the accumulator is cut off below at zero.
    pub relu: bool,
    /// What comes out.
    pub output: Output,
    /// `[out][ky][kx][in]` of a convolution, `[out][in]` of a dense layer; -127 … 127.
    pub weights: Vec<i8>,
    /// One an output channel.
    pub biases: Vec<i32>,
    /// One an output channel.
    pub multipliers: Vec<i32>,
    /// One an output channel.
    pub offsets: Vec<i64>,
}

/// Everything that goes into a blob; ranges, known-answer logits and CRC are computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<'a> {
    /// Name of the network.
    pub name: &'a str,
    /// Class names.
    pub labels: Vec<String>,
    /// For each channel, a pixel outside of the image, with 128 subtracted.
    pub padding: [i8; 3],
    /// How the float network saw a pixel.
    pub pixel_scaling: PixelScaling,
    /// In the order of computation.
    pub layers: Vec<Layer>,
    /// F, 0 … 16.
    pub logit_fraction_bits: u8,
    /// A real image; its logits are computed with the network itself.
    pub known_answer: Image,
    /// Measured on the test set.
    pub accuracy: Accuracy,
    /// The training run.
    pub provenance: Provenance<'a>,
}

/// Why a network cannot be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A reader would refuse the blob.
    #[error("the network is not valid: {0}")]
    Invalid(#[from] LoadError),
}

/// Writes a blob, which [`Model::load`](crate::Model::load) accepts.
///
/// # Errors
///
/// If the network breaks a rule of `FORMAT.md`.
pub fn encode(_network: &Network) -> Result<AlignedBytes, EncodeError> {
    todo!()
}
