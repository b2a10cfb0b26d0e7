//! The firmware of `firmware/boards/qemu-mps2`, `qemu-mps3` and `qemu-virt`: built, run in QEMU, with other models too.
//!
//! `firmware/boards/qemu-runner` does the running and decoding, as a program: it belongs to another workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::thread;

use serde::Deserialize;
use thiserror::Error;

/// A machine of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// mps2-an386.
    CortexM4,
    /// mps2-an500.
    CortexM7,
    /// mps2-an505.
    CortexM33,
    /// mps2-an385.
    CortexM3,
    /// mps3-an547.
    CortexM55,
    /// mps2-an385 too, with code for a Cortex-M0+.
    CortexM0Plus,
    /// virt.
    Rv32imac,
}

impl Machine {
    /// All machines.
    pub const ALL: [Self; 7] = [
        Self::CortexM4,
        Self::CortexM7,
        Self::CortexM33,
        Self::CortexM3,
        Self::CortexM55,
        Self::CortexM0Plus,
        Self::Rv32imac,
    ];

    /// What the firmware for this machine is compiled for.
    const fn target(self) -> &'static str {
        match self {
            Self::CortexM4 | Self::CortexM7 => "thumbv7em-none-eabihf",
            Self::CortexM33 | Self::CortexM55 => "thumbv8m.main-none-eabihf",
            Self::CortexM3 => "thumbv7m-none-eabi",
            Self::CortexM0Plus => "thumbv6m-none-eabi",
            Self::Rv32imac => "riscv32imac-unknown-none-elf",
        }
    }

    /// Its core, as shared-model names it.
    pub const fn core(self) -> &'static str {
        match self {
            Self::CortexM4 => "cortex-m4",
            Self::CortexM7 => "cortex-m7",
            Self::CortexM33 => "cortex-m33",
            Self::CortexM3 => "cortex-m3",
            Self::CortexM55 => "cortex-m55",
            Self::CortexM0Plus => "cortex-m0plus",
            Self::Rv32imac => "rv32imac",
        }
    }

    /// The folder of the program for it.
    const fn board(self) -> &'static str {
        match self {
            Self::CortexM4 | Self::CortexM7 | Self::CortexM33 | Self::CortexM3 | Self::CortexM0Plus => "qemu-mps2",
            Self::CortexM55 => "qemu-mps3",
            Self::Rv32imac => "qemu-virt",
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::CortexM4 => "m4",
            Self::CortexM7 => "m7",
            Self::CortexM33 => "m33",
            Self::CortexM3 => "m3",
            Self::CortexM55 => "m55",
            Self::CortexM0Plus => "m0plus",
            Self::Rv32imac => "rv32imac",
        }
    }
}

/// How the firmware classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether it counts the instructions of each step too, which adds a little to the total.
    pub profile: bool,
    /// Bytes of arena for the interpreter; all that there is unless given.
    pub arena_len: Option<usize>,
}

/// What one run of the firmware reported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// The model that it holds.
    pub device: Device,
    /// One for each image, in order.
    pub images: Vec<ImageRecord>,
    /// Use of the stack over the whole run.
    pub stack: Stack,
}

/// What the firmware holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// Name of the model.
    pub model: String,
    /// CRC-32 of its blob.
    pub crc32: u32,
    /// Bytes of the blob in flash.
    pub blob_len: usize,
    /// Bytes of working memory.
    pub arena_len: usize,
}

/// The classification of one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ImageRecord {
    /// Index of the image.
    pub index: usize,
    /// Index of the winning class.
    pub class: usize,
    /// Name of that class.
    pub label: String,
    /// Every class's logit, as the integers that the network computes.
    pub logits: Vec<i32>,
    /// Executed instructions of the inference, on a Cortex-M to a multiple of 40, 50 on the M33, or 31.25 on the M55.
    pub instructions: u64,
    /// The same for each step; empty unless profiled.
    pub steps: Vec<u64>,
}

/// The firmware's stack in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stack {
    /// Used at the deepest until the known answer was reproduced.
    pub boot: usize,
    /// Used at the deepest from then on.
    pub inference: usize,
    /// There is in all.
    pub size: usize,
}

