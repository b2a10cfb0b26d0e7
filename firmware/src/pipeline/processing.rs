//! What happens to a frame after its capture.

use super::buffers::Capture;
use super::smoothing::Smoothing;
use crate::report::Report;
use protocol::{
    Candidate, ChunkKind, FaultCounters, FrameReport, Message, PictureMode, StageTimes, chunks,
};
use shared_model::{IMAGE_LEN, Image, Interpreter};

/// All of a pipeline but the camera, which fills the next frame meanwhile.
pub(super) struct Processing<'s, 'm, 'a, R, C> {
    pub interpreter: &'s mut Interpreter<'m, 'a>,
    pub smoothing: &'s mut Smoothing,
    pub report: &'s mut R,
    pub clock: &'s C,
    pub pictures: &'s mut PictureMode,
    pub report_time: &'s mut u64,
    pub faults: FaultCounters,
}

impl<R: Report, C: Fn() -> u64> Processing<'_, '_, '_, R, C> {
    /// Classifies and reports what was captured, and says whether that was a frame.
    pub async fn process(&mut self, capture: &Capture<'_>) -> bool {
        let mut image = [0; IMAGE_LEN];
        let start = (self.clock)();
        if capture.frame.reduce(&mut image).is_err() {
            return false;
        }
        let resized = (self.clock)();
        let frame = self.classify(capture, &image, resized - start, resized);
        let classified = (self.clock)();
        self.report.report(&Message::Frame(frame)).await;
        if *self.pictures != PictureMode::Off {
            for chunk in chunks(capture.counter, ChunkKind::Picture, &image, 0) {
                self.report.report(&Message::Chunk(chunk)).await;
            }
        }
        if *self.pictures == PictureMode::Once {
            *self.pictures = PictureMode::Off;
        }
        *self.report_time = (self.clock)() - classified;
        true
    }

    fn classify(
        &mut self,
        capture: &Capture<'_>,
        image: &Image,
        preprocess: u64,
        start: u64,
    ) -> FrameReport {
        let classification = self.interpreter.classify(image);
        let classify = (self.clock)() - start;
        let probabilities = classification.probabilities();
        FrameReport {
            counter: capture.counter,
            verdict: self.smoothing.update(&probabilities),
            top: Candidate::top(&probabilities),
            logits: classification.logits.iter().copied().collect(),
            times: StageTimes {
                capture: capture.time,
                preprocess,
                classify,
                report: *self.report_time,
            },
            faults: self.faults,
        }
    }
}
