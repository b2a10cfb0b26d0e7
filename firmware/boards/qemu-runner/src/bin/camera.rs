//! Runs the camera firmware of `qemu-mps2` in QEMU and shows what comes out of its serial port, or lends the port to another
//! program.
//!
//! Cargo starts it as the runner of that firmware.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use protocol::{FrameReport, Message, StageTimes, Verdict};
use qemu_runner::camera::{self, Camera, CameraJob, CameraReport};
use qemu_runner::qemu::{Board, Machine};
use qemu_runner::{Error, of_file, picture};

/// Shows pictures to a modelled camera on an emulated Cortex-M, which classifies what it sees.
///
/// The camera's registers are modelled; driver, reduction, network and serial reports are the boards' own. Times are
/// instructions, counted by the emulated SysTick; those of a capture contain the model's own.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release --bin camera                                     the sample pictures, once
  cargo run --release --bin camera -- cat.jpg --camera ov2640          any picture, another camera
  cargo run --release --bin camera -- --frames 500 --faults 1          with random faults of the camera
  cargo run --release --bin camera -- --frames 0 --port 5555           for `cargo run -p monitor -- tcp:127.0.0.1:5555`
  … --frames 0 --port 5555 --flash board.flash                         for `… deploy tcp:127.0.0.1:5555 MODEL.blob`
  … --frames 0 --port 5555 --camera ov2640 --faults NoVsync            for `… tcp:127.0.0.1:5555 --diagnose`")]
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
    /// A model's blob that is flashed alone, in the place of the one that was built in
    #[arg(long, value_name = "FILE")]
    blob: Option<PathBuf>,
    /// The camera to model [default: ov2640 on the m7, arducam-128 on the others]
    #[arg(long, value_enum)]
    camera: Option<Camera>,
    /// Frames to take, missed ones among them; 0 is without end [default: every picture once]
    #[arg(long)]
    frames: Option<u32>,
    /// Let the camera fail: at random, as a number decides, or always, as a name says; a wrong one tells all names.
    /// Beside them there are TooEarly (ArduCAM Mega), WeakSupply, OpenLine, CrossedLines, ReversedLines and LateByte (OV2640)
    #[arg(long, value_name = "SEED|NAME")]
    faults: Option<String>,
    /// Keep the board's flash in this file, as a board keeps it without power; it is made if there is none
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// Cut the power after so many writes and erases of the flash: 12-Torn, or Before, Weak or After
    #[arg(long, value_name = "NUMBER-KIND")]
    cut: Option<String>,
    /// Offer the serial port at this TCP port of 127.0.0.1, and start when somebody connects
    #[arg(long)]
    port: Option<u16>,
}

fn main() -> ExitCode {
    qemu_runner::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let camera = arguments.camera.unwrap_or(match arguments.machine {
        Machine::M7 => Camera::Ov2640,
        Machine::M4 | Machine::M33 | Machine::M3 | Machine::M55 | Machine::M0plus | Machine::Rv32imac => {
            Camera::Arducam128
        }
    });
    let (width, height) = camera.size();
    let folder = tempfile::tempdir()?;
    let frames = match &arguments.raw {
        Some(file) => file.clone(),
        None if arguments.pictures.is_empty() => picture::render(&samples()?, camera.size(), folder.path())?,
        None => picture::render(&arguments.pictures, camera.size(), folder.path())?,
    };
    let len = std::fs::metadata(&frames).map_err(of_file(&frames))?.len();
    let job = CameraJob {
        board: Board { elf: &arguments.elf, machine: arguments.machine, blob: arguments.blob.as_deref() },
        camera,
        frames: &frames,
        attempts: match arguments.frames {
            Some(count) => count,
            None => u32::try_from(len / u64::from(2 * width * height))?,
        },
        faults: arguments.faults.as_deref(),
        flash: arguments.flash.as_deref(),
        cut: arguments.cut.as_deref(),
    };
    if let Some(port) = arguments.port {
        eprintln!("waiting for `cargo run -p monitor -- tcp:127.0.0.1:{port}`");
        camera::serve(&job, port)
    } else {
        let mut labels = Vec::new();
        let report = camera::run(&job, false, |message| print(message, &mut labels))?;
        print_summary(&report);
        Ok(())
    }
}

/// The pictures of data/samples that are no copy of another one.
fn samples() -> Result<Vec<PathBuf>, Error> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/samples"));
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(of_file(&folder))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !stem.contains('-') {
            samples.push(path);
        }
    }
    samples.sort();
    Ok(samples)
}

fn print(message: &Message<'_>, labels: &mut Vec<String>) {
    match message {
        Message::DeviceInfo(info) => println!(
            "{} with {}: model {} (CRC-32 {:08x}), {} bytes of flash, {} bytes of arena; its known answer is reproduced",
            info.board, info.camera, info.model, info.crc32, info.blob_len, info.arena_len
        ),
        Message::Label(label) => labels.push(label.text.to_owned()),
        Message::Frame(frame) => print_frame(frame, labels),
        Message::Fault(fault) => println!("frame {}: {}", fault.counter, fault.text),
        Message::BootFailure(_)
        | Message::Chunk(_)
        | Message::Acknowledgement(_)
        | Message::Unsupported { .. }
        | Message::FullFrame(_)
        | Message::FrameMarks(_)
        | Message::Start(_)
        | Message::Finding(_)
        | Message::Models(_)
        | Message::Setting(_) => {}
    }
}

/// Class `i` is called `labels[i]`.
fn print_frame(frame: &FrameReport, labels: &[String]) {
    let candidates = frame.top.iter().map(|candidate| {
        let label = labels.get(usize::from(candidate.class));
        let percent = u32::from(candidate.probability) * 100 / u32::from(u16::MAX);
        format!("{} {percent} %", label.map_or("?", String::as_str))
    });
    let candidates = candidates.collect::<Vec<_>>().join(", ");
    let doubt = match frame.verdict {
        Verdict::NotSure => "not sure: ",
        Verdict::Class { .. } => "",
    };
    println!("frame {}: {doubt}{candidates}", frame.counter);
}

/// What the stages of a frame took, and what was counted.
fn print_summary(report: &CameraReport) {
    let CameraReport { frames, totals, .. } = report;
    println!("\nkernels: {}", report.device.plan);
    println!("\nstage        instructions, median of {} frames", frames.len());
    let stages = |StageTimes { capture, preprocess, classify, report }| [capture, preprocess, classify, report];
    for (stage, name) in ["capture", "preprocess", "classify", "report"].iter().enumerate() {
        let mut times: Vec<u64> = frames.iter().map(|frame| stages(frame.times)[stage]).collect();
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("{name:10} {median:14}");
    }
    println!("\n{} frames, {} faults", totals.completed, totals.faults);
    if let Some(stack) = report.stack.last() {
        println!("{} of {} bytes of stack used after boot", stack.used, stack.size);
    }
}
