//! What an inference takes on one machine with one size of arena.

use std::error::Error;
use std::path::Path;

use qemu_runner::images::{self, ImagesJob, ImagesReport, Stack};
use qemu_runner::machine::Machine;
use qemu_runner::reports::{Calibration, ImageRecord};

/// An image, and what the host computes from it.
pub struct Expected<'a> {
    /// The file of the raw image.
    pub image: &'a Path,
    /// CRC-32 of the model's blob.
    pub crc32: u32,
    /// The logits.
    pub logits: &'a [i32],
}

/// Counts of one inference.
pub struct Measurement {
    /// Executed instructions.
    pub instructions: u64,
    /// Executed instructions of each step, of another run, since the profiling takes some as well.
    pub steps: Vec<u64>,
    /// Bytes of activations and scratch.
    pub activation_bytes: u32,
    /// Use of the stack.
    pub stack: Stack,
    /// The loop of known length before it.
    pub calibration: Calibration,
}

/// Runs the firmware `elf` once without a profile and once with one.
///
/// # Errors
///
/// If a run fails, does not count right, has another model or gives other logits than expected.
pub fn measure(
    elf: &Path,
    machine: Machine,
    arena_len: usize,
    expected: &Expected<'_>,
) -> Result<Measurement, Box<dyn Error>> {
    let run = |profile| {
        let report = images::run(&ImagesJob {
            elf,
            machine,
            profile,
            arena_len: Some(arena_len),
            images: expected.image,
            plugin: None,
        })?;
        let record = check(&report, machine, expected)?;
        Ok::<_, Box<dyn Error>>((record.instructions, record.steps.clone(), report))
    };
    let (instructions, _, report) = run(false)?;
    let (_, steps, _) = run(true)?;
    Ok(Measurement {
        instructions,
        steps,
        activation_bytes: report.device.arena_len,
        stack: report.stack,
        calibration: report.calibration,
    })
}

/// The one record of a run that computed what the host computes.
fn check<'r>(
    report: &'r ImagesReport,
    machine: Machine,
    expected: &Expected<'_>,
) -> Result<&'r ImageRecord, String> {
    let name = machine.name();
    if report.device.crc32 != expected.crc32 {
        return Err(format!(
            "{name}: the firmware holds the model {:08x}, the blob is {:08x}",
            report.device.crc32, expected.crc32
        ));
    }
    let [record] = report.images.as_slice() else {
        return Err(format!(
            "{name}: {} records of one image",
            report.images.len()
        ));
    };
    if record.logits != expected.logits {
        return Err(format!(
            "{name}: logits {:?}, but the host computes {:?}",
            record.logits, expected.logits
        ));
    }
    Ok(record)
}
