//! What happens to a frame after its capture.

use super::buffers::Capture;
use super::smoothing::Smoothing;
use crate::boot::Booted;
use crate::report::Report;
use protocol::{
    Candidate, ChunkKind, FaultCounters, FrameReport, Message, PictureMode, StageTimes, chunks,
};

/// All of a pipeline but the camera, which fills the next frame meanwhile.
pub(super) struct Processing<'s, 'm, 'a, R, C> {
    pub booted: &'s mut Booted<'m, 'a>,
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
        let start = (self.clock)();
        let shape = self.booted.model.input_shape();
        if capture.frame.resize(shape, self.booted.picture).is_err() {
            return false;
        }
        let resized = (self.clock)();
        let Some(frame) = self.classify(capture, resized - start, resized) else {
            return false;
        };
        let classified = (self.clock)();
        self.report.report(&Message::Frame(frame)).await;
        if *self.pictures != PictureMode::Off {
            for chunk in chunks(capture.counter, ChunkKind::Picture, self.booted.picture, 0) {
                self.report.report(&Message::Chunk(chunk)).await;
            }
        }
        if *self.pictures == PictureMode::Once {
            *self.pictures = PictureMode::Off;
        }
        *self.report_time = (self.clock)() - classified;
        true
    }

    /// `None` would be a picture of another shape than the network's, which the boot has made impossible.
    fn classify(
        &mut self,
        capture: &Capture<'_>,
        preprocess: u64,
        start: u64,
    ) -> Option<FrameReport> {
        let picture = &*self.booted.picture;
        let classification = self.booted.interpreter.classify(picture).ok()?;
        let classify = (self.clock)() - start;
        let probabilities = classification.probabilities();
        Some(FrameReport {
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
        })
    }
}
