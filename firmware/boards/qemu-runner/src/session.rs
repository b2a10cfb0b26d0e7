//! One run of the firmware in QEMU.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use clap::ValueEnum;
use defmt_decoder::Table;
use serde::Serialize;
use shared_model::IMAGE_LEN;
use thiserror::Error;

use crate::process::{self, Finished};
use crate::protocol::{self, Banner, Calibration, Message, ProtocolError, Record, Stack};

/// An emulated inference takes about a second; a machine that is busy with other work is far slower.
pub(crate) const LIMIT_PER_IMAGE: Duration = Duration::from_secs(20);
pub(crate) const LIMIT_OF_BOOT: Duration = Duration::from_secs(60);

/// A machine of QEMU.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Machine {
    /// mps2-an386
    M4,
    /// mps2-an500
    M7,
    /// mps2-an505
    M33,
}

impl Machine {
    /// QEMU's name of the machine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M4 => "mps2-an386",
            Self::M7 => "mps2-an500",
            Self::M33 => "mps2-an505",
        }
    }
}

/// What the firmware reported.
#[derive(Serialize)]
pub struct Session {
    /// What shows that instructions are counted.
    pub calibration: Calibration,
    /// The model that it holds.
    pub banner: Banner,
    /// One for each image.
    pub records: Vec<Record>,
    /// Use of the stack over the whole run.
    pub stack: Stack,
}

/// Why there is no [`Session`].
#[derive(Debug, Error)]
pub enum SessionError {
    #[error("cannot start qemu-system-arm: {0}; `tests/run setup` installs it")]
    Start(std::io::Error),
    #[error("{path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} is no firmware that logs through defmt: {reason}")]
    Elf { path: PathBuf, reason: String },
    #[error("{machine} did not finish within {limit:?}; it had written {written} bytes")]
    Timeout {
        machine: &'static str,
        limit: Duration,
        written: usize,
    },
    #[error("the firmware failed ({status}): {message}")]
    Firmware { status: ExitStatus, message: String },
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("a loop of {} instructions was counted as {}: the figures would mean nothing", .0.executed, .0.counted)]
    Calibration(Calibration),
    #[error("the firmware ended without an error, but its report lacks {0}")]
    Incomplete(&'static str),
    #[error("the emulated serial port: {0}")]
    Serial(std::io::Error),
    #[error("{0} frames of the serial port were damaged or of another version of the protocol")]
    Damaged(u32),
}

/// What to run.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The firmware's ELF file.
    pub elf: &'a Path,
    /// What runs it.
    pub machine: Machine,
    /// Whether to count the instructions of each layer, which adds a few to the total.
    pub profile: bool,
    /// Bytes of arena for the interpreter; all that the firmware has unless given.
    pub arena_len: Option<usize>,
    /// A file of raw images, which need not be well-formed or exist.
    pub images: &'a Path,
    /// A plugin of QEMU with its arguments, separated by commas.
    pub plugin: Option<&'a str>,
}

/// Runs the firmware.
///
/// # Errors
///
/// [`SessionError`] if QEMU is missing or hangs, if the firmware reports an error or does not count right.
pub fn run(job: &Job<'_>) -> Result<Session, SessionError> {
    let elf = absolute(job.elf)?;
    let images = absolute(job.images)?;
    let job = Job {
        elf: &elf,
        images: &images,
        ..*job
    };
    let table = table(&elf)?;
    let count = std::fs::metadata(&images).map_or(0, |metadata| metadata.len() / IMAGE_LEN as u64);
    let limit = LIMIT_OF_BOOT + LIMIT_PER_IMAGE * u32::try_from(count).unwrap_or(u32::MAX);
    let finished = process::run(&mut qemu(&job), limit).map_err(SessionError::Start)?;
    session(&table, job.machine, limit, &finished)
}

/// The path from the root, since QEMU runs in another directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, SessionError> {
    std::path::absolute(path).map_err(|error| SessionError::File {
        path: path.to_owned(),
        error,
    })
}

