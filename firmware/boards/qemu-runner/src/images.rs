//! One run of the firmware that classifies images.

use std::path::Path;

use object::{Object, ObjectSection};
use qemu_messages::{Calibration, StackUse};
use serde::Serialize;
use shared_model::{AlignedBytes, Model, Shape};

use crate::qemu::{Board, Device, Emulator, ImageRecord, LIMIT_OF_BOOT, LIMIT_PER_IMAGE, MODEL_SECTION, lacks};
use crate::{Error, of_file};

/// What to run.
#[derive(Clone, Copy)]
pub struct ImagesJob<'a> {
    /// What runs it.
    pub board: Board<'a>,
    /// Whether to count the instructions of each step, which adds a few to the total.
    pub profile: bool,
    /// Bytes of arena for the interpreter; all that the firmware has unless given.
    pub arena_len: Option<usize>,
    /// A file of raw images, which need not be well-formed or exist.
    pub images: &'a Path,
    /// A plugin of QEMU with its arguments, separated by commas.
    pub plugin: Option<&'a str>,
}

/// What the firmware reported.
#[derive(Serialize)]
pub struct ImagesReport {
    /// What shows that instructions are counted.
    pub calibration: Calibration,
    /// The model that it holds.
    pub device: Device,
    /// One for each image.
    pub images: Vec<ImageRecord>,
    /// Use of the stack over the whole run.
    pub stack: Stack,
}

/// Stack used at the deepest, and stack there is, in bytes.
#[derive(Clone, Copy, Serialize)]
pub struct Stack {
    /// Bytes used at the deepest until the known answer was reproduced.
    pub boot: u32,
    /// Bytes used at the deepest from then on.
    pub inference: u32,
    /// Bytes there are.
    pub size: u32,
}

impl Stack {
    /// Bytes used at the deepest of the whole run.
    pub fn high_water(self) -> u32 {
        self.boot.max(self.inference)
    }
}

/// Runs the firmware.
///
/// # Errors
///
/// If QEMU is missing or hangs, if the firmware reports an error or does not count right.
pub fn run(job: &ImagesJob<'_>) -> Result<ImagesReport, Error> {
    let mode = if job.profile { "profile" } else { "classify" };
    let arena_len = job.arena_len.map(|len| len.to_string());
    let mut emulator = Emulator::new(job.board, "null", mode, job.images, arena_len)?;
    if let Some(plugin) = job.plugin {
        emulator.command.args(["-plugin", plugin]);
    }
    // An image takes 3 KB, or more and then longer; of a smaller one some more time does no harm.
    let len = std::fs::metadata(job.images).map_or(0, |metadata| metadata.len());
    let count = u32::try_from(len / 1024).unwrap_or(u32::MAX);
    let reports = emulator.run(LIMIT_OF_BOOT + LIMIT_PER_IMAGE * count)?;
    let [boot, inference]: [StackUse; 2] = reports.stack.try_into().map_err(|_| lacks("the use of the stack"))?;
    Ok(ImagesReport {
        calibration: reports.calibration.ok_or_else(|| lacks("its beginning"))?,
        device: reports.device.ok_or_else(|| lacks("the device information"))?,
        images: reports.images,
        stack: Stack { boot: boot.used, inference: inference.used, size: inference.size },
    })
}

/// Shape of the pictures that the board's model classifies.
///
/// # Errors
///
/// If the file cannot be read or holds no model.
pub fn shape(board: Board<'_>) -> Result<Shape, Error> {
    let path = board.blob.unwrap_or(board.elf);
    let bytes = std::fs::read(path).map_err(of_file(path))?;
    let blob = match board.blob {
        Some(_) => &bytes[..],
        None => {
            let file = object::File::parse(bytes.as_slice()).map_err(of_file(path))?;
            let section = file.section_by_name(MODEL_SECTION).ok_or_else(|| of_file(path)("it holds no model"))?;
            section.data().map_err(of_file(path))?
        }
    };
    let blob = AlignedBytes::from(blob);
    let model = Model::load(&blob).map_err(of_file(path))?;
    Ok(model.input_shape())
}
