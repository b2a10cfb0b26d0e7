//! The writer of the blob format.

#[cfg(test)]
mod tests;

use crate::{
    AlignedBytes, BLOB_ALIGNMENT, FORMAT_VERSION, IMAGE_CHANNELS, IMAGE_SIDE, Image, Interpreter,
    LoadError, Model,
    blob::header::{CRC_START, HEADER_LEN, MAGIC, checksum},
    graph::{
        self, Accuracy, Graph, Input, KnownAnswer, LayerKind, MAX_LABELS, MAX_LAYERS, Output,
        PixelScaling, Provenance, Range,
    },
};
use alloc::{string::String, vec, vec::Vec};
use core::iter;

/// A layer with its numbers; see [`graph::Layer`].
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
    pub padding: [i8; IMAGE_CHANNELS],
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More labels or layers than the format has room for.
    #[error("the network has {found} {what}, but the format has room for {limit}")]
    TooMany {
        /// Labels or layers.
        what: &'static str,
        /// How many the network has.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Longer than 4 GiB.
    #[error("the blob would have {len} bytes, but its length is a number of 32 bits")]
    TooLong {
        /// In bytes.
        len: usize,
    },
    /// The graph cannot be written as a postcard message.
    #[error("the graph cannot be encoded: {0}")]
    Graph(postcard::Error),
    /// A reader would refuse the blob.
    #[error("the network breaks a rule of the format: {0}")]
    Invalid(#[from] LoadError),
}

/// Writes a blob, which [`Model::load`] accepts. Computes the ranges, the logits of the known answer and the CRC.
///
/// # Errors
///
/// If the network breaks a rule of `FORMAT.md`.
pub fn encode(network: &Network) -> Result<AlignedBytes, EncodeError> {
    let (mut graph, section) = unanswered(network)?;
    let blob = write(&graph, &section)?;
    graph.known_answer.logits = logits(&blob, &network.known_answer)?;
    write(&graph, &section)
}

/// The graph with zeros for the logits of the known answer, and the section.
pub(crate) fn unanswered<'a>(network: &'a Network) -> Result<(Graph<'a>, Vec<u8>), EncodeError> {
    let (layers, image, section) = lay_out(network)?;
    let labels = bounded("labels", network.labels.iter().map(String::as_str))?;
    let logits = labels.iter().map(|_| 0).collect();
    let graph = Graph {
        name: network.name,
        labels,
        input: input(network),
        layers,
        logit_fraction_bits: network.logit_fraction_bits,
        known_answer: KnownAnswer { image, logits },
        accuracy: network.accuracy,
        provenance: network.provenance,
    };
    Ok((graph, section))
}

fn input(network: &Network) -> Input {
    Input {
        height: IMAGE_SIDE as u16,
        width: IMAGE_SIDE as u16,
        channels: IMAGE_CHANNELS as u16,
        padding: network.padding.into_iter().collect(),
        pixel_scaling: network.pixel_scaling.clone(),
    }
}

/// What the network in `blob` gives for `image`.
fn logits(blob: &[u8], image: &Image) -> Result<heapless::Vec<i32, MAX_LABELS>, LoadError> {
    let model = Model::load(blob)?;
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena)
        .expect("the arena has the length that the model asks for");
    Ok(interpreter.classify(image).logits)
}

fn bounded<T, const N: usize>(
    what: &'static str,
    items: impl ExactSizeIterator<Item = T>,
) -> Result<heapless::Vec<T, N>, EncodeError> {
    let found = items.len();
    if found > N {
        return Err(EncodeError::TooMany {
            what,
            found,
            limit: N,
        });
    }
    Ok(items.collect())
}

type Layout = (heapless::Vec<graph::Layer, MAX_LAYERS>, Range, Vec<u8>);

/// Layers with their ranges, the range of the known-answer image, and the section.
fn lay_out(network: &Network) -> Result<Layout, EncodeError> {
    let mut section = Vec::new();
    let mut layers = Vec::new();
    for layer in &network.layers {
        layers.push(graph::Layer {
            kind: layer.kind,
            relu: layer.relu,
            output: layer.output,
            weights: append(
                &mut section,
                layer.weights.iter().map(|weight| weight.to_le_bytes()),
            )?,
            biases: append(
                &mut section,
                layer.biases.iter().map(|bias| bias.to_le_bytes()),
            )?,
            multipliers: append(
                &mut section,
                layer.multipliers.iter().map(|value| value.to_le_bytes()),
            )?,
            offsets: append(
                &mut section,
                layer.offsets.iter().map(|value| value.to_le_bytes()),
            )?,
        });
    }
    let image = append(
        &mut section,
        network.known_answer.iter().map(|pixel| [*pixel]),
    )?;
    Ok((bounded("layers", layers.into_iter())?, image, section))
}

/// Writes numbers at the next aligned position of the section.
fn append<const N: usize>(
    section: &mut Vec<u8>,
    numbers: impl Iterator<Item = [u8; N]>,
) -> Result<Range, EncodeError> {
    align(section);
    let offset = section.len();
    section.extend(numbers.flatten());
    Ok(Range {
        offset: length(offset)?,
        len: length(section.len() - offset)?,
    })
}

/// A blob without regard to the rules for its graph.
pub(crate) fn write(graph: &Graph, section: &[u8]) -> Result<AlignedBytes, EncodeError> {
    let message = postcard::to_allocvec(graph).map_err(EncodeError::Graph)?;
    assemble(&message, section)
}

/// Header, encoded graph and section.
pub(crate) fn assemble(message: &[u8], section: &[u8]) -> Result<AlignedBytes, EncodeError> {
    let mut blob = vec![0; HEADER_LEN];
    blob.extend(message);
    align(&mut blob);
    blob.extend(section);
    let fields = [
        FORMAT_VERSION,
        length(blob.len())?,
        0,
        length(message.len())?,
    ];
    blob[..MAGIC.len()].copy_from_slice(&MAGIC);
    for (bytes, field) in blob[MAGIC.len()..HEADER_LEN]
        .chunks_exact_mut(4)
        .zip(fields)
    {
        bytes.copy_from_slice(&field.to_le_bytes());
    }
    repair_crc(&mut blob);
    Ok(AlignedBytes::from(blob.as_slice()))
}

/// Writes the CRC that belongs to the rest of the blob.
pub(crate) fn repair_crc(blob: &mut [u8]) {
    let crc32 = checksum(&blob[CRC_START..]);
    blob[CRC_START - 4..CRC_START].copy_from_slice(&crc32.to_le_bytes());
}

fn align(bytes: &mut Vec<u8>) {
    let padding = bytes.len().next_multiple_of(BLOB_ALIGNMENT) - bytes.len();
    bytes.extend(iter::repeat_n(0, padding));
}

fn length(len: usize) -> Result<u32, EncodeError> {
    u32::try_from(len).map_err(|_| EncodeError::TooLong { len })
}
