//! What a computer asks of a board that is set up for the first time.

use super::Pipeline;
use crate::camera::{Frame, FrameSource};
use crate::report::Report;
use embedded_hal_async::delay::DelayNs;
use protocol::{Finding, Message, Subject};

impl<S, D, R, C> Pipeline<'_, '_, S, D, R, C>
where
    S: FrameSource,
    D: DelayNs,
    R: Report,
    C: Fn() -> u64,
{
    /// Examines `subject` and reports what it finds, the frame among it that was taken for that; `frame` is overwritten.
    pub(super) async fn examine(&mut self, subject: Subject, frame: &mut Frame<'_>) {
        let report = &mut self.processing.report;
        let mut tell = async |finding: Finding<'_>| report.report(&Message::Finding(finding)).await;
        match subject {
            Subject::Board => {
                for &(name, value) in self.identity.clocks {
                    tell(Finding::Value { name, value }).await;
                }
                let holds = self.processing.booted.interpreter.known_answer_holds();
                tell(Finding::KnownAnswer { holds }).await;
            }
            Subject::Camera => self.camera.examine(frame, &self.clock, &mut tell).await,
            Subject::TestPattern => self.camera.examine_test_pattern(frame, &self.clock, &mut tell).await,
        }
        if subject != Subject::Board {
            self.processing.report_full_frame(frame, self.counter).await;
            frame.clear();
        }
        self.processing.report.report(&Message::Finding(Finding::End(subject))).await;
    }
}
