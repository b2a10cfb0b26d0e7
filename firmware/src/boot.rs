//! From the blob in flash to an interpreter that is known to compute correctly on this chip.

use core::fmt::Write;
use heapless::String;
use protocol::{DeviceInfo, Label, Shape, Start, TimeUnit, VERSION, cut_off};
use shared_model::graph::{Decision, MAX_OPERATIONS};
use shared_model::{Header, Interpreter, LoadError, Model};
use thiserror::Error;

/// Why a board must not classify. Each message says what is wrong and what to do.
#[derive(Debug, Error)]
pub enum BootError {
    /// The blob cannot be used.
    #[error("the model blob in flash cannot be used: {0}; flash a good one, alone or with the firmware")]
    Load(#[from] LoadError),
    /// The model needs more working memory than the board gives it.
    #[error(
        "this model needs {needed} bytes of working memory, but the board gives it {given}: \
         enlarge the board's memory for models, or take a smaller model"
    )]
    Memory {
        /// For a picture and the smallest arena.
        needed: usize,
        /// By the board.
        given: usize,
    },
    /// The blob is intact, but the arithmetic of this build or chip is not what the model was made for.
    #[error(
        "the model's known-answer test failed: this firmware does not compute the logits that are stored \
         in the blob (CRC-32 {crc32:08x}) for its test picture; build the firmware and the blob from the same sources"
    )]
    KnownAnswer {
        /// CRC-32 of the blob, which identifies the model.
        crc32: u32,
    },
}

/// The most bytes of a [`BootError::text`].
pub const FAILURE_TEXT_LEN: usize = 384;

impl BootError {
    /// The code of [`BootFailure`](protocol::BootFailure). A code is never given to another error; from 100 on they are a board's own.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Load(_) => 1,
            Self::Memory { .. } => 2,
            Self::KnownAnswer { .. } => 3,
        }
    }

    /// The text of [`BootFailure`](protocol::BootFailure).
    pub fn text(&self) -> String<FAILURE_TEXT_LEN> {
        cut_off(self)
    }
}

/// Which board it is, what it is set to, how its run began, and what its clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'t> {
    /// Name of the board.
    pub board: &'t str,
    /// Name of the camera.
    pub camera: &'t str,
    /// Frequencies, each with its name and unit, such as `processor clock in Hz`.
    pub clocks: &'t [(&'t str, u32)],
    /// The unit of its times.
    pub time_unit: TimeUnit,
    /// How the run began.
    pub start: Start<'t>,
}

/// The most bytes of a [`Booted::plan_name`]: a kernel's name and a separator for each step.
pub const PLAN_LEN: usize = 15 * MAX_OPERATIONS;

/// A model that is known to compute correctly on this chip.
pub struct Booted<'m, 'a> {
    /// The model.
    pub model: &'m Model<'a>,
    /// What classifies with it.
    pub interpreter: Interpreter<'m, 'a>,
    /// Memory for a picture of the model's shape, `[h, w, c]`.
    pub picture: &'m mut [u8],
    blob_len: u32,
}

impl<'m> Booted<'m, '_> {
    /// The kernels of the plan's steps, such as `im2col, winograd, dense`.
    pub fn plan_name(&self) -> String<PLAN_LEN> {
        let mut name = String::new();
        for (index, step) in self.interpreter.plan().steps().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            // There are at most as many steps as operations, so that there is room for each.
            let _ = write!(name, "{separator}{}", step.kernel_name());
        }
        name
    }

    /// When a classification of the model is to be believed.
    pub fn decision(&self) -> Decision {
        self.model.graph().decision
    }

    /// What the board tells about itself and its model; `plan` is its [`Self::plan_name`].
    pub fn device_info<'t>(&'t self, identity: &Identity<'t>, plan: &'t str) -> DeviceInfo<'t> {
        let graph = self.model.graph();
        let shape = self.model.input_shape();
        DeviceInfo {
            protocol_version: VERSION,
            board: identity.board,
            camera: identity.camera,
            model: graph.name,
            crc32: self.model.crc32(),
            blob_len: self.blob_len,
            arena_len: self.interpreter.plan().arena_len() as u32,
            plan,
            input: Shape { height: shape.height, width: shape.width, channels: shape.channels as u8 },
            labels: graph.labels.len() as u8,
            logit_fraction_bits: graph.logit_fraction_bits,
            time_unit: identity.time_unit,
        }
    }

    /// The names of the classes.
    pub fn labels(&self) -> impl Iterator<Item = Label<'m>> {
        let labels = self.model.graph().labels;
        (0..).zip(labels.iter()).map(|(index, text)| Label { index, text })
    }
}

/// Validates the blob at the start of `region`, a part of flash that may be longer, splits `memory` into a picture of the model's shape
/// and an arena, and runs the known-answer test.
///
/// `slot` keeps the validated model, which the interpreter borrows; any earlier content is dropped.
///
/// # Errors
///
/// [`BootError`] if the blob is damaged, the memory too small or an inference gives other logits than
/// the blob promises.
#[inline(never)] // What it needs of the stack is free again afterwards.
pub fn boot<'m, 'a>(
    region: &'a [u8],
    slot: &'m mut Option<Model<'a>>,
    memory: &'m mut [u8],
) -> Result<Booted<'m, 'a>, BootError> {
    let blob = blob_in(region);
    let model = Model::load_into(slot, blob)?;
    let (picture_len, given) = (model.input_shape().elements(), memory.len());
    let too_small = |arena_len: usize| BootError::Memory { needed: picture_len + arena_len, given };
    let (picture, arena) = memory.split_at_mut_checked(picture_len).ok_or_else(|| too_small(model.arena_len()))?;
    let interpreter = Interpreter::new(model, arena);
    let mut interpreter = interpreter.map_err(|error| too_small(error.needed))?;
    if interpreter.known_answer_holds() {
        Ok(Booted { model, interpreter, picture, blob_len: blob.len() as u32 })
    } else {
        Err(BootError::KnownAnswer { crc32: model.crc32() })
    }
}

