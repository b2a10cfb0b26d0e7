//! The machines of QEMU, and how a firmware is run on one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use clap::ValueEnum;
use thiserror::Error;

use crate::process::Finished;
use crate::reports::{Calibration, Reports};

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

/// Why a run gave no report.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("cannot start qemu-system-arm: {0}; `tests/run setup` installs it")]
    Start(std::io::Error),
    #[error("{path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{machine} did not finish within {limit:?}; it had written {written} bytes")]
    Timeout {
        machine: &'static str,
        limit: Duration,
        written: usize,
    },
    #[error("the firmware failed ({status}): {message}")]
    Firmware { status: ExitStatus, message: String },
    #[error(
        "the firmware's output is not what qemu-runner expects ({0} damaged or unknown messages); was it built from the same sources?"
    )]
    Output(u32),
    #[error("a loop of {} instructions was counted as {}: the figures would mean nothing", .0.executed, .0.counted)]
    Calibration(Calibration),
    #[error("the firmware ended without an error, but its report lacks {0}")]
    Incomplete(&'static str),
    #[error("the emulated serial port: {0}")]
    Serial(std::io::Error),
    #[error("{0} messages of the serial port were damaged or unknown")]
    Damaged(u32),
}

/// The path from the root, since QEMU runs in another directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(|error| RunError::File {
        path: path.to_owned(),
        error,
    })
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

/// What a finished firmware has reported, if it did not fail and counted right.
pub(crate) fn reports(
    machine: Machine,
    limit: Duration,
    finished: &Finished,
) -> Result<Reports, RunError> {
    let Some(status) = finished.status else {
        return Err(RunError::Timeout {
            machine: machine.name(),
            limit,
            written: finished.stdout.len(),
        });
    };
    let reports = Reports::decode(&finished.stdout);
    if !status.success() {
        // A firmware that has no stack left says nothing; QEMU does.
        let message = reports
            .failure
            .unwrap_or_else(|| String::from_utf8_lossy(&finished.stderr).trim().to_owned());
        return Err(RunError::Firmware { status, message });
    }
    if reports.damaged > 0 {
        return Err(RunError::Output(reports.damaged));
    }
    match reports.calibration {
        Some(calibration) if calibration.holds() => Ok(reports),
        Some(calibration) => Err(RunError::Calibration(calibration)),
        None => Err(RunError::Incomplete("the loop of known length")),
    }
}
