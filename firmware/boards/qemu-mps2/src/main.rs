//! Classifies images of the host on an emulated Cortex-M4, -M7 or -M33.
//!
//! QEMU passes its arguments through semihosting: `classify` or `profile`, the name of a file of raw images
//! and, if wanted, how many bytes of the arena the interpreter gets. What the firmware finds goes back as defmt
//! frames, which `qemu-runner` decodes: its `protocol.rs` must know the text of every message here.
#![no_std]
#![no_main]

use core::str::Utf8Error;

use cortex_m as _;
use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::boot::{self, BootError};
use firmware::profile::LayerTimes;
use qemu_mps2::model::{self, ARENA_LEN};
use qemu_mps2::program::{self, COMMAND_LINE_LEN};
use qemu_mps2::records::{RecordFile, RecordsError};
use qemu_mps2::{clock, stack};
use semihosting::experimental::env;
use shared_model::{Classification, IMAGE_LEN, Image, Interpreter, Model};
use thiserror::Error;

/// Why the firmware gives up.
#[derive(Debug, Error)]
enum Failure<'n> {
    #[error(
        "the arguments must be `classify` or `profile`, FILE and, if wanted, bytes of arena up to {ARENA_LEN}, \
         from -semihosting-config arg="
    )]
    Arguments,
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("image file {name}: {error}")]
    Images { name: &'n str, error: RecordsError },
}

/// What to count, the file of images, and how much of the arena to take.
struct Request<'n> {
    profiled: bool,
    file: &'n str,
    arena_len: usize,
}

#[entry]
fn main() -> ! {
    static mut ARENA: [u8; ARENA_LEN] = [0; ARENA_LEN];
    static mut MODEL: Option<Model<'static>> = None;

    program::begin();
    let arguments = env::args::<COMMAND_LINE_LEN>();
    let request = arguments
        .as_ref()
        .ok()
        .and_then(|arguments| request(arguments.into_iter()));
    program::end(
        request
            .ok_or(Failure::Arguments)
            .and_then(|request| run(&request, MODEL, &mut ARENA[..request.arena_len])),
    )
}

/// The words of the command line, if they make sense.
fn request<'n>(words: impl Iterator<Item = Result<&'n str, Utf8Error>>) -> Option<Request<'n>> {
    let mut words = words.map_while(Result::ok);
    let profiled = match words.next()? {
        "classify" => false,
        "profile" => true,
        _ => return None,
    };
    let file = words.next()?;
    let arena_len = words
        .next()
        .map_or(Some(ARENA_LEN), |len| len.parse().ok())?;
    (arena_len <= ARENA_LEN).then_some(Request {
        profiled,
        file,
        arena_len,
    })
}

/// The firmware's whole job: boot, classify, report.
fn run<'n>(
    request: &Request<'n>,
    slot: &mut Option<Model<'static>>,
    arena: &mut [u8],
) -> Result<(), Failure<'n>> {
    let blob = model::blob();
    let (model, mut interpreter) = boot::boot(blob, slot, arena)?;
    defmt::info!(
        "{=str} is ready: CRC-32 {=u32:08x}, {=usize} bytes of flash, {=usize} bytes of arena, known answer reproduced",
        model.graph().name,
        model.crc32(),
        blob.len(),
        interpreter.plan().arena_len()
    );
    let boot_stack = stack::high_water();
    stack::repaint();
    let name = request.file;
    classify_file(model, &mut interpreter, request)
        .map_err(|error| Failure::Images { name, error })?;
    defmt::info!(
        "done: {=usize} bytes of stack used at boot, {=usize} after it, of {=usize}",
        boot_stack,
        stack::high_water(),
        stack::size()
    );
    Ok(())
}

/// Classifies every image of the file and reports each.
fn classify_file(
    model: &Model<'_>,
    interpreter: &mut Interpreter<'_, '_>,
    request: &Request<'_>,
) -> Result<(), RecordsError> {
    let mut file = RecordFile::open(request.file, IMAGE_LEN)?;
    let mut image = [0; IMAGE_LEN];
    while let Some(index) = file.next(&mut image)? {
        let (classification, instructions) = classify(interpreter, &image, request.profiled);
        let label = model.graph().labels.get(classification.class);
        defmt::info!(
            "image {=u32}: class {=usize} {=str}, logits {=[?]}, {=u64} instructions",
            index,
            classification.class,
            label.copied().unwrap_or_default(),
            classification.logits.as_slice(),
            instructions
        );
    }
    Ok(())
}

/// The classification of `image` and the instructions that it took.
fn classify(
    interpreter: &mut Interpreter<'_, '_>,
    image: &Image,
    profiled: bool,
) -> (Classification, u64) {
    let start = clock::instructions();
    if !profiled {
        let classification = interpreter.classify(image);
        return (classification, clock::instructions() - start);
    }
    let mut times = LayerTimes::new(clock::instructions);
    let classification = interpreter.classify_with(image, &mut times);
    let instructions = clock::instructions() - start;
    for (layer, instructions) in times.layers().iter().enumerate() {
        defmt::info!("layer {=usize}: {=u64} instructions", layer, *instructions);
    }
    (classification, instructions)
}
