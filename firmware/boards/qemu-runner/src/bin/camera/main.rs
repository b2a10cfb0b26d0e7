//! Runs the camera firmware of `qemu-mps2` in QEMU and shows what comes out of its serial port, or lends the port to another
//! program.
//!
//! Cargo starts it as the runner of that firmware.

mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use protocol::Message;
use qemu_runner::camera::{self, Camera, CameraJob};
use qemu_runner::machine::Machine;
use qemu_runner::picture;

/// Shows pictures to a modelled camera on an emulated Cortex-M, which classifies what it sees.
///
/// The camera's registers are modelled; driver, reduction, network and serial reports are the boards' own. Times are
/// instructions, counted by the emulated SysTick; those of a capture contain the model's own.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release --bin camera                                     the sample pictures, once
  cargo run --release --bin camera -- cat.jpg --camera ov2640          any picture, another camera
  cargo run --release --bin camera -- --frames 500 --faults 1          with random faults of the camera
  cargo run --release --bin camera -- --frames 0 --port 5555           for `cargo run -p monitor -- tcp:127.0.0.1:5555`")]
struct Arguments {
    /// The firmware's ELF file; `cargo run` passes it
    elf: PathBuf,
    /// PNG or JPEG pictures of any size [default: those of data/samples]
    pictures: Vec<PathBuf>,
    /// A file of frames as the camera sends them, big-endian RGB565, instead of pictures
    #[arg(long, value_name = "FILE", conflicts_with = "pictures")]
    raw: Option<PathBuf>,
    /// The machine to emulate
    #[arg(long, value_enum, default_value = "m4")]
    machine: Machine,
    /// The camera to model [default: ov2640 on the m7, arducam-128 on the others]
    #[arg(long, value_enum)]
    camera: Option<Camera>,
    /// Frames to take, missed ones among them; 0 is without end [default: every picture once]
    #[arg(long)]
    frames: Option<u32>,
    /// Let the camera fail at random, as this seed decides
    #[arg(long, value_name = "SEED")]
    faults: Option<u64>,
    /// Offer the serial port at this TCP port of 127.0.0.1, and start when somebody connects
    #[arg(long)]
    port: Option<u16>,
}

fn main() -> ExitCode {
    qemu_runner::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let camera = arguments.camera.unwrap_or(match arguments.machine {
        Machine::M7 => Camera::Ov2640,
        Machine::M4 | Machine::M33 => Camera::Arducam128,
    });
    let (width, height) = camera.size();
    let folder = tempfile::tempdir()?;
    let frames = match &arguments.raw {
        Some(file) => file.clone(),
        None if arguments.pictures.is_empty() => {
            picture::render(&samples()?, width, height, folder.path())?
        }
        None => picture::render(&arguments.pictures, width, height, folder.path())?,
    };
    let job = CameraJob {
        elf: &arguments.elf,
        machine: arguments.machine,
        camera,
        frames: &frames,
        attempts: match arguments.frames {
            Some(count) => count,
            None => picture_count(&frames, camera)?,
        },
        seed: arguments.faults,
    };
    if let Some(port) = arguments.port {
        eprintln!("waiting for `cargo run -p monitor -- tcp:127.0.0.1:{port}`");
        camera::serve(&job, port)?;
    } else {
        let mut labels = Vec::new();
        let report = camera::run(&job, false, |message| print(message, &mut labels))?;
        table::print(&report);
    }
    Ok(())
}

/// The pictures of data/samples that are no copy of another one.
fn samples() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/samples");
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !stem.contains('-') {
            samples.push(path);
        }
    }
    samples.sort();
    Ok(samples)
}

fn picture_count(frames: &PathBuf, camera: Camera) -> Result<u32, Box<dyn Error>> {
    let (width, height) = camera.size();
    let metadata = std::fs::metadata(frames);
    let len = metadata
        .map_err(|error| format!("{}: {error}", frames.display()))?
        .len();
    Ok(u32::try_from(len / u64::from(2 * width * height))?)
}

fn print(message: &Message<'_>, labels: &mut Vec<String>) {
    match message {
        Message::DeviceInfo(info) => println!(
            "{} with {}: model {} (CRC-32 {:08x}), {} bytes of flash, {} bytes of arena; its known answer is reproduced",
            info.board, info.camera, info.model, info.crc32, info.blob_len, info.arena_len
        ),
        Message::Label(label) => labels.push(label.text.to_owned()),
        Message::Frame(frame) => println!("{}", table::frame(frame, labels)),
        Message::Fault(fault) => println!("frame {}: {}", fault.counter, fault.text),
        Message::BootFailure(_)
        | Message::Chunk(_)
        | Message::Acknowledgement(_)
        | Message::Unsupported { .. } => {}
    }
}
