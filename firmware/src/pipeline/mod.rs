//! Capture → preprocess → classify → report, frame after frame.
//!
//! ```no_run
//! # use firmware::{boot::{boot, Identity}, camera::{FrameSource, Supervisor, Policy}, pipeline::*, report::Report, watchdog::Watchdog};
//! # use embedded_hal_async::delay::DelayNs;
//! # use protocol::TimeUnit;
//! # async fn main_task(
//! #     blob: &[u8], memory: &mut [u8], camera: impl FrameSource, delay: impl DelayNs, report: impl Report,
//! #     mut watchdog: impl Watchdog, buffers: [&mut [u8]; 2], microseconds: fn() -> u64,
//! # ) -> Result<(), firmware::boot::BootError> {
//! let mut slot = None;
//! let mut pipeline = Pipeline::new(
//!     Identity {
//!         board: "stm32h743",
//!         camera: "OV2640",
//!         time_unit: TimeUnit::Microseconds,
//!     },
//!     boot(blob, &mut slot, memory)?,
//!     Supervisor::new(camera, delay, Policy::default()),
//!     Smoothing::new(Method::Exponential { weight: 96 }, 0x8000),
//!     report,
//!     microseconds,
//! );
//! let [one, other] = buffers;
//! pipeline.run(one, other, &mut watchdog).await
//! # }
//! ```

mod buffers;
mod processing;
mod smoothing;
#[cfg(test)]
mod tests;

use crate::boot::{Booted, Identity};
use crate::camera::{FrameSource, Supervisor};
use crate::report::{Command, Report};
use crate::watchdog::Watchdog;
use embassy_futures::join::join;
use embedded_hal_async::delay::DelayNs;
use processing::Processing;
use protocol::{FaultReport, Message, PictureMode};

pub use buffers::Buffers;
pub use smoothing::{MAX_WINDOW, Method, Smoothing};

/// Further commands wait for the next frame.
const COMMANDS_PER_FRAME: usize = 4;

/// The whole job of a board after boot.
pub struct Pipeline<'m, 'a, S, D, R, C> {
    identity: Identity<'m>,
    booted: Booted<'m, 'a>,
    camera: Supervisor<S, D>,
    smoothing: Smoothing,
    report: R,
    clock: C,
    is_info_due: bool,
    pictures: PictureMode,
    counter: u32,
    report_time: u64,
}

impl<'m, 'a, S, D, R, C> Pipeline<'m, 'a, S, D, R, C>
where
    S: FrameSource,
    D: DelayNs,
    R: Report,
    C: Fn() -> u64,
{
    /// A pipeline that has seen no frame yet. `clock` counts upwards in the time unit of `identity`.
    pub const fn new(
        identity: Identity<'m>,
        booted: Booted<'m, 'a>,
        camera: Supervisor<S, D>,
        smoothing: Smoothing,
        report: R,
        clock: C,
    ) -> Self {
        Self {
            identity,
            booted,
            camera,
            smoothing,
            report,
            clock,
            is_info_due: true,
            pictures: PictureMode::Off,
            counter: 0,
            report_time: 0,
        }
    }

    /// The camera and what is known about its faults.
    pub const fn camera(&self) -> &Supervisor<S, D> {
        &self.camera
    }

    /// Whom the frames are reported to.
    pub const fn report(&self) -> &R {
        &self.report
    }

    /// Runs for ever; each buffer must hold a frame.
    pub async fn run(
        &mut self,
        one: &mut [u8],
        other: &mut [u8],
        watchdog: &mut impl Watchdog,
    ) -> ! {
        let mut buffers = Buffers::new(one, other);
        loop {
            self.step(&mut buffers, watchdog).await;
        }
    }

    /// Asks for one frame while the one before is classified and reported; ends in bounded time.
    ///
    /// The camera comes first: what it has started runs on by itself while the processor classifies, since that yields to
    /// nothing.
    pub async fn step(&mut self, buffers: &mut Buffers<'_>, watchdog: &mut impl Watchdog) {
        self.serve_commands().await;
        let counter = self.counter;
        self.counter = counter.wrapping_add(1);
        let Buffers { front, back } = buffers;
        let start = (self.clock)();
        let mut processing = Processing {
            booted: &mut self.booted,
            smoothing: &mut self.smoothing,
            report: &mut self.report,
            clock: &self.clock,
            pictures: &mut self.pictures,
            report_time: &mut self.report_time,
            faults: *self.camera.counters(),
        };
        let capture = async {
            let outcome = self.camera.attempt(&mut back.frame).await;
            (outcome, (self.clock)() - start)
        };
        let process = async {
            if processing.process(front).await {
                watchdog.feed();
            }
        };
        let ((outcome, time), ()) = join(capture, process).await;
        front.frame.clear();
        (back.counter, back.time) = (counter, time);
        core::mem::swap(front, back);
        if let Err((fault, recovery)) = outcome {
            let fault = fault.report(counter, recovery, *self.camera.counters());
            self.report_fault(fault).await;
        }
    }

    async fn report_fault(&mut self, fault: FaultReport) {
        self.smoothing.reset();
        self.report.report(&Message::Fault(fault)).await;
    }

    async fn serve_commands(&mut self) {
        for _ in 0..COMMANDS_PER_FRAME {
            match self.report.command() {
                Some(Command::DeviceInfo) => self.is_info_due = true,
                Some(Command::Pictures(mode)) => self.pictures = mode,
                Some(Command::Unsupported { request }) => {
                    self.report.report(&Message::Unsupported { request }).await;
                }
                None => break,
            }
        }
        if core::mem::take(&mut self.is_info_due) {
            let plan = self.booted.plan_name();
            let info = self.booted.device_info(&self.identity, &plan);
            self.report.report(&Message::DeviceInfo(info)).await;
            for label in self.booted.labels() {
                self.report.report(&Message::Label(label)).await;
            }
        }
    }
}
