//! Measures an inference of the firmware on every emulated machine, in arenas of many sizes, and compares it with CMSIS-NN.
//!
//! `tests/bench` builds the firmware and starts this.

mod chart;
mod code_size;
mod cycles;
mod sweep;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use qemu_runner::images::{self, ImagesJob, ImagesReport};
use qemu_runner::qemu::{Board, ImageRecord, Machine};
use qemu_runner::{Error, of_file, picture};
use serde_json::json;
use shared_model::{AlignedBytes, Backend, Interpreter, Model};

use code_size::CodeSize;
use sweep::Sweep;

/// Bytes of arena in which the fastest plan of the committed model fits.
const FAST_ARENA: usize = 48 * 1024;
/// Bytes of arena for the smallest plan.
const LEAN_ARENA: usize = 20 * 1024;

/// The picture that is classified unless another is named.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/samples/deer.png");

/// Counts what one inference takes in QEMU on a Cortex-M4, -M7, -M33, -M3, -M55 and -M0+ and on a 32-bit RISC-V, next to CMSIS-NN.
///
/// Each machine runs with an arena of 48 KiB (fast) and of 20 KiB (lean), and for the JSON object and the chart with arenas from 16
/// to 96 KiB. Instructions are counted under
/// `-icount shift=0`, which every run tries on a loop of known length first. They are no cycles. The run fails
/// if the logits are not those that the host computes. The code for the Cortex-M0+ runs on a Cortex-M3, since QEMU has no such
/// machine with an M0+: an instruction is counted as one on either.
///
/// The environment variable MODEL_BLOB names another model than data/models/vgg3-full.blob.
#[derive(Parser)]
#[command(override_usage = "tests/bench [--cycles] [--json] [--chart SVG] [PICTURE]")]
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
    /// Print the functions of an inference with the cycles that a Cortex-M4, -M3 and -M0+ would take for them, modelled
    #[arg(long)]
    cycles: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Draw the instructions over the bytes of arena
    #[arg(long, value_name = "SVG")]
    chart: Option<PathBuf>,
}

/// A machine, and what it is measured with.
struct Subject<'a> {
    /// Its core, in lower case.
    core: &'static str,
    machine: Machine,
    elf: &'a Path,
    image: &'a Path,
    model: &'a Model<'a>,
    /// The logits of the image.
    expected: &'a [i32],
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
    let subjects = [
        ("cortex-m4", Machine::M4, &arguments.thumbv7em),
        ("cortex-m7", Machine::M7, &arguments.thumbv7em),
        ("cortex-m33", Machine::M33, &arguments.thumbv8m),
        ("cortex-m3", Machine::M3, &arguments.thumbv7m),
        ("cortex-m55", Machine::M55, &arguments.helium),
        ("cortex-m0plus", Machine::M0plus, &arguments.thumbv6m),
        ("rv32imac", Machine::Rv32imac, &arguments.riscv32imac),
    ];
    let (image, model, expected) = (&image, &model, &expected);
    let subjects = subjects.map(|(core, machine, elf)| Subject { core, machine, elf, image, model, expected });
    let mut report = serde_json::Map::new();
    for subject in &subjects {
        let bench = bench(subject)?;
        table::print(model, &bench);
        let figures = |measurement: &Measurement| {
            json!({
                "instructions": measurement.instructions,
                "activation_bytes": measurement.report.device.arena_len,
                "code_bytes": bench.code.inference,
                "stack_bytes": measurement.report.stack.high_water(),
            })
        };
        report.insert(subject.core.to_owned(), json!({"fast": figures(&bench.fast), "lean": figures(&bench.lean)}));
    }
    table::print_legend();
    if arguments.cycles {
        for core in cycles::Core::ALL {
            let elf = subjects.iter().find(|subject| subject.machine == core.machine()).map(|subject| subject.elf);
            let elf = elf.expect("every core that is modelled is measured");
            for (mode, arena_len) in [("fast", FAST_ARENA), ("lean", LEAN_ARENA)] {
                table::print_cycles(core, mode, &cycles::by_function(elf, core, arena_len, image)?);
            }
        }
    }
    if arguments.json || arguments.chart.is_some() {
        let sweeps = Sweep::measure_all(&subjects)?;
        if let Some(file) = &arguments.chart {
            chart::draw(&sweeps, |machine| table::cmsis_nn(model, machine), file)?;
        }
        for sweep in &sweeps {
            report[sweep.core]["sweep"] = sweep.to_json();
        }
    }
    if arguments.json {
        println!("{}", serde_json::Value::from(report));
    }
    Ok(())
}

/// Both modes of a machine.
fn bench(subject: &Subject<'_>) -> Result<Bench, Error> {
    Ok(Bench {
        machine: subject.machine,
        code: CodeSize::of(subject.elf)?,
        fast: subject.measure(FAST_ARENA)?,
        lean: subject.measure(LEAN_ARENA)?,
    })
}

impl Subject<'_> {
    /// Runs the firmware once without a profile and once with one.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    fn measure(&self, arena_len: usize) -> Result<Measurement, Error> {
        let (report, record) = self.run(arena_len, false)?;
        Ok(Measurement { report, instructions: record.instructions, steps: self.run(arena_len, true)?.1.steps })
    }

    /// Runs the firmware once.
    ///
    /// # Errors
    ///
    /// If the run fails, does not count right, has another model or gives other logits than the host.
    fn run(&self, arena_len: usize, profile: bool) -> Result<(ImagesReport, ImageRecord), Error> {
        let Self { machine, elf, image, model, expected, .. } = *self;
        let name = machine.name();
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
    }

    /// The kernels of its core.
    fn backend(&self) -> &'static Backend {
        Backend::of_core(self.core).expect("every core that is measured has kernels")
    }
}
