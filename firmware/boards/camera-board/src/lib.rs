#![no_std]
#![deny(missing_docs)]
//! What the boards with a camera have in common: the serial port over USB, and the way from boot to frames. A board adds
//! clocks, pins and DMA.

mod settings;
pub mod usb;

use embassy_time::{Delay, Duration, Instant, Ticker, Timer};
use embedded_hal::digital::OutputPin;
use firmware::boot::{FAILURE_TEXT_LEN, Identity, boot};
use firmware::camera::{FrameSource, Framed, Supervisor};
use firmware::deployment::{Change, Deployment, Mapped};
use firmware::pipeline::{Buffers, Pipeline};
use firmware::report::{ClassPin, Lines, Log, Report, Serial};
use firmware::settings::Key;
use firmware::watchdog::Watchdog;
use flash_model::{LEAST_ARENA_LEN, PICTURE_LEN};
use heapless::String;
use model_store::Layout;
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
/// How often such a board looks for a model that is sent to it.
const FAILURE_PAUSE_MS: u64 = 5;
/// How often, and how long after one another, a board says that it crashed before it boots again: until a computer has found the
/// serial port, even if each boot ends in a crash.
const CRASH_REPORTS: u32 = 10;
const CRASH_PAUSE_MS: u64 = 500;

/// The public key with which models must be signed that are sent to the board; none takes any. `build.rs` reads it.
const KEY: Option<[u8; 32]> = include!(concat!(env!("OUT_DIR"), "/key.rs"));

/// What a board brings.
pub struct Hardware<S, P, W, F> {
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
    /// A pin for [`Settings::pin`].
    pub pin: P,
    /// Working memory for a picture and an inference: the more, the faster.
    pub memory: &'static mut [u8],
    /// The flash that models are in.
    pub flash: F,
    /// Where they are in it.
    pub layout: Layout,
    /// Two buffers, each of which holds a frame.
    pub frames: [&'static mut [u8]; 2],
    /// Starts the watchdog, as soon as the board is known to compute correctly.
    pub start_watchdog: W,
}

/// Boots and classifies frames for ever, with another model whenever one was sent; call it once. A board whose model does not pass goes to the
/// one before, if there is one. Else it says why, has no watchdog unless it had one before, and waits for another model.
///
/// # Panics
///
/// The second time.
pub async fn run<W: Watchdog>(
    hardware: Hardware<impl FrameSource, impl OutputPin, impl FnOnce() -> W, impl Mapped>,
    settings: Settings,
) -> ! {
    static MODEL: ConstStaticCell<Option<Model<'static>>> = ConstStaticCell::new(None);

    let new_serial = || Serial::new(&SERIAL, Delay, LIMIT_MS, || SERIAL.command());
    let new_lines = |labels| Lines::new(&SERIAL, Delay, LIMIT_MS, labels);
    let port = |labels| match settings.port {
        Port::Messages => (Some(new_serial()), None),
        Port::Lines => (None, Some(new_lines(labels))),
    };
    let clock = || Instant::now().as_micros();
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
    // Says why the board does not classify to whoever comes, until there is another model.
    let refuse = async |deployment: &mut Deployment<_>, code: u16, text: &str| -> Change {
        let mut report = (Log::new(List::EMPTY), port(List::EMPTY));
        loop {
            report.report(&Message::BootFailure(BootFailure { code, text })).await;
            let next = Instant::now() + Duration::from_secs(FAILURE_SECONDS);
            while Instant::now() < next {
                let change = deployment.serve(&mut report, || SERIAL.update_request(), clock).await;
                if let Some(change) = change {
                    return change;
                }
                Timer::after_millis(FAILURE_PAUSE_MS).await;
            }
        }
    };
    let Hardware { mut source, mut pin, memory, frames: [one, other], .. } = hardware;
    let model = MODEL.take();
    let scope = settings.scope(&source);
    let mut deployment =
        Deployment::open(hardware.flash, hardware.layout, memory.len(), KEY, TimeUnit::Microseconds, scope);
    let (mut start_watchdog, mut watchdog) = (Some(hardware.start_watchdog), None);
    loop {
        let change = 'model: {
            let booted = match boot(deployment.start(), model, memory) {
                Ok(booted) => booted,
                Err(error) if deployment.reject(&error) => break 'model Change::Restart,
                Err(error) => break 'model refuse(&mut deployment, error.code(), &error.text()).await,
            };
            let labels = booted.model.graph().labels;
            let present = deployment.settings().present();
            let mut pin = ClassPin::new(&mut pin);
            // A class that a computer asked for may be the model's before: then the pin stays low.
            if !pin.follow(present.output.as_ref(), labels) && !deployment.settings().is_changed(Key::Output) {
                let text: String<FAILURE_TEXT_LEN> = cut_off(format_args!(
                    "the settings ask for a pin for the class {:?}, which this model does not have; it has {labels:?}",
                    settings.pin.map_or("", |rule| rule.class)
                ));
                if deployment.reject(&text) {
                    break 'model Change::Restart;
                }
                break 'model refuse(&mut deployment, NO_CLASS, &text).await;
            }
            let source = match Framed::new(&mut source, present.framing) {
                Ok(source) => source,
                Err(error) => {
                    let text: String<FAILURE_TEXT_LEN> = cut_off(format_args!("the settings are wrong: {error}"));
                    break 'model refuse(&mut deployment, BAD_REGION, &text).await;
                }
            };
            deployment.wait();
            let present = deployment.settings().present();
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
                present.smoothing,
                (Log::new(labels), (port(labels), pin)),
                clock,
            );
            for key in Key::ALL {
                pipeline.apply(present, key);
            }
            let mut ticker = ticker_of(present.interval_ms);
            if !deployment.note().is_empty() {
                pipeline.report_mut().report(&Message::Models(deployment.models())).await;
            }
            if let Some(start) = start_watchdog.take() {
                watchdog = Some(start());
            }
            let mut buffers = Buffers::new(one, other);
            loop {
                let requests = || SERIAL.update_request();
                let change = deployment.step(&mut pipeline, &mut buffers, &mut watchdog, requests, clock).await;
                let present = deployment.settings().present();
                match change {
                    None => {}
                    Some(Change::Setting(Key::Interval)) => ticker = ticker_of(present.interval_ms),
                    Some(Change::Setting(Key::Output)) => {
                        let (_, (_, pin)) = pipeline.report_mut();
                        pin.follow(present.output.as_ref(), labels);
                    }
                    Some(Change::Setting(key)) => pipeline.apply(present, key),
                    Some(change @ (Change::Install | Change::Restart)) => break 'model change,
                }
                if let Some(ticker) = &mut ticker {
                    ticker.next().await;
                }
            }
        };
        match change {
            Change::Install => deployment.install(model, memory, &mut port(List::EMPTY)).await,
            // A board that must not classify may do so with another setting.
            Change::Restart | Change::Setting(_) => {}
        }
    }
}

fn ticker_of(interval_ms: u16) -> Option<Ticker> {
    (interval_ms > 0).then(|| Ticker::every(Duration::from_millis(interval_ms.into())))
}
