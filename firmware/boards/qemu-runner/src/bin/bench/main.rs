//! Measures an inference of the firmware on every emulated machine and compares it with CMSIS-NN.
//!
//! `tests/bench` builds the firmware and starts this.

mod cmsis_nn;
mod code_size;
mod cortex_m4;
mod cycles;
mod measurement;
mod symbols;
mod table;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use qemu_runner::machine::Machine;
use qemu_runner::picture;
use serde::Serialize;
use shared_model::{AlignedBytes, Interpreter, Model};

use code_size::CodeSize;
use measurement::{Expected, Measurement, measure};

/// Bytes of arena in which the fastest plan of the committed model fits.
const FAST_ARENA: usize = 48 * 1024;
/// Bytes of arena for the smallest plan.
const LEAN_ARENA: usize = 20 * 1024;

/// The picture that is classified unless another is named.
const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../data/samples/deer.png"
);

/// Counts what one inference takes in QEMU on a Cortex-M4, -M7 and -M33, next to CMSIS-NN.
///
/// Each machine runs twice: with an arena of 48 KiB (fast) and of 20 KiB (lean). Instructions are counted by the emulated
/// SysTick under `-icount shift=0`, which every run tries on a loop of known length first. They are no cycles. The run fails
/// if the logits are not those that the host computes.
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

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    cortex_m4: Modes,
    cortex_m7: Modes,
    cortex_m33: Modes,
}

#[derive(Serialize)]
struct Modes {
    fast: Figures,
    lean: Figures,
}

#[derive(Serialize)]
struct Figures {
    instructions: u64,
    activation_bytes: u32,
    code_bytes: u64,
    stack_bytes: u32,
}

fn main() -> ExitCode {
    qemu_runner::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let file = &arguments.blob;
    let blob = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let blob = AlignedBytes::from(blob.as_slice());
    let model = Model::load(&blob).map_err(|error| format!("{}: {error}", file.display()))?;

    let folder = tempfile::tempdir()?;
    let pictures = std::slice::from_ref(&arguments.picture);
    let image = picture::collect(pictures, model.input_shape(), folder.path())?;
    let logits = host_logits(&model, &fs::read(&image)?)?;
    let expected = Expected {
        image: &image,
        crc32: model.crc32(),
        logits: &logits,
    };
    let bench = |machine, elf: &PathBuf| -> Result<Bench, Box<dyn Error>> {
        let bench = Bench {
            machine,
            code: CodeSize::of(elf)?,
            fast: measure(elf, machine, FAST_ARENA, &expected)?,
            lean: measure(elf, machine, LEAN_ARENA, &expected)?,
        };
        table::print(&model, &bench);
        Ok(bench)
    };
    let report = Report {
        cortex_m4: bench(Machine::M4, &arguments.thumbv7em)?.into(),
        cortex_m7: bench(Machine::M7, &arguments.thumbv7em)?.into(),
        cortex_m33: bench(Machine::M33, &arguments.thumbv8m)?.into(),
    };
    table::print_legend();
    if arguments.cycles {
        for (mode, arena_len) in [("fast", FAST_ARENA), ("lean", LEAN_ARENA)] {
            let functions = cycles::by_function(&arguments.thumbv7em, arena_len, &image)?;
            table::print_cycles(mode, &functions);
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

fn host_logits(model: &Model<'_>, image: &[u8]) -> Result<Vec<i32>, Box<dyn Error>> {
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(model, &mut arena)?;
    Ok(interpreter.classify(image)?.logits.to_vec())
}

impl From<Bench> for Modes {
    fn from(bench: Bench) -> Self {
        let figures = |measurement: &Measurement| Figures {
            instructions: measurement.instructions,
            activation_bytes: measurement.activation_bytes,
            code_bytes: bench.code.inference,
            stack_bytes: measurement.stack.high_water(),
        };
        Self {
            fast: figures(&bench.fast),
            lean: figures(&bench.lean),
        }
    }
}
