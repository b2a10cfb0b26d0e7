//! What happens to a frame after its capture.

use super::Smoothing;
use super::buffers::Shot;
use crate::fault::FaultCounters;
use crate::protocol::{Candidate, FrameReport, Message, Picture, PictureMode, StageTimes};
use crate::report::Report;
use shared_model::{IMAGE_LEN, Image, Interpreter};

/// All of a pipeline but the camera, which fills the next frame meanwhile.
pub(super) struct Stages<'s, 'm, 'a, R, C> {
    pub interpreter: &'s mut Interpreter<'m, 'a>,
    pub smoothing: &'s mut Smoothing,
    pub report: &'s mut R,
    pub clock: &'s C,
    pub pictures: &'s mut PictureMode,
    pub report_time: &'s mut u64,
    pub faults: FaultCounters,
}

impl<R: Report, C: Fn() -> u64> Stages<'_, '_, '_, R, C> {
    /// Classifies and reports `shot`, if it holds a frame, and says whether it does.
    pub async fn process(&mut self, shot: &Shot<'_>) -> bool {
        let mut image = [0; IMAGE_LEN];
        let start = (self.clock)();
        if shot.frame.reduce(&mut image).is_err() {
            return false;
        }
        let reduced = (self.clock)();
        let frame = self.classify(shot, &image, reduced - start, reduced);
        let classified = (self.clock)();
        self.report.report(&Message::Frame(frame)).await;
        if *self.pictures != PictureMode::Off {
            let picture = Picture {
                counter: shot.counter,
                rgb: &image,
            };
            self.report.report(&Message::Picture(picture)).await;
        }
        if *self.pictures == PictureMode::Once {
            *self.pictures = PictureMode::Off;
        }
        *self.report_time = (self.clock)() - classified;
        true
    }

    fn classify(
        &mut self,
        shot: &Shot<'_>,
        image: &Image,
        preprocess: u64,
        start: u64,
    ) -> FrameReport {
        let classification = self.interpreter.classify(image);
        let classify = (self.clock)() - start;
        FrameReport {
            counter: shot.counter,
            verdict: self.smoothing.update(&classification.probabilities()),
            top: Candidate::top(&classification),
            logits: classification.logits,
            times: StageTimes {
                capture: shot.capture_time,
                preprocess,
                classify,
                report: *self.report_time,
            },
            faults: self.faults,
        }
    }
}