/// The texts of the firmware's messages, of which it sends only indices.
pub(crate) fn table(path: &Path) -> Result<Table, SessionError> {
    let elf = std::fs::read(path).map_err(|error| SessionError::File {
        path: path.to_owned(),
        error,
    })?;
    let error = |reason| SessionError::Elf {
        path: path.to_owned(),
        reason,
    };
    Table::parse(&elf)
        .map_err(|reason| error(reason.to_string()))?
        .ok_or_else(|| error("it has no section .defmt".to_owned()))
}

fn qemu(job: &Job<'_>) -> Command {
    let mode = if job.profile { "profile" } else { "classify" };
    let arena_len = job.arena_len.map(|len| len.to_string());
    let further: Vec<&str> = arena_len.iter().map(String::as_str).collect();
    let mut command = command(job.elf, job.machine, "null", mode, job.images, &further);
    if let Some(plugin) = job.plugin {
        command.args(["-plugin", plugin]);
    }
    command
}

/// QEMU with the firmware `elf`, which gets the words `first`, the name of `file` and `further`.
pub(crate) fn command(
    elf: &Path,
    machine: Machine,
    serial: &str,
    first: &str,
    file: &Path,
    further: &[&str],
) -> Command {
    let mut command = Command::new("qemu-system-arm");
    command.args(["-machine", machine.name(), "-nographic", "-monitor", "none"]);
    command.args(["-serial", serial]);
    // One instruction takes one nanosecond: the firmware's timer counts instructions.
    command.args(["-icount", "shift=0"]);
    // The firmware opens the file in QEMU's directory. QEMU wants commas doubled.
    let name = file
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .replace(',', ",,");
    let mut semihosting = format!("enable=on,target=native,arg={first},arg=\"{name}\"");
    for word in further {
        semihosting += &format!(",arg={word}");
    }
    command
        .args(["-semihosting-config", &semihosting])
        .arg("-kernel")
        .arg(elf);
    if let Some(folder) = file.parent() {
        command.current_dir(folder);
    }
    command
}

fn session(
    table: &Table,
    machine: Machine,
    limit: Duration,
    finished: &Finished,
) -> Result<Session, SessionError> {
    let Some(status) = finished.status else {
        return Err(SessionError::Timeout {
            machine: machine.name(),
            limit,
            written: finished.stdout.len(),
        });
    };
    let messages = protocol::decode(table, &finished.stdout)?;
    if status.success() {
        return assemble(messages);
    }
    let reported = messages.into_iter().find_map(|message| match message {
        Message::Failed(text) => Some(text),
        _ => None,
    });
    // A firmware that has no stack left says nothing; QEMU does.
    let message =
        reported.unwrap_or_else(|| String::from_utf8_lossy(&finished.stderr).trim().to_owned());
    Err(SessionError::Firmware { status, message })
}

fn assemble(messages: Vec<Message>) -> Result<Session, SessionError> {
    let (mut calibration, mut banner, mut stack) = (None, None, None);
    let mut layers = Vec::new();
    let mut records = Vec::new();
    for message in messages {
        match message {
            Message::Calibrated(calibrated) => calibration = Some(calibrated),
            Message::Ready(ready) => banner = Some(ready),
            Message::Layer(instructions) => layers.push(instructions),
            Message::Classified(record) => records.push(Record {
                layers: std::mem::take(&mut layers),
                ..record
            }),
            Message::Done(done) => stack = Some(done),
            Message::Failed(_) => return Err(SessionError::Incomplete("a failing exit status")),
        }
    }
    let calibration = calibration.ok_or(SessionError::Incomplete("the loop of known length"))?;
    if !calibration.holds() {
        return Err(SessionError::Calibration(calibration));
    }
    Ok(Session {
        calibration,
        banner: banner.ok_or(SessionError::Incomplete("its beginning"))?,
        records,
        stack: stack.ok_or(SessionError::Incomplete("its end"))?,
    })
}
