//! What the programs of `qemu-mps2` report on the emulator's standard output.

use protocol::{Decoder, DeviceInfo, Received};
use qemu_messages::QemuMessage;
use serde::Serialize;

pub use qemu_messages::{Calibration, StackUse, Totals};

/// What the firmware holds.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// Name of the model.
    pub model: String,
    /// CRC-32 of its blob.
    pub crc32: u32,
    /// Bytes of the blob in flash.
    pub blob_len: u32,
    /// Bytes of working memory.
    pub arena_len: u32,
    /// How each step is computed.
    pub plan: String,
}

impl From<&DeviceInfo<'_>> for Device {
    fn from(info: &DeviceInfo<'_>) -> Self {
        Self {
            model: info.model.to_owned(),
            crc32: info.crc32,
            blob_len: info.blob_len,
            arena_len: info.arena_len,
            plan: info.plan.to_owned(),
        }
    }
}

/// The classification of one image.
#[derive(Serialize)]
pub struct ImageRecord {
    /// Index of the image in its file.
    pub index: u32,
    /// Index of the winning class.
    pub class: u8,
    /// Name of that class.
    pub label: String,
    /// Every class's logit, as the integers that the network computes.
    pub logits: Vec<i32>,
    /// Executed instructions of the inference, to a multiple of 40, or 50 on the M33.
    pub instructions: u64,
    /// The same for each step; empty unless profiled.
    pub steps: Vec<u64>,
}

/// Everything that a firmware has reported.
#[derive(Default)]
pub(crate) struct Reports {
    pub calibration: Option<Calibration>,
    pub device: Option<Device>,
    pub images: Vec<ImageRecord>,
    /// The boot's comes first.
    pub stack: Vec<StackUse>,
    pub totals: Option<Totals>,
    pub failure: Option<String>,
    /// Messages that were damaged or are unknown.
    pub damaged: u32,
}

impl Reports {
    /// Decodes everything that the firmware wrote.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut reports = Self::default();
        let mut steps = Vec::new();
        let mut decoder = Decoder::new();
        for byte in bytes {
            match decoder.push(*byte) {
                Some(Received::Message(message)) => reports.add(message, &mut steps),
                Some(Received::UnknownKind(_) | Received::OtherVersion(_)) => reports.damaged += 1,
                None => {}
            }
        }
        reports.damaged += decoder.statistics().corrupted;
        reports
    }

    fn add(&mut self, message: QemuMessage<'_>, steps: &mut Vec<u64>) {
        match message {
            QemuMessage::Calibration(calibration) => self.calibration = Some(calibration),
            QemuMessage::DeviceInfo(info) => self.device = Some(Device::from(&info)),
            QemuMessage::Step { instructions } => steps.push(instructions),
            QemuMessage::Image(image) => self.images.push(ImageRecord {
                index: image.index,
                class: image.class,
                label: image.label.to_owned(),
                logits: image.logits.to_vec(),
                instructions: image.instructions,
                steps: std::mem::take(steps),
            }),
            QemuMessage::Stack(stack) => self.stack.push(stack),
            QemuMessage::Totals(totals) => self.totals = Some(totals),
            QemuMessage::Failure { text } => self.failure = Some(text.to_owned()),
        }
    }
}
