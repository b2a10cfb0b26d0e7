#![no_std]
#![deny(missing_docs)]
//! What the boards with a camera have in common: the serial port over USB, and the way from boot to frames. A board adds
//! clocks, pins and DMA.

mod usb;

use embassy_time::{Delay, Instant, Timer};
use firmware::boot::{BootError, Identity, boot};
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Method, Pipeline};
use firmware::report::{Log, Report, Serial};
use firmware::watchdog::Watchdog;
use flash_model::{LEAST_ARENA_LEN, PICTURE_LEN};
use protocol::{BootFailure, Message, ResetCause, Start, TimeUnit};
use shared_model::Model;
use shared_model::graph::List;
use static_cell::ConstStaticCell;

pub use usb::{PACKET_LEN, UsbSerial};

/// Bytes of working memory that the model which is built in needs at least: a board with less does not build.
pub const LEAST_MEMORY_LEN: usize = PICTURE_LEN + LEAST_ARENA_LEN;
/// A message that the USB port has not taken after so long is dropped.
const SERIAL_LIMIT_MS: u32 = 100;
/// Weight of the newest frame, in 256ths: the verdict follows a change of scene within about three frames.
const SMOOTHING_WEIGHT: u8 = 96;
/// How often a board that must not classify says so.
const FAILURE_SECONDS: u64 = 2;
/// How often, and how long after one another, a board says that it crashed before it boots again: until a computer has found the
/// serial port, even if each boot ends in a crash.
const CRASH_REPORTS: u32 = 10;
const CRASH_PAUSE_MS: u64 = 500;

/// The watchdog's time: several of the camera's longest back-offs and initializations, and just below the longest
/// that the watchdog of an RP2350 can count (16.7 s) and that of an STM32H743 with a prescaler of 128 (16.4 s).
pub const WATCHDOG_SECONDS: u32 = 16;

/// What a board brings.
pub struct Hardware<S, W> {
    /// Name of the board.
    pub board: &'static str,
    /// Name of the camera.
    pub camera: &'static str,
    /// What the chip says about its last reset.
    pub reset_cause: ResetCause,
    /// The camera.
    pub source: S,
    /// Working memory for a picture and an inference: the more, the faster.
    pub memory: &'static mut [u8],
    /// Two buffers, each of which holds a frame.
    pub frames: [&'static mut [u8]; 2],
    /// Starts the watchdog, as soon as the board is known to compute correctly.
    pub start_watchdog: W,
}

/// Boots and classifies frames for ever; call it once. A board whose model does not pass says why, for ever, and has no
/// watchdog.
///
/// # Panics
///
/// The second time.
pub async fn run<W: Watchdog>(hardware: Hardware<impl FrameSource, impl FnOnce() -> W>, usb: &'static UsbSerial) -> ! {
    static MODEL: ConstStaticCell<Option<Model<'static>>> = ConstStaticCell::new(None);

    let mut serial = Serial::new(usb.writer(), Delay, SERIAL_LIMIT_MS, || usb.command());
    let crash = crash::take().unwrap_or_default();
    let cause = if crash.is_empty() { hardware.reset_cause } else { ResetCause::Software };
    let start = Start { cause, crash: &crash };
    if !crash.is_empty() {
        for _ in 0..CRASH_REPORTS {
            serial.report(&Message::Start(start)).await;
            Timer::after_millis(CRASH_PAUSE_MS).await;
        }
    }
    let booted = match boot(flash_model::region(), MODEL.take(), hardware.memory) {
        Ok(booted) => booted,
        Err(error) => repeat_failure(&error, (Log::new(List::EMPTY), serial)).await,
    };
    let log = Log::new(booted.model.graph().labels);
    let mut pipeline = Pipeline::new(
        Identity { board: hardware.board, camera: hardware.camera, time_unit: TimeUnit::Microseconds, start },
        booted,
        Supervisor::new(hardware.source, Delay, Policy::default()),
        Method::Exponential { weight: SMOOTHING_WEIGHT },
        (log, serial),
        || Instant::now().as_micros(),
    );
    let [one, other] = hardware.frames;
    let mut watchdog = (hardware.start_watchdog)();
    pipeline.run(one, other, &mut watchdog).await
}

/// Says why the board does not classify, to whoever comes.
async fn repeat_failure(error: &BootError, mut report: impl Report) -> ! {
    let text = error.text();
    let failure = BootFailure { code: error.code(), text: &text };
    loop {
        report.report(&Message::BootFailure(failure)).await;
        Timer::after_secs(FAILURE_SECONDS).await;
    }
}
