//! Capture → preprocess → classify → report, frame after frame.
//!
//! ```no_run
//! # use firmware::{boot::{boot, Identity}, camera::{FrameSource, Supervisor, Policy}, pipeline::*, report::Report, watchdog::Watchdog};
//! # use embedded_hal_async::delay::DelayNs;
//! # use protocol::{Start, TimeUnit};
//! # async fn main_task(
//! #     blob: &[u8], memory: &mut [u8], camera: impl FrameSource, delay: impl DelayNs, report: impl Report,
//! #     mut watchdog: impl Watchdog, buffers: [&mut [u8]; 2], microseconds: fn() -> u64,
//! # ) -> Result<(), firmware::boot::BootError> {
//! let mut slot = None;
//! let mut pipeline = Pipeline::new(
//!     Identity {
//!         board: "stm32h743",
//!         camera: "OV2640",
//!         clocks: &[("processor clock in Hz", 480_000_000)],
//!         time_unit: TimeUnit::Microseconds,
//!         start: Start::POWER_ON,
//!     },
//!     boot(blob, &mut slot, memory)?,
//!     Supervisor::new(camera, delay, Policy::default()),
//!     Method::Exponential { weight: 96 },
//!     report,
//!     microseconds,
//! );
//! let [one, other] = buffers;
//! pipeline.run(one, other, &mut watchdog).await
//! # }
//! ```

mod examination;
mod smoothing;
#[cfg(test)]
mod tests;

use crate::boot::{Booted, Identity};
use crate::camera::{Frame, FrameSource, Framed, Supervisor, View};
use crate::report::{Command, Report};
use crate::settings::{Key, Settings};
use crate::watchdog::Watchdog;
use embassy_futures::join::join;
use embedded_hal_async::delay::DelayNs;
use protocol::{
    Candidate, ChunkKind, FaultCounters, FrameMarks, FrameReport, Marks, Message, PictureMode, StageTimes, Subject,
    chunks,
};
use shared_model::graph::Graph;

pub use smoothing::{MAX_WINDOW, Method, Smoothing};

/// Further commands wait for the next frame.
const COMMANDS_PER_FRAME: usize = 4;

/// The frame that is classified next, and the one behind it.
#[derive(Debug)]
pub struct Buffers<'b> {
    front: Capture<'b>,
    back: Capture<'b>,
}

impl<'b> Buffers<'b> {
    /// Two buffers, each of which must hold a frame.
    pub const fn new(one: &'b mut [u8], other: &'b mut [u8]) -> Self {
        Self { front: Capture::new(one), back: Capture::new(other) }
    }

    /// Whether the next step has a frame to classify.
    pub(crate) fn holds_frame(&self) -> bool {
        self.front.frame.format().is_some()
    }
}

/// A frame, if there is one, its marks, the number of the attempt that took it, and the time that it took.
#[derive(Debug)]
struct Capture<'b> {
    frame: Frame<'b>,
    marks: Marks,
    counter: u32,
    time: u64,
}

impl<'b> Capture<'b> {
    const fn new(buffer: &'b mut [u8]) -> Self {
        Self { frame: Frame::new(buffer), marks: Marks::NONE, counter: 0, time: 0 }
    }
}

/// The whole job of a board after boot.
pub struct Pipeline<'m, 'a, S, D, R, C> {
    identity: Identity<'m>,
    camera: Supervisor<S, D>,
    processing: Processing<'m, 'a, R>,
    clock: C,
    is_info_due: bool,
    counter: u32,
}

