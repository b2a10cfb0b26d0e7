#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! What the programs of `qemu-mps2` report to `qemu-runner`, in the frames of [`protocol`], on the emulator's standard output.
//!
//! Both are built from the same sources: there is no compatibility to keep.

use heapless::Vec;
use protocol::{DeviceInfo, Kinds, MAX_LABELS};
use serde::{Deserialize, Serialize};

/// A report of a program.
#[expect(clippy::large_enum_variant, reason = "there is no allocator")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QemuMessage<'a> {
    /// At the beginning.
    Calibration(Calibration),
    /// The model was loaded and its known answer is reproduced.
    #[serde(borrow)]
    DeviceInfo(DeviceInfo<'a>),
    /// A step of the image whose report follows; the steps come in order.
    Step {
        /// Executed instructions.
        instructions: u64,
    },
    /// An image was classified.
    Image(ImageReport<'a>),
    /// How deep the stack was.
    Stack(StackUse),
    /// At the end of a program with a camera.
    Totals(Totals),
    /// The program gives up.
    Failure {
        /// Why.
        text: &'a str,
    },
}

impl Kinds for QemuMessage<'_> {
    const KINDS: u32 = 7;
}

/// A loop of known length, which shows that the emulator counts instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Instructions of the loop.
    pub executed: u64,
    /// What the firmware's clock made of them.
    pub counted: u64,
}

impl Calibration {
    /// Whether the count is right but for the reading of the clock, which takes less than two of its ticks.
    pub fn holds(&self) -> bool {
        (self.executed..=self.executed + 100).contains(&self.counted)
    }
}

/// The classification of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageReport<'a> {
    /// Index of the image in its file.
    pub index: u32,
    /// Index of the most probable class.
    pub class: u8,
    /// Name of that class.
    pub label: &'a str,
    /// Every class's logit, as the network computes it.
    pub logits: Vec<i32, MAX_LABELS>,
    /// Executed instructions, to whole ticks of the clock.
    pub instructions: u64,
}

/// How deep the stack was since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackUse {
    /// Images or frames so far. At 0 it is the boot's own use, which later reports do not contain.
    pub images: u32,
    /// Bytes used at the deepest.
    pub used: u32,
    /// Bytes there are.
    pub size: u32,
}

/// What a program with a camera counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Frames for which the watchdog was fed.
    pub completed: u32,
    /// Faults of the camera.
    pub faults: u32,
    /// Messages that the serial port did not take in time.
    pub dropped: u32,
}
