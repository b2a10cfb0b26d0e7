//! One run of the firmware that classifies images.

use std::path::Path;

use serde::Serialize;

use crate::machine::{self, LIMIT_OF_BOOT, LIMIT_PER_IMAGE, Machine, RunError};
use crate::model;
use crate::process;
use crate::reports::{Calibration, Device, ImageRecord, StackUse};

/// What to run.
#[derive(Clone, Copy)]
pub struct ImagesJob<'a> {
    /// The firmware's ELF file.
    pub elf: &'a Path,
    /// What runs it.
    pub machine: Machine,
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
/// [`RunError`] if QEMU is missing or hangs, if the firmware reports an error or does not count right.
pub fn run(job: &ImagesJob<'_>) -> Result<ImagesReport, RunError> {
    let elf = machine::absolute(job.elf)?;
    let images = machine::absolute(job.images)?;
    let mode = if job.profile { "profile" } else { "classify" };
    let arena_len = job.arena_len.map(|len| len.to_string());
    let further: Vec<&str> = arena_len.iter().map(String::as_str).collect();
    let mut command = machine::command(&elf, job.machine, "null", mode, &images, &further);
    if let Some(plugin) = job.plugin {
        command.args(["-plugin", plugin]);
    }
    // An ELF file without a model says so itself.
    let picture_len = model::shape(&elf).map_or(1 << 10, |shape| shape.elements() as u64);
    let count = std::fs::metadata(&images).map_or(0, |metadata| metadata.len() / picture_len);
    let limit = LIMIT_OF_BOOT + LIMIT_PER_IMAGE * u32::try_from(count).unwrap_or(u32::MAX);
    let finished = process::run(&mut command, limit).map_err(RunError::Start)?;
    let reports = machine::reports(job.machine, limit, &finished)?;
    let [boot, inference]: [StackUse; 2] = reports
        .stack
        .as_slice()
        .try_into()
        .map_err(|_| RunError::Incomplete("the use of the stack"))?;
    let lacks = RunError::Incomplete;
    Ok(ImagesReport {
        calibration: reports.calibration.ok_or(lacks("its beginning"))?,
        device: reports.device.ok_or(lacks("the device information"))?,
        images: reports.images,
        stack: Stack {
            boot: boot.used,
            inference: inference.used,
            size: inference.size,
        },
    })
}
