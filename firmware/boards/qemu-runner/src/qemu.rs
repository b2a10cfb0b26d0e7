//! The machines of QEMU, how a program is run on one, and what it reports on the emulator's standard output.

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use object::elf::PT_NULL;
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection};
use protocol::{Decoder, DeviceInfo, Received};
use qemu_messages::{Calibration, QemuMessage, StackUse, Totals};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{Error, of_file};

/// An emulated inference takes about a second; a machine that is busy with other work is far slower.
pub(crate) const LIMIT_PER_IMAGE: Duration = Duration::from_secs(20);
pub(crate) const LIMIT_OF_BOOT: Duration = Duration::from_secs(60);

/// A machine of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    /// mps2-an386
    M4,
    /// mps2-an500
    M7,
    /// mps2-an505
    M33,
    /// mps2-an385
    M3,
    /// mps3-an547
    M55,
    /// mps2-an385, whose Cortex-M3 runs the instructions of Armv6-M too: QEMU has no machine like it with a Cortex-M0+
    M0plus,
    /// virt with one 32-bit core
    Rv32imac,
}

impl Machine {
    /// QEMU's name of the machine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M4 => "mps2-an386",
            Self::M7 => "mps2-an500",
            Self::M33 => "mps2-an505",
            Self::M3 | Self::M0plus => "mps2-an385",
            Self::M55 => "mps3-an547",
            Self::Rv32imac => "virt",
        }
    }

    /// The program that emulates it.
    const fn emulator(self) -> &'static str {
        match self {
            Self::M4 | Self::M7 | Self::M33 | Self::M3 | Self::M55 | Self::M0plus => "qemu-system-arm",
            Self::Rv32imac => "qemu-system-riscv32",
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
    /// Executed instructions of the inference, on a Cortex-M to a multiple of 40, 50 on the M33, or 31.25 on the M55.
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

/// A machine with a program in its flash.
#[derive(Clone, Copy)]
pub struct Board<'a> {
    /// The firmware's ELF file.
    pub elf: &'a Path,
    /// What runs it.
    pub machine: Machine,
    /// A blob that is flashed alone, in the place of the one that the ELF file brings along.
    pub blob: Option<&'a Path>,
}

/// The section of the blob that an ELF file brings along.
pub(crate) const MODEL_SECTION: &str = ".model";

/// QEMU with a program.
pub(crate) struct Emulator {
    pub command: Command,
    machine: Machine,
    /// Read when QEMU starts.
    _program: Option<NamedTempFile>,
}

impl Emulator {
    /// The program of `board` gets the words `first`, the name of `file` and `further`.
    pub(crate) fn new(
        board: Board<'_>,
        serial: &str,
        first: &str,
        file: &Path,
        further: impl IntoIterator<Item = String>,
    ) -> Result<Self, Error> {
        let Board { elf, machine, blob } = board;
        // QEMU runs in the directory of the file, which the program opens there.
        let (elf, file) = (full(elf)?, full(file)?);
        let mut command = Command::new(machine.emulator());
        command.args(["-machine", machine.name(), "-nographic", "-monitor", "none"]);
        if machine == Machine::Rv32imac {
            command.args(["-bios", "none"]);
        }
        command.args(["-serial", serial]);
        // One instruction takes one nanosecond: the firmware's timer counts instructions.
        command.args(["-icount", "shift=0"]);
        let name = escaped(file.file_name().unwrap_or_default());
        let mut semihosting = format!("enable=on,target=native,arg={first},arg=\"{name}\"");
        for word in further {
            semihosting += &format!(",arg={word}");
        }
        command.args(["-semihosting-config", &semihosting]);
        let program = match blob {
            None => {
                command.arg("-kernel").arg(elf);
                None
            }
            Some(blob) => {
                let (program, address) = without_model(&elf)?;
                command.arg("-kernel").arg(program.path());
                let blob = escaped(full(blob)?.as_os_str());
                command.args(["-device", &format!("loader,file={blob},addr={address:#x},force-raw=on")]);
                Some(program)
            }
        };
        if let Some(folder) = file.parent() {
            command.current_dir(folder);
        }
        Ok(Self { command, machine, _program: program })
    }

    /// Runs QEMU to its end, or kills it after `limit`, and gives what the program has reported, if it did not fail and counted
    /// right.
    pub(crate) fn run(&mut self, limit: Duration) -> Result<Reports, Error> {
        // Files, since a full pipe would stop the emulator.
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        self.command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut child = self.command.spawn().map_err(|error| {
            format!("cannot start {}: {error}; `tests/run setup` installs it", self.machine.emulator())
        })?;
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
                let (name, len) = (self.machine.name(), written(stdout)?.len());
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
            Some(Calibration { executed, counted }) => Err(format!(
                "a loop of {executed} instructions was counted as {counted}: the figures would mean nothing"
            )
            .into()),
            None => Err(lacks("the loop of known length")),
        }
    }
}

/// The name of a file as a word for a program, wherever QEMU runs.
pub(crate) fn file_word(path: &Path) -> Result<String, Error> {
    Ok(escaped(full(path)?.as_os_str()))
}

fn full(path: &Path) -> Result<PathBuf, String> {
    absolute(path).map_err(of_file(path))
}

/// As an option of QEMU, which wants commas doubled.
fn escaped(name: &OsStr) -> String {
    name.to_string_lossy().replace(',', ",,")
}

/// The program `elf` without the blob that it brings along, which QEMU would not let another one replace, and the blob's address.
fn without_model(elf: &Path) -> Result<(NamedTempFile, u64), Error> {
    let mut bytes = std::fs::read(elf).map_err(of_file(elf))?;
    let file = ElfFile32::<LittleEndian>::parse(bytes.as_slice()).map_err(of_file(elf))?;
    let section = file.section_by_name(MODEL_SECTION).ok_or_else(|| of_file(elf)("it holds no model"))?;
    let address = section.address();
    let mut segments = file.elf_program_headers().iter();
    let index = segments.position(|segment| u64::from(segment.p_vaddr(LittleEndian)) == address);
    let index = index.ok_or_else(|| of_file(elf)("its model is in no segment"))?;
    let header = file.elf_header();
    let place = header.e_phoff(LittleEndian) as usize + index * usize::from(header.e_phentsize(LittleEndian));
    // The type of the segment is the first field of its header.
    bytes[place..place + 4].copy_from_slice(&PT_NULL.0.to_le_bytes());
    let program = NamedTempFile::new()?;
    std::fs::write(program.path(), bytes).map_err(of_file(program.path()))?;
    Ok((program, address))
}

pub(crate) fn lacks(part: &str) -> Error {
    format!("the firmware ended without an error, but its report lacks {part}").into()
}