/// The blob at the start of `region`: as many bytes as it says that it has. Where there is no blob, all of `region`, of which loading
/// says what is wrong.
fn blob_in(region: &[u8]) -> &[u8] {
    let header = region.first_chunk().and_then(|header| Header::read(header).ok());
    header.and_then(|header| region.get(..header.len as usize)).unwrap_or(region)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{SHAPE, network};
    use shared_model::AlignedBytes;
    use shared_model::encode::{encode, repair_crc};
    use std::{format, vec};

    /// One dense layer from the picture to two logits: 0 and, for grey, 300.
    fn blob() -> AlignedBytes {
        let mut network = network(&[0, 225]);
        let layer = &mut network.layers[0];
        layer.weights.fill(1);
        layer.biases = vec![0, 300];
        layer.multipliers.fill(1 << 30);
        encode(&network).expect("the network is valid")
    }

    fn boot_with_memory(blob: &[u8], len: usize) -> Result<std::vec::Vec<i32>, BootError> {
        let (mut slot, mut memory) = (None, vec![0; len]);
        let booted = boot(blob, &mut slot, &mut memory)?;
        booted.picture.fill(128);
        let mut interpreter = booted.interpreter;
        let classification = interpreter.classify(booted.picture);
        let classification = classification.expect("the picture has the model's shape");
        Ok(classification.logits.to_vec())
    }

    #[test]
    fn a_good_blob_boots_and_classifies_and_the_device_information_is_its_own() {
        let blob = blob();
        let logits = boot_with_memory(&blob, 8192).expect("the blob is good");
        assert_eq!(logits, [0, 300]);
        let (mut slot, mut memory) = (None, [0; 8192]);
        let booted = boot(&blob, &mut slot, &mut memory).expect("the blob is good");
        let plan = booted.plan_name();
        assert_eq!(plan, "dense");
        let identity = Identity {
            board: "host",
            camera: "none",
            clocks: &[],
            time_unit: TimeUnit::Instructions,
            start: Start::POWER_ON,
        };
        let info = booted.device_info(&identity, &plan);
        assert_eq!((info.model, info.blob_len), ("constant", blob.len() as u32));
        assert_eq!(info.input.byte_len(), SHAPE.elements());
        assert_eq!(booted.picture.len(), SHAPE.elements());
        assert_eq!(info.labels, 2);
        let labels = booted.labels().map(|label| (label.index, label.text));
        assert!(labels.eq([(0, "class 0"), (1, "class 1")]));
    }

    #[test]
    fn a_damaged_blob_is_refused_and_the_message_says_what_to_do() {
        let mut damaged = blob().to_vec();
        *damaged.last_mut().expect("a blob is not empty") ^= 1;
        let error = boot_with_memory(&AlignedBytes::from(damaged.as_slice()), 8192).expect_err("the blob is damaged");
        assert!(matches!(error, BootError::Load(LoadError::CrcMismatch { .. })));
        assert!(format!("{error}").contains("flash a good one"));
    }

    #[test]
    fn every_text_fits_with_the_largest_numbers() {
        let errors = [
            BootError::Memory { needed: usize::MAX, given: usize::MAX - 1 },
            BootError::KnownAnswer { crc32: u32::MAX },
            BootError::Load(LoadError::CrcMismatch { stored: u32::MAX, computed: u32::MAX }),
        ];
        for error in errors {
            assert_eq!(error.text(), format!("{error}").as_str());
        }
    }

    #[test]
    fn a_blob_is_found_in_a_larger_part_of_flash_and_nothing_else_is() {
        let blob = blob();
        for erased in [0, 1, 4096] {
            let mut region = blob.to_vec();
            region.resize(blob.len() + erased, 0xFF);
            let logits = boot_with_memory(&AlignedBytes::from(region.as_slice()), 8192);
            assert_eq!(logits.expect("the blob is good"), [0, 300]);
        }
        for region in [&[0xFF; 64], &blob[..blob.len() - 1]] {
            let region = AlignedBytes::from(region);
            let error = boot_with_memory(&region, 8192).expect_err("there is no blob");
            assert!(matches!(error, BootError::Load(_)));
        }
    }

    #[test]
    fn memory_that_is_a_byte_too_small_is_refused() {
        let blob = blob();
        let model = Model::load(&blob).expect("the blob is good");
        let needed = SHAPE.elements() + model.arena_len();
        boot_with_memory(&blob, needed).expect("exactly enough");
        for given in [0, SHAPE.elements() - 1, needed - 1] {
            let error = boot_with_memory(&blob, given).expect_err("it is too small");
            let expected = BootError::Memory { needed, given };
            assert_eq!(error.text(), expected.text());
        }
    }

    #[test]
    fn other_logits_than_the_blob_promises_are_noticed() {
        let blob = blob();
        let model = Model::load(&blob).expect("the blob is good");
        let biases = model.steps()[0].biases.as_ptr().addr() - blob.as_ptr().addr();
        let mut altered = blob.to_vec();
        altered[biases] ^= 64;
        repair_crc(&mut altered);
        let altered = AlignedBytes::from(altered.as_slice());
        let error = boot_with_memory(&altered, 8192).expect_err("a bias is another one");
        let found = Model::load(&altered).expect("it is valid").crc32();
        assert!(matches!(error, BootError::KnownAnswer { crc32 } if crc32 == found));
    }
}
