//! One run of the camera firmware in QEMU.

mod log;
mod serial;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use firmware::protocol::{FaultReport, FrameReport, Message};

use crate::process::{self, Finished};
use crate::session::{self, LIMIT_OF_BOOT, LIMIT_PER_IMAGE, Machine, SessionError};

pub use log::{StackUse, Totals};

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
pub struct Job<'a> {
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
    /// Of random faults, if there shall be any.
    pub seed: Option<u64>,
}

/// What the firmware reported.
pub struct Session {
    /// CRC-32 of the model's blob.
    pub crc32: u32,
    /// How each layer is computed.
    pub plan: String,
    /// In the order of their counters.
    pub frames: Vec<FrameReport>,
    /// In the order of their counters.
    pub faults: Vec<FaultReport>,
    /// The network's input, of the frames for which it was asked.
    pub pictures: Vec<Picture>,
    /// Now and then, and at the end.
    pub stack: Vec<StackUse>,
    /// At the end.
    pub totals: Totals,
}

/// The network's input.
pub struct Picture {
    /// Of its frame.
    pub counter: u32,
    /// 32 x 32 x RGB bytes.
    pub rgb: Vec<u8>,
}

/// Runs the firmware, reads its serial port and passes each message to `observe`. The firmware is asked for its pictures if
/// `wants_pictures`.
///
/// # Errors
///
/// [`SessionError`] if QEMU is missing or hangs, if the firmware reports an error or does not count right, or if its serial
/// port brings anything but whole messages.
pub fn run(
    job: &Job<'_>,
    wants_pictures: bool,
    mut observe: impl FnMut(&Message<'_>),
) -> Result<Session, SessionError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(SessionError::Serial)?;
    let address = listener.local_addr().map_err(SessionError::Serial)?;
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
    let events = events(job, limit, &finished.map_err(SessionError::Start)?)?;
    let collected = collected.map_err(SessionError::Serial)?;
    if collected.damaged > 0 {
        return Err(SessionError::Damaged(collected.damaged));
    }
    let banner = collected.banner;
    let banner = banner.ok_or(SessionError::Incomplete("its banner"))?;
    Ok(Session {
        crc32: banner.crc32,
        plan: banner.plan,
        frames: collected.frames,
        faults: collected.faults,
        pictures: collected.pictures,
        stack: events.stack,
        totals: events.totals,
    })
}

/// Runs the firmware with its serial port offered at `port` of this machine, from the moment when somebody connects.
///
/// # Errors
///
/// [`SessionError`] if QEMU is missing or the firmware reports an error.
pub fn serve(job: &Job<'_>, port: u16) -> Result<(), SessionError> {
    let mut command = qemu(job, &format!("tcp:127.0.0.1:{port},server=on"))?;
    let finished = process::run(&mut command, Duration::MAX).map_err(SessionError::Start)?;
    events(job, Duration::MAX, &finished).map(|_| ())
}

fn qemu(job: &Job<'_>, serial: &str) -> Result<Command, SessionError> {
    let elf = session::absolute(job.elf)?;
    let frames = session::absolute(job.frames)?;
    let attempts = job.attempts.to_string();
    let seed = job.seed.map(|seed| seed.to_string());
    let further: Vec<&str> = std::iter::once(&attempts)
        .chain(&seed)
        .map(String::as_str)
        .collect();
    let name = job.camera.name();
    Ok(session::command(
        &elf,
        job.machine,
        serial,
        name,
        &frames,
        &further,
    ))
}

/// What the log of a finished firmware says.
fn events(
    job: &Job<'_>,
    limit: Duration,
    finished: &Finished,
) -> Result<log::Events, SessionError> {
    let table = session::table(job.elf)?;
    let Some(status) = finished.status else {
        return Err(SessionError::Timeout {
            machine: job.machine.name(),
            limit,
            written: finished.stdout.len(),
        });
    };
    let lines = log::decode(&table, &finished.stdout)?;
    if status.success() {
        return log::assemble(lines);
    }
    let message = log::failure(lines)
        .unwrap_or_else(|| String::from_utf8_lossy(&finished.stderr).trim().to_owned());
    Err(SessionError::Firmware { status, message })
}