impl<'m, 'a, S, D, R, C> Pipeline<'m, 'a, S, D, R, C>
where
    S: FrameSource,
    D: DelayNs,
    R: Report,
    C: Fn() -> u64,
{
    /// A pipeline that has seen no frame yet. Frames are combined by `method`, and believed as the model's blob decides. `clock`
    /// counts upwards in the time unit of `identity`.
    pub fn new(
        identity: Identity<'m>,
        booted: Booted<'m, 'a>,
        camera: Supervisor<S, D>,
        method: Method,
        report: R,
        clock: C,
    ) -> Self {
        Self {
            identity,
            camera,
            processing: Processing {
                smoothing: Smoothing::new(method, booted.decision()),
                booted,
                report,
                pictures: PictureMode::Off,
                full_frames: PictureMode::Off,
                report_time: 0,
            },
            clock,
            is_info_due: true,
            counter: 0,
        }
    }

    /// The camera and what is known about its faults.
    pub const fn camera(&self) -> &Supervisor<S, D> {
        &self.camera
    }

    /// Whom the frames are reported to.
    pub const fn report(&self) -> &R {
        &self.processing.report
    }

    /// The same, to report something else between two steps.
    pub const fn report_mut(&mut self) -> &mut R {
        &mut self.processing.report
    }

    /// The model that classifies.
    pub fn graph(&self) -> &'m Graph<'a> {
        self.processing.booted.model.graph()
    }

    /// Runs for ever; each buffer must hold a frame.
    pub async fn run(&mut self, one: &mut [u8], other: &mut [u8], watchdog: &mut impl Watchdog) -> ! {
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
        if let Some(subject) = self.serve_commands().await {
            self.examine(subject, &mut buffers.back.frame).await;
        }
        let counter = self.counter;
        self.counter = counter.wrapping_add(1);
        let Buffers { front, back } = buffers;
        let clock = &self.clock;
        let start = clock();
        let faults = *self.camera.counters();
        let capture = async {
            let outcome = self.camera.attempt(&mut back.frame).await;
            (outcome, clock() - start)
        };
        let process = async {
            if self.processing.process(front, clock, &faults).await {
                watchdog.feed();
            }
        };
        let ((outcome, time), ()) = join(capture, process).await;
        front.frame.clear();
        (back.counter, back.time) = (counter, time);
        core::mem::swap(front, back);
        match outcome {
            Ok(marks) => front.marks = marks,
            Err((fault, recovery)) => {
                let fault = fault.report(counter, recovery, *self.camera.counters());
                self.processing.smoothing.reset();
                self.processing.report.report(&Message::Fault(fault)).await;
            }
        }
    }

    /// Gives what is to be examined, if something is.
    async fn serve_commands(&mut self) -> Option<Subject> {
        let Processing { booted, report, pictures, full_frames, .. } = &mut self.processing;
        let mut subject = None;
        for _ in 0..COMMANDS_PER_FRAME {
            match report.command() {
                Some(Command::DeviceInfo) => self.is_info_due = true,
                Some(Command::Pictures(mode)) => *pictures = mode,
                Some(Command::FullFrames(mode)) => *full_frames = mode,
                Some(Command::Examine(asked)) => subject = Some(asked),
                Some(Command::Unsupported { request }) => {
                    report.report(&Message::Unsupported { request }).await;
                }
                None => break,
            }
        }
        if core::mem::take(&mut self.is_info_due) {
            let plan = booted.plan_name();
            let info = booted.device_info(&self.identity, &plan);
            report.report(&Message::Start(self.identity.start)).await;
            report.report(&Message::DeviceInfo(info)).await;
            for label in booted.labels() {
                report.report(&Message::Label(label)).await;
            }
        }
        subject
    }
}

