//! One run of the camera firmware in QEMU.

mod serial;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use protocol::{FaultReport, FrameReport, Message};

use crate::machine::{self, LIMIT_OF_BOOT, LIMIT_PER_IMAGE, Machine, RunError};
use crate::process;
use crate::reports::{Device, StackUse, Totals};

/// A modelled camera and the size of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Camera {
    /// ArduCAM Mega on SPI, 96 x 96 pixels
    #[value(name = "arducam-96")]
    Arducam96,
    /// ArduCAM Mega on SPI, 128 x 128 pixels
    #[value(name = "arducam-128")]
    Arducam128,
    /// OV2640 on a parallel port, 160 x 120 pixels
    #[value(name = "ov2640")]
    Ov2640,
}

impl Camera {
    /// What the firmware calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Arducam96 => "arducam-96",
            Self::Arducam128 => "arducam-128",
            Self::Ov2640 => "ov2640",
        }
    }

    /// Width and height of a frame in pixels.
    pub const fn size(self) -> (u32, u32) {
        match self {
            Self::Arducam96 => (96, 96),
            Self::Arducam128 => (128, 128),
            Self::Ov2640 => (160, 120),
        }
    }
}

/// What to run.
#[derive(Clone, Copy)]
pub struct CameraJob<'a> {
    /// The firmware's ELF file.
    pub elf: &'a Path,
    /// What runs it.
    pub machine: Machine,
    /// What the firmware sees through.
    pub camera: Camera,
    /// A file of big-endian RGB565 frames of the camera's size, which it sees one after the other.
    pub frames: &'a Path,
    /// Frames, taken or missed, after which the firmware ends; 0 is never.
    pub attempts: u32,
    /// The seed of random faults, if there shall be any.
    pub seed: Option<u64>,
}

/// What the firmware reported.
pub struct CameraReport {
    /// The model that it holds.
    pub device: Device,
    /// The names of the classes.
    pub labels: Vec<String>,
    /// Frames in the order of their counters.
    pub frames: Vec<FrameReport>,
    /// Faults in the order of their counters.
    pub faults: Vec<FaultReport>,
    /// What the network got for the frames since pictures were asked for.
    pub inputs: Vec<NetworkInput>,
    /// Use of the stack, every hundred frames and at the end.
    pub stack: Vec<StackUse>,
    /// What the firmware counted.
    pub totals: Totals,
}

/// What the network got for a frame.
pub struct NetworkInput {
    /// The frame's counter.
    pub counter: u32,
    /// The picture's bytes.
    pub bytes: Vec<u8>,
}

/// Runs the firmware, reads its serial port and passes each message to `observe`. The firmware is asked for pictures if
/// `wants_pictures`.
///
/// # Errors
///
/// [`RunError`] if QEMU is missing or hangs, if the firmware reports an error or does not count right, or if its serial
/// port brings anything but whole messages.
pub fn run(
    job: &CameraJob<'_>,
    wants_pictures: bool,
    mut observe: impl FnMut(&Message<'_>),
) -> Result<CameraReport, RunError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(RunError::Serial)?;
    let address = listener.local_addr().map_err(RunError::Serial)?;
    let mut command = qemu(job, &format!("tcp:{address}"))?;
    let limit = LIMIT_OF_BOOT + LIMIT_PER_IMAGE * job.attempts;
    let (finished, collected) = thread::scope(|scope| {
        let qemu = scope.spawn(|| process::run(&mut command, limit));
        let collected = serial::collect(
            &listener,
            wants_pictures,
            || qemu.is_finished(),
            &mut observe,
        );
        let finished = qemu.join().expect("running a process does not panic");
        (finished, collected)
    });
    let reports = machine::reports(job.machine, limit, &finished.map_err(RunError::Start)?)?;
    let collected = collected.map_err(RunError::Serial)?;
    if collected.damaged > 0 {
        return Err(RunError::Damaged(collected.damaged));
    }
    let device = collected.device;
    Ok(CameraReport {
        device: device.ok_or(RunError::Incomplete("the device information"))?,
        labels: collected.labels,
        frames: collected.frames,
        faults: collected.faults,
        inputs: collected.inputs,
        totals: reports.totals.ok_or(RunError::Incomplete("its end"))?,
        stack: reports.stack,
    })
}

/// Runs the firmware with its serial port offered at `port` of this machine, from the moment when somebody connects.
///
/// # Errors
///
/// [`RunError`] if QEMU is missing or the firmware reports an error.
pub fn serve(job: &CameraJob<'_>, port: u16) -> Result<(), RunError> {
    let mut command = qemu(job, &format!("tcp:127.0.0.1:{port},server=on"))?;
    let finished = process::run(&mut command, Duration::MAX).map_err(RunError::Start)?;
    machine::reports(job.machine, Duration::MAX, &finished).map(|_| ())
}

fn qemu(job: &CameraJob<'_>, serial: &str) -> Result<Command, RunError> {
    let elf = machine::absolute(job.elf)?;
    let frames = machine::absolute(job.frames)?;
    let attempts = job.attempts.to_string();
    let seed = job.seed.map(|seed| seed.to_string());
    let further: Vec<&str> = std::iter::once(&attempts)
        .chain(&seed)
        .map(String::as_str)
        .collect();
    let name = job.camera.name();
    Ok(machine::command(
        &elf,
        job.machine,
        serial,
        name,
        &frames,
        &further,
    ))
}
