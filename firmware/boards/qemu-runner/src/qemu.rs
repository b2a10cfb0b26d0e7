//! The machines of QEMU, how a program is run on one, and what it reports on the emulator's standard output.

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::path::{Path, absolute};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use protocol::{Decoder, DeviceInfo, Received};
use qemu_messages::{Calibration, QemuMessage, StackUse, Totals};
use serde::Serialize;

use crate::{Error, of_file};

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

/// Everything that a program has reported.
#[derive(Default)]
pub(crate) struct Reports {
    pub calibration: Option<Calibration>,
    pub device: Option<Device>,
    pub images: Vec<ImageRecord>,
    /// The boot's comes first.
    pub stack: Vec<StackUse>,
    pub totals: Option<Totals>,
    failure: Option<String>,
    /// Messages that were damaged or are unknown.
    damaged: u32,
}

impl Reports {
    fn decode(bytes: &[u8]) -> Self {
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

/// QEMU with the program `elf`, which gets the words `first`, the name of `file` and `further`.
pub(crate) fn command(
    elf: &Path,
    machine: Machine,
    serial: &str,
    first: &str,
    file: &Path,
    further: impl IntoIterator<Item = String>,
) -> Result<Command, Error> {
    // QEMU runs in the directory of the file, which the program opens there.
    let [elf, file] = [elf, file].map(|path| absolute(path).map_err(of_file(path)));
    let (elf, file) = (elf?, file?);
    let mut command = Command::new("qemu-system-arm");
    command.args(["-machine", machine.name(), "-nographic", "-monitor", "none"]);
    command.args(["-serial", serial]);
    // One instruction takes one nanosecond: the firmware's timer counts instructions.
    command.args(["-icount", "shift=0"]);
    // QEMU wants commas doubled.
    let name = file.file_name().map(OsStr::to_string_lossy);
    let name = name.unwrap_or_default().replace(',', ",,");
    let mut semihosting = format!("enable=on,target=native,arg={first},arg=\"{name}\"");
    for word in further {
        semihosting += &format!(",arg={word}");
    }
    command.args(["-semihosting-config", &semihosting]);
    command.arg("-kernel").arg(elf);
    if let Some(folder) = file.parent() {
        command.current_dir(folder);
    }
    Ok(command)
}

/// Runs QEMU to its end, or kills it after `limit`, and gives what the program has reported, if it did not fail and counted
/// right.
pub(crate) fn run(command: &mut Command, machine: Machine, limit: Duration) -> Result<Reports, Error> {
    // Files, since a full pipe would stop the emulator.
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start qemu-system-arm: {error}; `tests/run setup` installs it"))?;
    let written = |mut file: std::fs::File| -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            let (name, len) = (machine.name(), written(stdout)?.len());
            return Err(format!("{name} did not finish within {limit:?}; it had written {len} bytes").into());
        }
        thread::sleep(Duration::from_millis(20));
    };
    let reports = Reports::decode(&written(stdout)?);
    if !status.success() {
        // A firmware that has no stack left says nothing; QEMU does.
        let message = match reports.failure {
            Some(message) => message,
            None => String::from_utf8_lossy(&written(stderr)?).trim().to_owned(),
        };
        return Err(format!("the firmware failed ({status}): {message}").into());
    }
    if reports.damaged > 0 {
        return Err(format!(
            "the firmware's output is not what qemu-runner expects ({} damaged or unknown messages); \
             was it built from the same sources?",
            reports.damaged
        )
        .into());
    }
    match reports.calibration {
        Some(calibration) if calibration.holds() => Ok(reports),
        Some(Calibration { executed, counted }) => {
            Err(format!("a loop of {executed} instructions was counted as {counted}: the figures would mean nothing")
                .into())
        }
        None => Err(lacks("the loop of known length")),
    }
}

pub(crate) fn lacks(part: &str) -> Error {
    format!("the firmware ended without an error, but its report lacks {part}").into()
}