impl<'m, 'a, S, D, R, C> Pipeline<'m, 'a, Framed<S>, D, R, C>
where
    S: FrameSource,
    D: DelayNs,
    R: Report,
    C: Fn() -> u64,
{
    /// Does from the next frame on what `settings` have for `key`; for [`Key::Interval`] and [`Key::Output`] the board does.
    pub fn apply(&mut self, settings: &Settings, key: Key) {
        let Processing { smoothing, booted, pictures, .. } = &mut self.processing;
        match key {
            Key::Threshold | Key::Smoothing => {
                let mut decision = booted.decision();
                if let Some(percent) = settings.threshold {
                    decision.threshold = (u32::from(percent) * u32::from(u16::MAX) / 100) as u16;
                }
                *smoothing = Smoothing::new(settings.smoothing, decision);
            }
            Key::Region | Key::Orientation => {
                // One that the camera does not have was refused before.
                let _ = self.camera.source_mut().set_framing(settings.framing);
                smoothing.reset();
            }
            Key::Motion | Key::View => {
                let source = self.camera.source_mut();
                if source.view().is_some_and(|view| view != settings.view) {
                    source.set_view(settings.view);
                    self.camera.restart();
                }
                self.camera.expect_motion(settings.expect_motion && settings.view == View::Scene);
            }
            Key::Pictures => *pictures = if settings.sends_pictures { PictureMode::Every } else { PictureMode::Off },
            Key::Interval | Key::Output => {}
        }
    }
}

/// Whether this frame is followed by what the mode is for; once is then over.
fn is_due(mode: &mut PictureMode) -> bool {
    match *mode {
        PictureMode::Off => false,
        PictureMode::Once => {
            *mode = PictureMode::Off;
            true
        }
        PictureMode::Every => true,
    }
}

/// All of a pipeline but the camera, which fills the next frame meanwhile.
struct Processing<'m, 'a, R> {
    booted: Booted<'m, 'a>,
    smoothing: Smoothing,
    report: R,
    pictures: PictureMode,
    full_frames: PictureMode,
    report_time: u64,
}

impl<R: Report> Processing<'_, '_, R> {
    /// Classifies and reports what was captured, and says whether that was a frame.
    async fn process(&mut self, capture: &Capture<'_>, clock: &impl Fn() -> u64, faults: &FaultCounters) -> bool {
        let start = clock();
        let shape = self.booted.model.input_shape();
        if capture.frame.resize(shape, self.booted.picture).is_err() {
            return false;
        }
        let resized = clock();
        let Some(frame) = self.classify(capture, resized - start, resized, clock, faults) else {
            return false;
        };
        let start = clock();
        let Capture { marks, counter, .. } = *capture;
        if !marks.is_empty() {
            self.report.report(&Message::FrameMarks(FrameMarks { counter, marks })).await;
        }
        self.report.report(&Message::Frame(frame)).await;
        if is_due(&mut self.pictures) {
            for chunk in chunks(capture.counter, ChunkKind::Picture, self.booted.picture, 0) {
                self.report.report(&Message::Chunk(chunk)).await;
            }
        }
        if is_due(&mut self.full_frames) {
            self.report_full_frame(&capture.frame, counter).await;
        }
        self.report_time = clock() - start;
        true
    }

    /// Sends all that the camera gave, if there is a frame.
    async fn report_full_frame(&mut self, frame: &Frame<'_>, counter: u32) {
        let Some(format) = frame.format() else {
            return;
        };
        self.report.report(&Message::FullFrame(format.describe(counter))).await;
        for chunk in chunks(counter, ChunkKind::FullFrame, frame.bytes(), 0) {
            self.report.report(&Message::Chunk(chunk)).await;
        }
    }

    /// `None` would be a picture of another shape than the network's, which the boot has made impossible.
    fn classify(
        &mut self,
        capture: &Capture<'_>,
        preprocess: u64,
        start: u64,
        clock: &impl Fn() -> u64,
        faults: &FaultCounters,
    ) -> Option<FrameReport> {
        let picture = &*self.booted.picture;
        let classification = self.booted.interpreter.classify(picture).ok()?;
        let classify = clock() - start;
        let probabilities = classification.probabilities();
        Some(FrameReport {
            counter: capture.counter,
            verdict: self.smoothing.update(&probabilities),
            top: Candidate::top(&probabilities),
            logits: classification.logits.iter().copied().collect(),
            times: StageTimes { capture: capture.time, preprocess, classify, report: self.report_time },
            faults: *faults,
        })
    }
}
