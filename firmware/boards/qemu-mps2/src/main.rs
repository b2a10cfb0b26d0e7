//! Classifies images of the host on an emulated Cortex-M4, -M7 or -M33.
//!
//! QEMU passes its arguments through semihosting: `classify` or `profile`, the name of a file of raw images
//! and, if wanted, how many bytes of the arena the interpreter gets. What the firmware finds goes back as [`qemu_messages`].
#![no_std]
#![no_main]

use core::str::Utf8Error;

use cortex_m as _;
use cortex_m_rt::entry;
use firmware::boot::{self, Booted, Identity};
use firmware::profile::StepTimes;
use protocol::{Start, TimeUnit};
use qemu_messages::{ImageReport, QemuMessage};
use qemu_mps2::host::{self, COMMAND_LINE_LEN};
use qemu_mps2::model::{ARENA_LEN, MEMORY_LEN, PICTURE_LEN};
use qemu_mps2::records::{RecordFile, RecordsError};
use qemu_mps2::{clock, stack};
use semihosting::experimental::env;
use semihosting::process::ExitCode;
use shared_model::{Classification, Model};

/// What to count, the file of images, and how much of the arena to take.
struct Job<'n> {
    profiled: bool,
    file: &'n str,
    arena_len: usize,
}

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; MEMORY_LEN] = [0; MEMORY_LEN];
    static mut MODEL: Option<Model<'static>> = None;

    host::begin();
    let arguments = env::args::<COMMAND_LINE_LEN>();
    let job = arguments.as_ref().ok().and_then(|arguments| job(arguments.into_iter()));
    let Some(job) = job else {
        host::fail(format_args!(
            "the arguments must be `classify` or `profile`, FILE and, if wanted, bytes of arena up to {ARENA_LEN}, \
             from -semihosting-config arg="
        ));
    };
    run(&job, MODEL, &mut MEMORY[..PICTURE_LEN + job.arena_len]);
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

/// The firmware's whole job: boot, classify, report.
fn run(job: &Job<'_>, slot: &mut Option<Model<'static>>, memory: &mut [u8]) {
    let booted = boot::boot(flash_model::region(), slot, memory);
    let mut booted = booted.unwrap_or_else(|error| host::fail(error));
    host::send(&QemuMessage::Stack(stack::used_after(0)));
    stack::repaint();
    let identity = Identity {
        board: "qemu-mps2",
        camera: "none",
        clocks: &[],
        time_unit: TimeUnit::Instructions,
        start: Start::POWER_ON,
    };
    // The names of the kernels would add to the code that `tests/bench` measures.
    let info = booted.device_info(&identity, "");
    host::send(&QemuMessage::DeviceInfo(info));
    let images = classify_file(&mut booted, job);
    let images = images.unwrap_or_else(|error| host::fail(format_args!("image file {}: {error}", job.file)));
    host::send(&QemuMessage::Stack(stack::used_after(images)));
}

/// Classifies every image of the file, reports each, and counts them.
fn classify_file(booted: &mut Booted<'_, '_>, job: &Job<'_>) -> Result<u32, RecordsError> {
    let mut file = RecordFile::open(job.file, booted.picture.len())?;
    let mut images = 0;
    while let Some(index) = file.next(booted.picture)? {
        let (classification, instructions) = classify(booted, job.profiled);
        host::send(&QemuMessage::Image(ImageReport {
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
fn classify(booted: &mut Booted<'_, '_>, profiled: bool) -> (Classification, u64) {
    let (interpreter, picture) = (&mut booted.interpreter, &*booted.picture);
    let start = clock::instructions();
    let (classification, instructions) = if profiled {
        let mut times = StepTimes::new(clock::instructions);
        let classification = interpreter.classify_with(picture, &mut times);
        let instructions = clock::instructions() - start;
        for &instructions in times.steps() {
            host::send(&QemuMessage::Step { instructions });
        }
        (classification, instructions)
    } else {
        let classification = interpreter.classify(picture);
        (classification, clock::instructions() - start)
    };
    let classification = classification.expect("the boot made room for a picture of the model's shape");
    (classification, instructions)
}