/// Why there is no [`Firmware`] or no [`Report`].
#[derive(Debug, Error)]
pub enum QemuError {
    /// A program of `tests/support` cannot be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The firmware did not build.
    #[error("building the firmware failed:\n{0}")]
    Build(String),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The run failed, by a report of the firmware or because QEMU did.
    #[error("{0}")]
    Run(String),
    /// The runner's output is not what this library expects.
    #[error("qemu-runner printed something else than a report: {0}")]
    Output(#[from] serde_json::Error),
}

/// An ELF file of the firmware for a machine, with the model in it, and what replaces that, if anything.
#[derive(Clone, Debug)]
pub struct Firmware {
    machine: Machine,
    elf: PathBuf,
    blob: Option<PathBuf>,
}

impl Firmware {
    /// Builds the firmware for `machine` in release around the committed model.
    ///
    /// # Errors
    ///
    /// [`QemuError::Build`] if a tool is missing or the build fails.
    pub fn build(machine: Machine) -> Result<Self, QemuError> {
        let mut command = support("firmware-build");
        command.args([machine.board(), machine.target()]).env_remove("MODEL_BLOB");
        let output = output(&mut command)?;
        if !output.status.success() {
            return Err(QemuError::Build(text(&output.stderr)));
        }
        let elf = text(&output.stdout).into();
        Ok(Self { machine, elf, blob: None })
    }

    /// The same firmware with the blob in a file flashed alone, in the place of the committed one.
    pub fn with_blob(&self, blob: &Path) -> Self {
        Self { blob: Some(blob.into()), ..self.clone() }
    }

    /// Classifies `images`, each of the model's shape.
    ///
    /// # Errors
    ///
    /// [`QemuError::Run`] with the message of the firmware or of QEMU.
    pub fn classify(&self, options: Options, images: &[impl AsRef<[u8]>]) -> Result<Report, QemuError> {
        let folder = tempfile::tempdir().map_err(file_error(&std::env::temp_dir()))?;
        let file = folder.path().join("images.rgb");
        let bytes: Vec<u8> = images.iter().flat_map(AsRef::as_ref).copied().collect();
        fs::write(&file, bytes).map_err(file_error(&file))?;
        self.classify_file(options, &file)
    }

    /// Like [`classify`](Self::classify), with the images in a file, which may be malformed or missing.
    ///
    /// # Errors
    ///
    /// [`QemuError::Run`] with the message of the firmware or of QEMU.
    pub fn classify_file(&self, options: Options, images: &Path) -> Result<Report, QemuError> {
        let mut command = support("qemu-runner");
        command.arg(&self.elf).args(["--json", "--machine", self.machine.argument(), "--raw"]).arg(images);
        if let Some(blob) = &self.blob {
            command.arg("--blob").arg(blob);
        }
        if options.profile {
            command.arg("--profile");
        }
        if let Some(len) = options.arena_len {
            command.args(["--arena", &len.to_string()]);
        }
        let output = output(&mut command)?;
        if !output.status.success() {
            return Err(QemuError::Run(text(&output.stderr)));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The firmware for a machine around the committed model; each is built once.
///
/// # Panics
///
/// If a build fails.
pub fn firmware(machine: Machine) -> &'static Firmware {
    static FIRMWARE: LazyLock<[Firmware; Machine::ALL.len()]> = LazyLock::new(|| {
        Machine::ALL.map(|machine| Firmware::build(machine).unwrap_or_else(|error| panic!("{error}")))
    });

    &FIRMWARE[machine as usize]
}

/// Does `work` for every machine, for all at the same time.
///
/// # Panics
///
/// If the work of one panics.
pub fn on_all_machines<T: Send>(work: impl Fn(Machine) -> T + Sync) -> [T; Machine::ALL.len()] {
    let work = &work;
    thread::scope(|scope| {
        let threads = Machine::ALL.map(|machine| scope.spawn(move || work(machine)));
        threads.map(|thread| thread.join().expect("each machine does its work"))
    })
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn support(program: &str) -> Command {
    Command::new(root().join("tests/support").join(program))
}

fn output(command: &mut Command) -> Result<Output, QemuError> {
    command.output().map_err(|error| QemuError::Start { program: command.get_program().into(), error })
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> QemuError + use<> {
    let path = path.to_owned();
    |error| QemuError::File { path, error }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
