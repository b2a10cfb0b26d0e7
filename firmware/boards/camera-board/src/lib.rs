#![no_std]
#![deny(missing_docs)]
//! What the boards with a camera have in common: the serial port over USB, and the way from boot to frames. A board adds
//! clocks, pins and DMA.

mod settings;
pub mod usb;

use embassy_time::{Delay, Instant, Ticker, Timer};
use embedded_hal::digital::OutputPin;
use firmware::boot::{FAILURE_TEXT_LEN, Identity, boot};
use firmware::camera::{FrameSource, Framed, Supervisor};
use firmware::pipeline::{Buffers, Pipeline};
use firmware::report::{ClassPin, Lines, Log, Report, Serial};
use firmware::watchdog::Watchdog;
use flash_model::{LEAST_ARENA_LEN, PICTURE_LEN};
use heapless::String;
use protocol::{BootFailure, Message, ResetCause, Start, TimeUnit, cut_off};
use shared_model::Model;
use shared_model::graph::List;
use static_cell::ConstStaticCell;
use usb::SERIAL;
use usb_serial::LIMIT_MS;

pub use settings::{PinRule, Port, Settings};

/// Bytes of working memory that the model which is built in needs at least: a board with less does not build.
pub const LEAST_MEMORY_LEN: usize = PICTURE_LEN + LEAST_ARENA_LEN;
/// Codes of failures that `firmware::boot` does not know: the settings name a class that the model does not have, or a region that the
/// camera's frame does not have.
const NO_CLASS: u16 = 100;
const BAD_REGION: u16 = 101;
/// How often a board that must not classify says so.
const FAILURE_SECONDS: u64 = 2;
/// How often, and how long after one another, a board says that it crashed before it boots again: until a computer has found the
/// serial port, even if each boot ends in a crash.
const CRASH_REPORTS: u32 = 10;
const CRASH_PAUSE_MS: u64 = 500;

/// What a board brings.
pub struct Hardware<S, P, W> {
    /// Name of the board.
    pub board: &'static str,
    /// Name of the camera.
    pub camera: &'static str,
    /// Frequencies, each with its name and unit.
    pub clocks: [(&'static str, u32); 2],
    /// What the chip says about its last reset.
    pub reset_cause: ResetCause,
    /// The camera.
    pub source: S,
    /// A pin, low now, for [`Settings::pin`].
    pub pin: P,
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
pub async fn run<W: Watchdog>(
    hardware: Hardware<impl FrameSource, impl OutputPin, impl FnOnce() -> W>,
    settings: Settings,
) -> ! {
    static MODEL: ConstStaticCell<Option<Model<'static>>> = ConstStaticCell::new(None);

    let new_serial = || Serial::new(&SERIAL, Delay, LIMIT_MS, || SERIAL.command());
    let new_lines = |labels| Lines::new(&SERIAL, Delay, LIMIT_MS, labels);
    let port = |labels| match settings.port {
        Port::Messages => (Some(new_serial()), None),
        Port::Lines => (None, Some(new_lines(labels))),
    };
    let crash = crash::take().unwrap_or_default();
    let cause = if crash.is_empty() { hardware.reset_cause } else { ResetCause::Software };
    let start = Start { cause, crash: &crash };
    if !crash.is_empty() {
        let mut port = port(List::EMPTY);
        for _ in 0..CRASH_REPORTS {
            port.report(&Message::Start(start)).await;
            Timer::after_millis(CRASH_PAUSE_MS).await;
        }
    }
    // Says why the board does not classify, for ever, to whoever comes.
    let refuse = async |code: u16, text: &str| -> ! {
        let mut report = (Log::new(List::EMPTY), port(List::EMPTY));
        loop {
            report.report(&Message::BootFailure(BootFailure { code, text })).await;
            Timer::after_secs(FAILURE_SECONDS).await;
        }
    };
    let booted = match boot(flash_model::region(), MODEL.take(), hardware.memory) {
        Ok(booted) => booted,
        Err(error) => refuse(error.code(), &error.text()).await,
    };
    let labels = booted.model.graph().labels;
    let pin =
        settings.pin.map(|rule| ClassPin::new(hardware.pin, labels, rule.class, rule.rise, rule.fall).ok_or(rule));
    let pin = match pin.transpose() {
        Ok(pin) => pin,
        Err(PinRule { class, .. }) => {
            let text: String<FAILURE_TEXT_LEN> = cut_off(format_args!(
                "the settings ask for a pin for the class {class:?}, which this model does not have; it has {labels:?}"
            ));
            refuse(NO_CLASS, &text).await
        }
    };
    let source = match Framed::new(hardware.source, settings.framing) {
        Ok(source) => source,
        Err(error) => {
            let text: String<FAILURE_TEXT_LEN> = cut_off(format_args!("the settings are wrong: {error}"));
            refuse(BAD_REGION, &text).await
        }
    };
    let mut pipeline = Pipeline::new(
        Identity {
            board: hardware.board,
            camera: hardware.camera,
            clocks: &hardware.clocks,
            time_unit: TimeUnit::Microseconds,
            start,
        },
        booted,
        Supervisor::new(source, Delay, settings.supervisor),
        settings.smoothing,
        (Log::new(labels), (port(labels), pin)),
        || Instant::now().as_micros(),
    );
    let [one, other] = hardware.frames;
    let mut buffers = Buffers::new(one, other);
    let mut watchdog = (hardware.start_watchdog)();
    let mut ticker = settings.frame_interval.map(Ticker::every);
    loop {
        pipeline.step(&mut buffers, &mut watchdog).await;
        if let Some(ticker) = &mut ticker {
            ticker.next().await;
        }
    }
}
