//! From the blob in flash to an interpreter that is known to compute correctly on this chip.

use core::fmt::Write;
use heapless::String;
use protocol::{DeviceInfo, Label, Shape, TimeUnit, VERSION};
use shared_model::graph::MAX_LAYERS;
use shared_model::{ArenaTooSmall, IMAGE_CHANNELS, IMAGE_SIDE, Interpreter, LoadError, Model};
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

/// The most bytes of a [`BootError::text`].
pub const FAILURE_TEXT_LEN: usize = 384;

impl BootError {
    /// The code of [`BootFailure`](protocol::BootFailure). A code is never given to another error.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Load(_) => 1,
            Self::Arena(_) => 2,
            Self::KnownAnswer { .. } => 3,
        }
    }

    /// The text of [`BootFailure`](protocol::BootFailure).
    pub fn text(&self) -> String<FAILURE_TEXT_LEN> {
        let mut text = String::new();
        // What does not fit is cut off.
        let _ = write!(text, "{self}");
        text
    }
}

/// The blob at the start of `region`, a part of flash that is kept for one: as many bytes as the blob says that it has.
/// Where there is no blob, all of `region`, of which [`boot`] says what is wrong.
pub fn blob_in(region: &[u8]) -> &[u8] {
    let Err(LoadError::TrailingBytes { expected, .. }) = Model::load(region) else {
        return region;
    };
    region.get(..expected as usize).unwrap_or(region)
}

/// Which board it is and what its clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'t> {
    /// Name of the board.
    pub board: &'t str,
    /// Name of the camera.
    pub camera: &'t str,
    /// The unit of its times.
    pub time_unit: TimeUnit,
}

/// The most bytes of a [`Booted::plan_name`]: a kernel's name and a separator for each layer.
pub const PLAN_LEN: usize = 10 * MAX_LAYERS;

/// A model that is known to compute correctly on this chip.
pub struct Booted<'m, 'a> {
    /// The model.
    pub model: &'m Model<'a>,
    /// What classifies with it.
    pub interpreter: Interpreter<'m, 'a>,
    blob_len: u32,
}

impl<'m> Booted<'m, '_> {
    /// The kernels of the plan's layers, such as `patches, winograd, dense`.
    pub fn plan_name(&self) -> String<PLAN_LEN> {
        let mut name = String::new();
        for (index, layer) in self.interpreter.plan().layers().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            // A network has at most MAX_LAYERS layers, so that there is room for each.
            let _ = write!(name, "{separator}{}", layer.kernel);
        }
        name
    }

    /// What the board tells about itself and its model; `plan` is its [`Self::plan_name`].
    pub fn device_info<'t>(&'t self, identity: &Identity<'t>, plan: &'t str) -> DeviceInfo<'t> {
        let graph = self.model.graph();
        DeviceInfo {
            protocol_version: VERSION,
            board: identity.board,
            camera: identity.camera,
            model: graph.name,
            crc32: self.model.crc32(),
            blob_len: self.blob_len,
            arena_len: self.interpreter.plan().arena_len() as u32,
            plan,
            input: Shape {
                height: IMAGE_SIDE as u16,
                width: IMAGE_SIDE as u16,
                channels: IMAGE_CHANNELS as u8,
            },
            labels: graph.labels.len() as u8,
            logit_fraction_bits: graph.logit_fraction_bits,
            time_unit: identity.time_unit,
        }
    }

    /// The names of the classes.
    pub fn labels(&self) -> impl Iterator<Item = Label<'m>> {
        let labels = self.model.graph().labels.iter();
        (0..).zip(labels).map(|(index, text)| Label { index, text })
    }
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
) -> Result<Booted<'m, 'a>, BootError> {
    let model = &*slot.insert(Model::load(blob)?);
    let mut interpreter = Interpreter::new(model, arena)?;
    if interpreter.known_answer_holds() {
        Ok(Booted {
            model,
            interpreter,
            blob_len: blob.len() as u32,
        })
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
    use crate::testing::network;
    use shared_model::encode::encode;
    use shared_model::{AlignedBytes, IMAGE_LEN};
    use std::{format, vec};

    /// One dense layer from the image to two logits, with known-answer logits 0 and 300.
    fn blob() -> AlignedBytes {
        let mut network = network(&[0, 300]);
        let layer = &mut network.layers[0];
        layer.weights = vec![1; 2 * IMAGE_LEN];
        layer.biases = vec![0, 300];
        layer.multipliers = vec![1 << 30; 2];
        layer.offsets = vec![0, 225 << 32];
        encode(&network).expect("the network is valid")
    }

    fn boot_with_arena(blob: &[u8], arena_len: usize) -> Result<std::vec::Vec<i32>, BootError> {
        let (mut slot, mut arena) = (None, vec![0; arena_len]);
        let mut booted = boot(blob, &mut slot, &mut arena)?;
        let classification = booted.interpreter.classify(&[128; IMAGE_LEN]);
        Ok(classification.logits.to_vec())
    }

    #[test]
    fn a_good_blob_boots_and_classifies() {
        let logits = boot_with_arena(&blob(), 8192).expect("the blob is good");
        assert_eq!(logits, [0, 300]);
    }

    #[test]
    fn the_device_information_is_that_of_the_model() {
        let blob = blob();
        let (mut slot, mut arena) = (None, [0; 8192]);
        let booted = boot(&blob, &mut slot, &mut arena).expect("the blob is good");
        let plan = booted.plan_name();
        assert_eq!(plan, "dense");
        let identity = Identity {
            board: "host",
            camera: "none",
            time_unit: TimeUnit::Instructions,
        };
        let info = booted.device_info(&identity, &plan);
        assert_eq!((info.model, info.blob_len), ("constant", blob.len() as u32));
        assert_eq!(info.input.byte_len(), IMAGE_LEN);
        assert_eq!(info.labels, 2);
        let labels = booted.labels().map(|label| (label.index, label.text));
        assert!(labels.eq([(0, "class 0"), (1, "class 1")]));
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
    fn every_text_fits_with_the_largest_numbers() {
        let errors = [
            BootError::Arena(ArenaTooSmall {
                needed: usize::MAX,
                given: usize::MAX - 1,
            }),
            BootError::KnownAnswer { crc32: u32::MAX },
            BootError::Load(LoadError::CrcMismatch {
                stored: u32::MAX,
                computed: u32::MAX,
            }),
        ];
        for error in errors {
            assert_eq!(error.text(), format!("{error}").as_str());
        }
    }

    #[test]
    fn a_blob_is_found_in_a_larger_part_of_flash() {
        let blob = blob();
        for erased in [0, 1, 4096] {
            let mut region = blob.to_vec();
            region.resize(blob.len() + erased, 0xFF);
            assert_eq!(blob_in(&AlignedBytes::from(region.as_slice())), &*blob);
        }
    }

    #[test]
    fn flash_without_a_whole_blob_is_refused() {
        let blob = blob();
        let erased = AlignedBytes::from([0xFF; 64].as_slice());
        let cut_off = AlignedBytes::from(&blob[..blob.len() - 1]);
        for region in [&erased, &cut_off] {
            assert_eq!(blob_in(region).len(), region.len());
            let error = boot_with_arena(blob_in(region), 8192).expect_err("there is no blob");
            assert!(matches!(error, BootError::Load(_)));
        }
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
