//! The writer of the blob format.

use crate::{
    AlignedBytes, BLOB_ALIGNMENT, FORMAT_VERSION, Interpreter, LoadError, Model, Range, Shape,
    blob::header::{CRC_START, MAGIC, checksum},
    graph::{Accuracy, Decision, Extension, KnownImage, Message, Provenance},
    ops::{Operation, Weights},
    section::HEADER_LEN,
};
use alloc::{string::String, vec, vec::Vec};
use core::iter;

/// An operation with its numbers; those that it does not have are empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What it computes. Its ranges are set by [`encode`].
    pub operation: Operation,
    /// `[out][ky][kx][in]` of a convolution, `[out][in]` of a dense layer; -127 … 127.
    pub weights: Vec<i8>,
    /// One an output channel.
    pub biases: Vec<i32>,
    /// One an output channel, or a single one.
    pub multipliers: Vec<i32>,
    /// As many as multipliers.
    pub offsets: Vec<i64>,
}

impl Layer {
    /// An operation without numbers.
    pub const fn without_numbers(operation: Operation) -> Self {
        Self { operation, weights: Vec::new(), biases: Vec::new(), multipliers: Vec::new(), offsets: Vec::new() }
    }
}

/// The image of the known answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownPicture {
    /// That of [`pattern`](crate::graph::pattern), which takes no room.
    Pattern,
    /// A real one, `[h, w, c]`.
    Pixels(Vec<u8>),
}

/// Everything that goes into a blob; ranges, known-answer logits and CRC are computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<'a> {
    /// Name of the network.
    pub name: &'a str,
    /// Class names.
    pub labels: Vec<String>,
    /// Shape of the picture.
    pub input: Shape,
    /// For each channel, a pixel outside of the picture, with 128 subtracted.
    pub padding: Vec<i8>,
    /// The float network saw `(pixel - mean[c]) * scale[c]`, pixel 0 … 255; informative.
    pub mean: Vec<f32>,
    /// See [`Self::mean`].
    pub scale: Vec<f32>,
    /// In the order of computation.
    pub layers: Vec<Layer>,
    /// F, 0 … 16.
    pub logit_fraction_bits: u8,
    /// When a classification is to be believed.
    pub decision: Decision,
    /// What the known answer is computed for, with the network itself.
    pub known_picture: KnownPicture,
    /// Measured on the test set.
    pub accuracy: Accuracy,
    /// The training run.
    pub provenance: Provenance<'a>,
    /// Kind and content of each.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

/// Why a network cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Longer than 4 GiB.
    #[error("the blob would have {len} bytes, but its length is a number of 32 bits")]
    TooLong {
        /// In bytes.
        len: usize,
    },
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
    let (mut message, section) = unanswered(network);
    let blob = write(&message, &section)?;
    message.known_logits = known_logits(&blob)?;
    write(&message, &section)
}

/// The message with zeros for the logits of the known answer, and the section.
pub(crate) fn unanswered<'a>(network: &'a Network) -> (Message<'a>, Vec<u8>) {
    let mut section = Vec::new();
    let operations = network.layers.iter();
    let operations = operations.map(|layer| append_layer(&mut section, layer));
    let operations = operations.collect();
    let known_image = match &network.known_picture {
        KnownPicture::Pattern => KnownImage::Pattern,
        KnownPicture::Pixels(pixels) => KnownImage::Pixels(append(&mut section, pixels, u8::to_le_bytes)),
    };
    let extensions = network.extensions.iter();
    let extensions = extensions
        .map(|(kind, content)| Extension { kind: *kind, range: append(&mut section, content, u8::to_le_bytes) });
    let extensions = extensions.collect();
    let labels: Vec<&str> = network.labels.iter().map(String::as_str).collect();
    let message = Message {
        name: network.name,
        known_logits: vec![0; labels.len()],
        labels,
        input: network.input,
        padding: network.padding.clone(),
        mean: network.mean.clone(),
        scale: network.scale.clone(),
        operations,
        logit_fraction_bits: network.logit_fraction_bits,
        decision: network.decision,
        known_image,
        accuracy: network.accuracy,
        provenance: network.provenance,
        extensions,
    };
    (message, section)
}

/// What the network in `blob` gives for its known image.
fn known_logits(blob: &[u8]) -> Result<Vec<i32>, LoadError> {
    let model = Model::load(blob)?;
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter =
        Interpreter::new(&model, &mut arena).expect("the arena has the length that the model asks for");
    let picture: Vec<u8> = model.known_pixels().collect();
    let classification = interpreter.classify(&picture);
    let classification = classification.expect("the picture has the network's shape");
    Ok(classification.logits.to_vec())
}

/// Writes the numbers of a layer to the section.
fn append_layer(section: &mut Vec<u8>, layer: &Layer) -> Operation {
    let mut operation = layer.operation;
    let (weights, epilogue) = operation.places_mut();
    if let Some(Weights { weights, biases }) = weights {
        *weights = append(section, &layer.weights, i8::to_le_bytes);
        *biases = append(section, &layer.biases, i32::to_le_bytes);
    }
    if let Some(epilogue) = epilogue {
        epilogue.multipliers = append(section, &layer.multipliers, i32::to_le_bytes);
        epilogue.offsets = append(section, &layer.offsets, i64::to_le_bytes);
    }
    operation
}

