//! Measures an inference of the firmware on every emulated machine and compares it with CMSIS-NN.
//!
//! `tests/bench` builds the firmware and starts this.

mod code_size;
mod cycles;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use qemu_runner::images::{self, ImagesJob, ImagesReport};
use qemu_runner::qemu::{Board, Machine};
use qemu_runner::{Error, of_file, picture};
use serde_json::json;
use shared_model::{AlignedBytes, Interpreter, Model};

use code_size::CodeSize;

/// Bytes of arena in which the fastest plan of the committed model fits.
const FAST_ARENA: usize = 48 * 1024;
/// Bytes of arena for the smallest plan.
const LEAN_ARENA: usize = 20 * 1024;

/// The picture that is classified unless another is named.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/samples/deer.png");

/// Counts what one inference takes in QEMU on a Cortex-M4, -M7, -M33, -M3, -M55 and -M0+ and on a 32-bit RISC-V, next to CMSIS-NN.
///
/// Each machine runs twice: with an arena of 48 KiB (fast) and of 20 KiB (lean). Instructions are counted under
/// `-icount shift=0`, which every run tries on a loop of known length first. They are no cycles. The run fails
/// if the logits are not those that the host computes. The code for the Cortex-M0+ runs on a Cortex-M3, since QEMU has no such
/// machine with an M0+: an instruction is counted as one on either.
///
/// The environment variable MODEL_BLOB names another model than data/models/vgg3-full.blob.
#[derive(Parser)]
#[command(override_usage = "tests/bench [--cycles] [--json] [PICTURE]")]
struct Arguments {
    /// The firmware for Cortex-M4 and -M7
    #[arg(long, value_name = "ELF", hide = true)]
    thumbv7em: PathBuf,
    /// The firmware for Cortex-M33
    #[arg(long, value_name = "ELF", hide = true)]
    thumbv8m: PathBuf,
    /// The firmware for Cortex-M3
    #[arg(long, value_name = "ELF", hide = true)]
    thumbv7m: PathBuf,
    /// The firmware for Cortex-M55
    #[arg(long, value_name = "ELF", hide = true)]
    helium: PathBuf,
    /// The firmware for Cortex-M0+
    #[arg(long, value_name = "ELF", hide = true)]
    thumbv6m: PathBuf,
    /// The firmware for RISC-V
    #[arg(long, value_name = "ELF", hide = true)]
    riscv32imac: PathBuf,
    /// The model that the firmware holds
    #[arg(long, hide = true)]
    blob: PathBuf,
    /// PNG or JPEG picture to classify [default: data/samples/deer.png]
    #[arg(default_value = SAMPLE, hide_default_value = true)]
    picture: PathBuf,
    /// Print the functions of an inference with the cycles that a Cortex-M4 would take for them, modelled
    #[arg(long)]
    cycles: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
}

/// The figures of a machine in both modes.
struct Bench {
    machine: Machine,
    code: CodeSize,
    fast: Measurement,
    lean: Measurement,
}

/// What one inference takes.
struct Measurement {
    report: ImagesReport,
    instructions: u64,
    /// Of each step, in another run, since the profiling takes some instructions as well.
    steps: Vec<u64>,
}

fn main() -> ExitCode {
    qemu_runner::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let file = &arguments.blob;
    let blob = AlignedBytes::from(fs::read(file).map_err(of_file(file))?.as_slice());
    let model = Model::load(&blob).map_err(of_file(file))?;

    let folder = tempfile::tempdir()?;
    let pictures = std::slice::from_ref(&arguments.picture);
    let image = picture::collect(pictures, model.input_shape(), folder.path())?;
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena)?;
    let expected = interpreter.classify(&fs::read(&image)?)?.logits;
    let bench = |machine, elf: &PathBuf| -> Result<_, Error> {
        let measure = |arena_len| measure(elf, machine, arena_len, &image, &model, &expected);
        let bench = Bench { machine, code: CodeSize::of(elf)?, fast: measure(FAST_ARENA)?, lean: measure(LEAN_ARENA)? };
        table::print(&model, &bench);
        let figures = |measurement: &Measurement| {
            json!({
                "instructions": measurement.instructions,
                "activation_bytes": measurement.report.device.arena_len,
                "code_bytes": bench.code.inference,
                "stack_bytes": measurement.report.stack.high_water(),
            })
        };
        Ok(json!({"fast": figures(&bench.fast), "lean": figures(&bench.lean)}))
    };
    let report = json!({
        "cortex-m4": bench(Machine::M4, &arguments.thumbv7em)?,
        "cortex-m7": bench(Machine::M7, &arguments.thumbv7em)?,
        "cortex-m33": bench(Machine::M33, &arguments.thumbv8m)?,
        "cortex-m3": bench(Machine::M3, &arguments.thumbv7m)?,
        "cortex-m55": bench(Machine::M55, &arguments.helium)?,
        "cortex-m0plus": bench(Machine::M0plus, &arguments.thumbv6m)?,
        "rv32imac": bench(Machine::Rv32imac, &arguments.riscv32imac)?,
    });
    table::print_legend();
    if arguments.cycles {
        for (mode, arena_len) in [("fast", FAST_ARENA), ("lean", LEAN_ARENA)] {
            let functions = cycles::by_function(&arguments.thumbv7em, arena_len, &image)?;
            table::print_cycles(mode, &functions);
        }
    }
    if arguments.json {
        println!("{report}");
    }
    Ok(())
}

/// Runs the firmware `elf` once without a profile and once with one.
///
/// # Errors
///
/// If a run fails, does not count right, has another model or gives other logits than `expected`.
fn measure(
    elf: &Path,
    machine: Machine,
    arena_len: usize,
    image: &Path,
    model: &Model<'_>,
    expected: &[i32],
) -> Result<Measurement, Error> {
    let name = machine.name();
    let run = |profile| -> Result<_, Error> {
        let board = Board { elf, machine, blob: None };
        let job = ImagesJob { board, profile, arena_len: Some(arena_len), images: image, plugin: None };
        let mut report = images::run(&job)?;
        let (found, crc32) = (report.device.crc32, model.crc32());
        if found != crc32 {
            return Err(format!("{name}: the firmware holds the model {found:08x}, the blob is {crc32:08x}").into());
        }
        let count = report.images.len();
        let Some(record) = report.images.pop().filter(|_| count == 1) else {
            return Err(format!("{name}: {count} records of one image").into());
        };
        if record.logits != expected {
            let logits = record.logits;
            return Err(format!("{name}: logits {logits:?}, but the host computes {expected:?}").into());
        }
        Ok((report, record))
    };
    let (report, record) = run(false)?;
    Ok(Measurement { report, instructions: record.instructions, steps: run(true)?.1.steps })
}
