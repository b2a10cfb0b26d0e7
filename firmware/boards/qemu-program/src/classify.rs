//! Classifies image files of the host.
//!
//! QEMU passes its arguments through semihosting: `classify` or `profile`, the name of a file of raw images
//! and, if wanted, how many bytes of the arena the interpreter gets. What the firmware finds goes back as [`qemu_messages`].

use core::str::Utf8Error;

use firmware::boot::{self, Booted, Identity};
use firmware::profile::StepTimes;
use flash_model::PICTURE_LEN;
use protocol::{Start, TimeUnit};
use qemu_messages::{ImageReport, QemuMessage};
use semihosting::experimental::env;
use semihosting::process::ExitCode;
use shared_model::{Classification, Model};

use crate::records::{RecordFile, RecordsError};
use crate::{COMMAND_LINE_LEN, fail, send, stack};

/// Bytes of an arena: as much as the largest board has for which networks are chosen (`host-trainer fit`); a run may take a part of it.
pub const ARENA_LEN: usize = flash_model::arena_len(576 * 1024);

/// Bytes of a picture of that model and of the arena.
pub const MEMORY_LEN: usize = PICTURE_LEN + ARENA_LEN;

/// What runs the program.
#[derive(Clone, Copy)]
pub struct Machine {
    /// Name of the board.
    pub name: &'static str,
    /// Executed instructions since the start.
    pub instructions: fn() -> u64,
}

/// What to count, the file of images, and how much of the arena to take.
struct Job<'n> {
    profiled: bool,
    file: &'n str,
    arena_len: usize,
}

/// Does the whole job and ends the emulation.
pub fn run(machine: Machine, slot: &mut Option<Model<'static>>, memory: &mut [u8; MEMORY_LEN]) -> ! {
    let arguments = env::args::<COMMAND_LINE_LEN>();
    let job = arguments.as_ref().ok().and_then(|arguments| job(arguments.into_iter()));
    let Some(job) = job else {
        fail(format_args!(
            "the arguments must be `classify` or `profile`, FILE and, if wanted, bytes of arena up to {ARENA_LEN}, \
             from -semihosting-config arg="
        ));
    };
    boot(machine, &job, slot, &mut memory[..PICTURE_LEN + job.arena_len]);
    ExitCode::SUCCESS.exit_process()
}

/// The words of the command line, if they make sense.
fn job<'n>(words: impl Iterator<Item = Result<&'n str, Utf8Error>>) -> Option<Job<'n>> {
    let mut words = words.map_while(Result::ok);
    let profiled = match words.next()? {
        "classify" => false,
        "profile" => true,
        _ => return None,
    };
    let file = words.next()?;
    let arena_len = words.next().map_or(Some(ARENA_LEN), |len| len.parse().ok())?;
    (arena_len <= ARENA_LEN).then_some(Job { profiled, file, arena_len })
}

/// The firmware's job: boot, classify, report.
fn boot(machine: Machine, job: &Job<'_>, slot: &mut Option<Model<'static>>, memory: &mut [u8]) {
    let booted = boot::boot(flash_model::region(), slot, memory);
    let mut booted = booted.unwrap_or_else(|error| fail(error));
    send(&QemuMessage::Stack(stack::used_after(0)));
    stack::repaint();
    let identity = Identity {
        board: machine.name,
        camera: "none",
        clocks: &[],
        time_unit: TimeUnit::Instructions,
        start: Start::POWER_ON,
    };
    // The names of the kernels would add to the code that `tests/bench` measures.
    let info = booted.device_info(&identity, "");
    send(&QemuMessage::DeviceInfo(info));
    let images = classify_file(machine, &mut booted, job);
    let images = images.unwrap_or_else(|error| fail(format_args!("image file {}: {error}", job.file)));
    send(&QemuMessage::Stack(stack::used_after(images)));
}

/// Classifies every image of the file, reports each, and counts them.
fn classify_file(machine: Machine, booted: &mut Booted<'_, '_>, job: &Job<'_>) -> Result<u32, RecordsError> {
    let mut file = RecordFile::open(job.file, booted.picture.len())?;
    let mut images = 0;
    while let Some(index) = file.next(booted.picture)? {
        let (classification, instructions) = classify(machine, booted, job.profiled);
        send(&QemuMessage::Image(ImageReport {
            index,
            class: classification.class as u8,
            label: booted.model.label(classification.class),
            logits: classification.logits.iter().copied().collect(),
            instructions,
        }));
        images += 1;
    }
    Ok(images)
}

/// The classification of the picture in memory and the instructions that it took.
fn classify(machine: Machine, booted: &mut Booted<'_, '_>, profiled: bool) -> (Classification, u64) {
    let (interpreter, picture) = (&mut booted.interpreter, &*booted.picture);
    let start = (machine.instructions)();
    let (classification, instructions) = if profiled {
        let mut times = StepTimes::new(machine.instructions);
        let classification = interpreter.classify_with(picture, &mut times);
        let instructions = (machine.instructions)() - start;
        for &instructions in times.steps() {
            send(&QemuMessage::Step { instructions });
        }
        (classification, instructions)
    } else {
        let classification = interpreter.classify(picture);
        (classification, (machine.instructions)() - start)
    };
    let classification = classification.expect("the boot made room for a picture of the model's shape");
    (classification, instructions)
}
