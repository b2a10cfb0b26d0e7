//! From the blob in flash to an interpreter that is known to compute correctly on this chip.

use core::fmt::Write;
use heapless::String;
use shared_model::{ArenaTooSmall, Interpreter, LoadError, Model};
use thiserror::Error;

/// Why a board must not classify. Each message says what is wrong and what to do.
#[derive(Debug, Error)]
pub enum BootError {
    /// The blob cannot be used.
    #[error(
        "the model blob in flash cannot be used: {0}; flash the firmware again with a good blob"
    )]
    Load(#[from] LoadError),
    /// The model needs more working memory than the board gives it.
    #[error("the board's arena does not fit this model: {0}; enlarge the arena")]
    Arena(#[from] ArenaTooSmall),
    /// The blob is intact, but the arithmetic of this build or chip is not what the model was made for.
    #[error(
        "the model's known-answer test failed: this firmware does not compute the logits that are stored \
         in the blob (CRC-32 {crc32:08x}) for its test image; build the firmware and the blob from the same sources"
    )]
    KnownAnswer {
        /// CRC-32 of the blob, which identifies the model.
        crc32: u32,
    },
}

/// The longest text of a [`refusal`]; more is cut off.
pub const REFUSAL_LEN: usize = 384;

/// What a board that must not classify tells its host with [`Message::Refusal`](crate::protocol::Message), again and again.
pub fn refusal(error: &BootError) -> String<REFUSAL_LEN> {
    let mut text = String::new();
    // What does not fit is cut off.
    let _ = write!(text, "{error}");
    text
}

/// Validates `blob`, gives the model its `arena` and runs the known-answer test.
///
/// `slot` keeps the validated model, which the interpreter borrows; any earlier content is dropped.
///
/// # Errors
///
/// [`BootError`] if the blob is damaged, the arena too small or an inference gives other logits than
/// the blob promises.
pub fn boot<'m, 'a>(
    blob: &'a [u8],
    slot: &'m mut Option<Model<'a>>,
    arena: &'m mut [u8],
) -> Result<(&'m Model<'a>, Interpreter<'m, 'a>), BootError> {
    let model = &*slot.insert(Model::load(blob)?);
    let mut interpreter = Interpreter::new(model, arena)?;
    if interpreter.known_answer_holds() {
        Ok((model, interpreter))
    } else {
        Err(BootError::KnownAnswer {
            crc32: model.crc32(),
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use shared_model::encode::{Layer, Network, encode};
    use shared_model::graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance};
    use shared_model::heapless::Vec;
    use shared_model::{AlignedBytes, IMAGE_LEN};
    use std::{format, string::String, vec};

    /// One dense layer from the image to two logits, with known-answer logits 0 and 300.
    fn blob() -> AlignedBytes {
        let layer = Layer {
            kind: LayerKind::Dense {
                inputs: 3072,
                outputs: 2,
            },
            relu: false,
            output: Output::Logits,
            weights: vec![1; 2 * IMAGE_LEN],
            biases: vec![0, 300],
            multipliers: vec![1 << 30; 2],
            offsets: vec![0, 225 << 32],
        };
        let network = Network {
            name: "a dense layer",
            labels: vec![String::from("dark"), String::from("bright")],
            padding: [0; 3],
            pixel_scaling: PixelScaling {
                mean: Vec::from_array([0.0; 3]),
                scale: Vec::from_array([1.0; 3]),
            },
            layers: vec![layer],
            logit_fraction_bits: 0,
            known_answer: [128; IMAGE_LEN],
            accuracy: Accuracy {
                images: 0,
                float_top1: 0.0,
                int8_top1: 0.0,
                agreement: 0.0,
            },
            provenance: Provenance {
                preset: "",
                epochs: 0,
                seed: 0,
                trainer: "",
            },
        };
        encode(&network).expect("the network is valid")
    }

    fn boot_with_arena(blob: &[u8], arena_len: usize) -> Result<std::vec::Vec<i32>, BootError> {
        let (mut slot, mut arena) = (None, vec![0; arena_len]);
        let (_, mut interpreter) = boot(blob, &mut slot, &mut arena)?;
        let classification = interpreter.classify(&[128; IMAGE_LEN]);
        Ok(classification.logits.to_vec())
    }

    #[test]
    fn a_good_blob_boots_and_classifies() {
        let logits = boot_with_arena(&blob(), 8192).expect("the blob is good");
        assert_eq!(logits, [0, 300]);
    }

    #[test]
    fn a_damaged_blob_is_refused_and_the_message_says_what_to_do() {
        let mut damaged = blob().to_vec();
        *damaged.last_mut().expect("a blob is not empty") ^= 1;
        let error = boot_with_arena(&AlignedBytes::from(damaged.as_slice()), 8192)
            .expect_err("the blob is damaged");
        assert!(matches!(
            error,
            BootError::Load(LoadError::CrcMismatch { .. })
        ));
        assert!(format!("{error}").contains("flash the firmware again"));
    }

    #[test]
    fn an_arena_that_is_a_byte_too_small_is_refused() {
        let blob = blob();
        let needed = Model::load(&blob).expect("the blob is good").arena_len();
        boot_with_arena(&blob, needed).expect("exactly enough");
        let error = boot_with_arena(&blob, needed - 1).expect_err("one byte is missing");
        let BootError::Arena(too_small) = error else {
            panic!("{error}");
        };
        assert_eq!((too_small.needed, too_small.given), (needed, needed - 1));
    }

    #[test]
    fn other_logits_than_the_blob_promises_are_noticed() {
        let blob = blob();
        let image = Model::load(&blob)
            .expect("the blob is good")
            .known_answer_image()
            .as_ptr_range();
        let start = image.start.addr() - blob.as_ptr().addr();
        let mut altered = blob.to_vec();
        altered[start] ^= 64;
        let crc = crc32(&altered[20..]);
        altered[16..20].copy_from_slice(&crc.to_le_bytes());
        let error = boot_with_arena(&AlignedBytes::from(altered.as_slice()), 8192)
            .expect_err("the image is another one");
        assert!(matches!(error, BootError::KnownAnswer { crc32 } if crc32 == crc));
    }

    /// CRC-32/ISO-HDLC, a bit at a time.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