/// Writes numbers at the next aligned position of the section; none have the empty range. A section that is too long for ranges is too
/// long for a blob.
fn append<T: Copy, const N: usize>(section: &mut Vec<u8>, numbers: &[T], bytes: fn(T) -> [u8; N]) -> Range {
    if numbers.is_empty() {
        return Range::EMPTY;
    }
    align(section);
    let offset = section.len() as u32;
    section.extend(numbers.iter().copied().flat_map(bytes));
    Range { offset, len: (numbers.len() * N) as u32 }
}

/// A blob without regard to the rules for its graph.
pub(crate) fn write(message: &Message, section: &[u8]) -> Result<AlignedBytes, EncodeError> {
    let message = postcard::to_allocvec(message).expect("every list has a length");
    assemble(&message, section)
}

/// Header, encoded graph and section.
pub(crate) fn assemble(message: &[u8], section: &[u8]) -> Result<AlignedBytes, EncodeError> {
    let mut blob = vec![0; HEADER_LEN];
    blob.extend(message);
    align(&mut blob);
    blob.extend(section);
    let len = u32::try_from(blob.len()).map_err(|_| EncodeError::TooLong { len: blob.len() })?;
    let fields = [FORMAT_VERSION, len, 0, message.len() as u32];
    blob[..MAGIC.len()].copy_from_slice(&MAGIC);
    blob[MAGIC.len()..HEADER_LEN].copy_from_slice(&fields.map(u32::to_le_bytes).concat());
    repair_crc(&mut blob);
    Ok(AlignedBytes::from(blob.as_slice()))
}

/// Writes the CRC that belongs to the rest of the blob.
pub fn repair_crc(blob: &mut [u8]) {
    let crc32 = checksum(&blob[CRC_START..]);
    blob[CRC_START - 4..CRC_START].copy_from_slice(&crc32.to_le_bytes());
}

fn align(bytes: &mut Vec<u8>) {
    let padding = bytes.len().next_multiple_of(BLOB_ALIGNMENT) - bytes.len();
    bytes.extend(iter::repeat_n(0, padding));
}

/// The network in a blob, as [`encode`] takes it.
#[cfg(test)]
pub(crate) fn decoded<'a>(model: &Model<'a>) -> Network<'a> {
    let graph = model.graph();
    let layer = |view: crate::OperationView| {
        let mut operation = view.operation;
        let (weights, epilogue) = operation.places_mut();
        if let Some(weights) = weights {
            *weights = Weights::NOWHERE;
        }
        if let Some(epilogue) = epilogue {
            (epilogue.multipliers, epilogue.offsets) = (Range::EMPTY, Range::EMPTY);
        }
        Layer {
            operation,
            weights: view.weights.to_vec(),
            biases: view.biases.to_vec(),
            multipliers: view.multipliers.to_vec(),
            offsets: view.offsets.to_vec(),
        }
    };
    let extension = |kind| model.extension(kind).unwrap_or_default().to_vec();
    let extensions = graph.extensions.iter();
    Network {
        name: graph.name,
        labels: graph.labels.iter().map(String::from).collect(),
        input: model.input_shape(),
        padding: graph.input.padding.iter().collect(),
        mean: graph.input.mean.iter().collect(),
        scale: graph.input.scale.iter().collect(),
        layers: model.operations().map(layer).collect(),
        logit_fraction_bits: graph.logit_fraction_bits,
        decision: graph.decision,
        known_picture: match graph.known_answer.image {
            KnownImage::Pattern => KnownPicture::Pattern,
            KnownImage::Pixels(_) => KnownPicture::Pixels(model.known_pixels().collect()),
        },
        accuracy: graph.accuracy,
        provenance: graph.provenance,
        extensions: extensions.map(|found| (found.kind, extension(found.kind))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_network, oracle};
    use proptest::prelude::*;
    use std::string::ToString;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn round_trip(seed in any::<u64>()) {
            let network = any_network(seed);
            let blob = encode(&network).unwrap();
            let model = Model::load(&blob).unwrap();
            prop_assert_eq!(&decoded(&model), &network);
            for (class, label) in network.labels.iter().enumerate() {
                prop_assert_eq!(model.label(class), label);
            }
            prop_assert_eq!(model.label(network.labels.len()), "");
            let picture: Vec<u8> = model.known_pixels().collect();
            let logits = oracle(&model, &picture).logits;
            prop_assert!(model.graph().known_answer.logits == *logits);
            prop_assert_eq!(model.graph().extensions.is_empty(), network.extensions.is_empty());
        }
    }

    #[test]
    fn an_invalid_network_is_refused() {
        let mut network = any_network(1);
        network.labels.pop();
        let message = encode(&network).unwrap_err().to_string();
        let expected = "the network breaks a rule of the format: ";
        assert!(message.starts_with(expected), "{message}");
    }
}
