//! Capture → preprocess → classify → report, frame after frame.
//!
//! ```no_run
//! # use firmware::{boot::{boot, plan_name}, camera::{FrameSource, Supervisor, Policy}, fault::Fault, pipeline::*, protocol::*, report::Report, watchdog::Watchdog};
//! # use embedded_hal_async::delay::DelayNs;
//! # async fn main_task(
//! #     blob: &[u8], arena: &mut [u8], camera: impl FrameSource, delay: impl DelayNs, host: impl Report,
//! #     mut watchdog: impl Watchdog, buffers: [&mut [u8]; 2], microseconds: fn() -> u64,
//! # ) -> Result<(), firmware::boot::BootError> {
//! let mut slot = None;
//! let (model, interpreter) = boot(blob, &mut slot, arena)?;
//! let plan = plan_name(interpreter.plan());
//! let mut pipeline = Pipeline::new(
//!     Board {
//!         name: "stm32h743",
//!         camera: "OV2640",
//!         blob_len: blob.len() as u32,
//!         plan: &plan,
//!         time_unit: TimeUnit::Microseconds,
//!     },
//!     model,
//!     interpreter,
//!     Supervisor::new(camera, delay, Policy::default()),
//!     Smoothing::new(Method::Exponential { weight: 96 }, 0x8000),
//!     host,
//!     microseconds,
//! );
//! let [one, other] = buffers;
//! pipeline.run(one, other, &mut watchdog).await
//! # }
//! ```

mod buffers;
mod smoothing;
mod stages;
#[cfg(test)]
mod tests;

use crate::camera::{FrameSource, Remedy, Supervisor};
use crate::fault::Fault;
use crate::protocol::{Banner, FaultReport, Message, PictureMode, Request, TimeUnit};
use crate::report::Report;
use crate::watchdog::Watchdog;
use embassy_futures::join::join;
use embedded_hal_async::delay::DelayNs;
use shared_model::{Interpreter, Model, Plan};
use stages::Stages;

pub use buffers::Buffers;
pub use smoothing::{MAX_WINDOW, Method, Smoothing, Verdict};

/// More of a host's requests wait for the next frame.
const REQUESTS_PER_FRAME: usize = 4;

/// What the banner says about a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board<'t> {
    /// Of the board.
    pub name: &'t str,
    /// Of the camera.
    pub camera: &'t str,
    /// Bytes of the blob.
    pub blob_len: u32,
    /// How the network is computed: see [`plan_name`](crate::boot::plan_name).
    pub plan: &'t str,
    /// What the clock counts.
    pub time_unit: TimeUnit,
}

impl<'t> Board<'t> {
    fn banner<'a: 't>(&self, model: &'t Model<'a>, plan: &Plan) -> Banner<'t> {
        let graph = model.graph();
        Banner {
            board: self.name,
            camera: self.camera,
            model: graph.name,
            crc32: model.crc32(),
            blob_len: self.blob_len,
            arena_len: plan.arena_len() as u32,
            plan: self.plan,
            labels: graph.labels.clone(),
            logit_fraction_bits: graph.logit_fraction_bits,
            time_unit: self.time_unit,
        }
    }
}

/// The whole job of a board after boot.
pub struct Pipeline<'m, 'a, S, D, R, C> {
    board: Board<'m>,
    model: &'m Model<'a>,
    interpreter: Interpreter<'m, 'a>,
    camera: Supervisor<S, D>,
    smoothing: Smoothing,
    report: R,
    clock: C,
    is_banner_due: bool,
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
    /// A pipeline that has seen no frame yet. `model` and `interpreter` come from [`boot`](crate::boot::boot), `clock` counts
    /// upwards in the board's [`TimeUnit`].
    pub const fn new(
        board: Board<'m>,
        model: &'m Model<'a>,
        interpreter: Interpreter<'m, 'a>,
        camera: Supervisor<S, D>,
        smoothing: Smoothing,
        report: R,
        clock: C,
    ) -> Self {
        Self {
            board,
            model,
            interpreter,
            camera,
            smoothing,
            report,
            clock,
            is_banner_due: true,
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
        self.serve_requests().await;
        let counter = self.counter;
        self.counter = counter.wrapping_add(1);
        let Buffers { front, back } = buffers;
        let start = (self.clock)();
        let mut stages = Stages {
            interpreter: &mut self.interpreter,
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
            if stages.process(front).await {
                watchdog.feed();
            }
        };
        let ((outcome, time), ()) = join(capture, process).await;
        front.frame.clear();
        (back.counter, back.capture_time) = (counter, time);
        core::mem::swap(front, back);
        if let Err((fault, remedy)) = outcome {
            self.report_fault(counter, fault, remedy).await;
        }
    }

    async fn report_fault(&mut self, counter: u32, fault: Fault, remedy: Remedy) {
        self.smoothing.reset();
        let report = FaultReport {
            counter,
            fault,
            remedy,
            faults: *self.camera.counters(),
        };
        self.report.report(&Message::Fault(report)).await;
    }

    async fn serve_requests(&mut self) {
        for _ in 0..REQUESTS_PER_FRAME {
            match self.report.request() {
                Some(Request::Banner) => self.is_banner_due = true,
                Some(Request::Pictures(mode)) => self.pictures = mode,
                None => break,
            }
        }
        if core::mem::take(&mut self.is_banner_due) {
            let banner = self.board.banner(self.model, self.interpreter.plan());
            self.report.report(&Message::Banner(banner)).await;
        }
    }
}
