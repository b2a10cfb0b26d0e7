//! Runs the firmware of `qemu-mps2` in QEMU and decodes what it reports.
//!
//! Cargo starts it as the runner of that board, `tests/src/qemu.rs` for the tests.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use qemu_runner::images::{self, ImagesJob, ImagesReport};
use qemu_runner::qemu::{Board, Machine};
use qemu_runner::{Error, picture};

/// Classifies pictures on an emulated Cortex-M.
#[derive(Parser)]
struct Arguments {
    /// The firmware's ELF file; `cargo run` passes it
    elf: PathBuf,
    /// PNG or JPEG pictures of any size
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/samples/deer.png"))]
    pictures: Vec<PathBuf>,
    /// A file of raw images of the model's shape, bytes [h, w, c] each, passed on as it is instead of pictures
    #[arg(long, value_name = "FILE", conflicts_with = "pictures")]
    raw: Option<PathBuf>,
    /// The machine to emulate
    #[arg(long, value_enum, default_value = "m4")]
    machine: Machine,
    /// A model's blob that is flashed alone, in the place of the one that was built in
    #[arg(long, value_name = "FILE")]
    blob: Option<PathBuf>,
    /// Bytes of arena for the interpreter, which takes the fastest plan that fits; all that there is unless given
    #[arg(long, value_name = "BYTES")]
    arena: Option<usize>,
    /// Count the instructions of each step, which adds a few to the total
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    qemu_runner::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let board = Board { elf: &arguments.elf, machine: arguments.machine, blob: arguments.blob.as_deref() };
    let folder = tempfile::tempdir()?;
    let file = match &arguments.raw {
        Some(file) => file.clone(),
        None => {
            let shape = images::shape(board)?;
            picture::collect(&arguments.pictures, shape, folder.path())?
        }
    };
    let report = images::run(&ImagesJob {
        board,
        profile: arguments.profile,
        arena_len: arguments.arena,
        images: &file,
        plugin: None,
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        let names = match arguments.raw {
            Some(_) => &[],
            None => arguments.pictures.as_slice(),
        };
        print(&report, arguments.machine, names);
    }
    Ok(())
}

fn print(report: &ImagesReport, machine: Machine, names: &[PathBuf]) {
    let ImagesReport { device, images, stack, .. } = report;
    println!(
        "{}: {} (CRC-32 {:08x}) takes {} bytes of flash, {} bytes of arena, {} of {} bytes of stack; \
         its known answer is reproduced",
        machine.name(),
        device.model,
        device.crc32,
        device.blob_len,
        device.arena_len,
        stack.high_water(),
        stack.size
    );
    for image in images {
        let name = match names.get(image.index as usize) {
            Some(path) => path.display().to_string(),
            None => format!("image {}", image.index),
        };
        println!("{name}: class {}, {} ({} instructions)", image.class, image.label, image.instructions);
        for (step, instructions) in image.steps.iter().enumerate() {
            println!("  step {step}: {instructions} instructions");
        }
    }
}
