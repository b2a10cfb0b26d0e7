//! Keeps a camera running: looks at its frames, counts faults, and decides what to do about each.

use super::{Frame, FrameSource, Pattern, is_configured};
use crate::fault::Fault;
use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_hal_async::delay::DelayNs;
use protocol::{Deed, FaultCounters, Finding, Marks, Recovery};

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The quiet after a start is doubled so often at most, whatever the policy: a start must take less than the watchdog's time.
const MOST_DOUBLINGS: u8 = 3;

/// What to do about faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row after which a camera is no longer just asked for another frame, if the faults are
    /// [transient](Fault::is_transient), but initialized anew.
    pub retries: u8,
    /// The second initialization in a row waits for so long, each further one twice as long as the one before; the first
    /// does not wait.
    pub backoff_first_ms: u32,
    /// The longest wait.
    pub backoff_limit_ms: u32,
    /// After so many new starts in a row that gave nothing but blank or frozen frames, they are pictures of what there is: a dark
    /// room, a covered lens, a still life. Such a start waits for twice the [`FrameSource::QUIET_MS`] of the one before.
    pub doubtful_starts: u8,
    /// Whether a frame equal to one of the two before is [`Fault::Frozen`]. False for test patterns, which stand still.
    pub expect_motion: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Policy {
    /// For a camera that looks at a changing scene.
    pub const DEFAULT: Self =
        Self { retries: 1, backoff_first_ms: 50, backoff_limit_ms: 1_000, doubtful_starts: 2, expect_motion: true };

    fn backoff_after(&self, backoff_ms: u32) -> u32 {
        let doubled = backoff_ms.saturating_mul(2);
        doubled.max(self.backoff_first_ms).min(self.backoff_limit_ms)
    }
}

/// A camera with a [`Policy`].
pub struct Supervisor<S, D> {
    source: S,
    delay: D,
    policy: Policy,
    counters: FaultCounters,
    /// What comes before the next frame.
    recovery: Recovery,
    /// Failures since the last good frame.
    failures: u8,
    /// The wait before the next initialization.
    backoff_ms: u32,
    /// New starts because of blank or frozen frames since the last frame that was neither, and had light.
    doubtful_starts: u8,
    settling: Settling,
    /// CRCs of the frames before: as many as there are buffers, since one that nobody writes to shows the frame before the last.
    recent_crc32: [Option<u32>; 2],
}

impl<S: FrameSource, D: DelayNs> Supervisor<S, D> {
    /// A camera that is not initialized yet.
    pub const fn new(source: S, delay: D, policy: Policy) -> Self {
        Self {
            source,
            delay,
            policy,
            counters: FaultCounters::new(),
            recovery: Recovery::Initialize { after_ms: 0 },
            failures: 0,
            backoff_ms: 0,
            doubtful_starts: 0,
            settling: Settling::new(),
            recent_crc32: [None; 2],
        }
    }

    /// What gives the frames.
    pub(crate) const fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Has the next frame come after a new start, as the source is set up then.
    pub(crate) const fn restart(&mut self) {
        self.recovery = Recovery::Initialize { after_ms: 0 };
    }

    /// See [`Policy::expect_motion`].
    pub(crate) const fn expect_motion(&mut self, is_expected: bool) {
        self.policy.expect_motion = is_expected;
    }

    /// Faults since boot.
    pub const fn counters(&self) -> &FaultCounters {
        &self.counters
    }

    /// Takes one frame, after what the last fault asks for, and gives its marks; ends in bounded time. Without a good one, `frame` is
    /// empty.
    ///
    /// # Errors
    ///
    /// The fault, which is counted, and what the next attempt begins with.
    pub async fn attempt(&mut self, frame: &mut Frame<'_>) -> Result<Marks, (Fault, Recovery)> {
        match self.take(frame).await {
            Ok(marks) => {
                self.failures = 0;
                self.backoff_ms = 0;
                Ok(marks)
            }
            Err(fault) => {
                frame.clear();
                self.counters.count(fault.class_and_code().0);
                self.recovery = self.recovery_from(fault);
                Err((fault, self.recovery))
            }
        }
    }

    /// Starts the camera anew, examines it and takes one frame, whatever it shows, and passes on what comes of that; ends in bounded time.
    /// Without a frame, `frame` is empty.
    pub async fn examine(
        &mut self,
        frame: &mut Frame<'_>,
        clock: &impl Fn() -> u64,
        tell: &mut impl AsyncFnMut(Finding<'_>),
    ) {
        frame.clear();
        self.restart();
        let begin = clock();
        let started = self.source.initialize().await;
        Fault::tell(started, Deed::Start, clock() - begin, tell).await;
        let begin = clock();
        let read = self.source.examine(tell).await;
        Fault::tell(read, Deed::Read, clock() - begin, tell).await;
        if !is_configured(&started) {
            return;
        }
        self.settling = Settling::new();
        self.delay.delay_ms(S::QUIET_MS).await;
        let begin = clock();
        let captured = self.source.capture(frame).await;
        Fault::tell(captured, Deed::Capture, clock() - begin, tell).await;
        if captured.is_ok() {
            self.recovery = Recovery::Retry;
        } else {
            frame.clear();
        }
    }

    /// Takes one frame of the camera's test pattern, and passes on what comes of that; ends in bounded time. Without one, `frame` is empty.
    pub async fn examine_test_pattern(
        &mut self,
        frame: &mut Frame<'_>,
        clock: &impl Fn() -> u64,
        tell: &mut impl AsyncFnMut(Finding<'_>),
    ) {
        frame.clear();
        self.restart();
        let begin = clock();
        let outcome = self.source.capture_test_pattern(frame).await;
        match outcome {
            Ok(Pattern::Taken) => {}
            Ok(Pattern::Missing) => return tell(Finding::NoTestPattern).await,
            Err(_) => frame.clear(),
        }
        Fault::tell(outcome.map(|_| ()), Deed::Capture, clock() - begin, tell).await;
    }

    async fn take(&mut self, frame: &mut Frame<'_>) -> Result<Marks, Fault> {
        if let Recovery::Initialize { after_ms } = self.recovery {
            self.delay.delay_ms(after_ms).await;
            let outcome = self.source.initialize().await;
            if !is_configured(&outcome) {
                return outcome.map(|()| Marks::NONE);
            }
            self.recovery = Recovery::Retry;
            self.settling = Settling::new();
            self.delay.delay_ms(S::QUIET_MS << self.doubtful_starts.min(MOST_DOUBLINGS)).await;
            outcome?;
        }
        self.source.capture(frame).await?;
        self.inspect(frame)
    }

    /// A camera that is not configured stays so until [`FrameSource::initialize`] succeeds, or says what is odd.
    fn recovery_from(&mut self, fault: Fault) -> Recovery {
        self.failures = self.failures.saturating_add(1);
        let is_configured = self.recovery == Recovery::Retry;
        let is_odd = matches!(fault, Fault::RegisterLost { .. });
        if is_configured && (is_odd || fault.is_transient() && self.failures <= self.policy.retries) {
            return Recovery::Retry;
        }
        if matches!(fault, Fault::Blank | Fault::Frozen) {
            self.doubtful_starts = self.doubtful_starts.saturating_add(1);
        }
        let after_ms = self.backoff_ms;
        self.backoff_ms = self.policy.backoff_after(after_ms);
        Recovery::Initialize { after_ms }
    }

    fn inspect(&mut self, frame: &Frame<'_>) -> Result<Marks, Fault> {
        let crc32 = Some(CRC32.checksum(frame.bytes()));
        let [last, _] = self.recent_crc32;
        let is_repeated = self.recent_crc32.contains(&crc32);
        self.recent_crc32 = [crc32, last];
        let means = frame.channel_means();
        let light = Light::of(means);
        let doubt = match (frame.is_blank(), is_repeated && self.policy.expect_motion) {
            (true, _) => Some(Fault::Blank),
            (false, true) => Some(Fault::Frozen),
            (false, false) => None,
        };
        match (doubt, light) {
            (Some(fault), _) if self.doubtful_starts < self.policy.doubtful_starts => return Err(fault),
            // A little noise does not make a covered lens a new scene.
            (Some(_), _) | (None, Light::Dark | Light::BlownOut) => {}
            (None, Light::Enough) => self.doubtful_starts = 0,
        }
        let settling = if self.settling.is_moving(means) { Marks::SETTLING } else { Marks::NONE };
        Ok(settling.with(match (light, doubt) {
            (Light::Dark, _) => Marks::DARK,
            (Light::BlownOut, _) => Marks::BLOWN_OUT,
            (Light::Enough, Some(_)) => Marks::STILL,
            (Light::Enough, None) => Marks::NONE,
        }))
    }
}

/// What a frame has of it.
#[derive(Clone, Copy)]
enum Light {
    Dark,
    Enough,
    BlownOut,
}

impl Light {
    /// Below it, of 255, the mean of every channel of a dark frame is.
    const DARK: u8 = 16;
    /// Above it, the mean of every channel of one that is blown out.
    const BLOWN_OUT: u8 = 239;

    fn of(means: [u8; 3]) -> Self {
        if means.iter().all(|mean| *mean < Self::DARK) {
            Self::Dark
        } else if means.iter().all(|mean| *mean > Self::BLOWN_OUT) {
            Self::BlownOut
        } else {
            Self::Enough
        }
    }
}

/// Waits for exposure and white balance after a start, by the means of the channels.
struct Settling {
    /// The means that those of the last frames are near.
    means: [u8; 3],
    /// Frames near them in a row, the first one not among them.
    near: u8,
    frames: u8,
}

impl Settling {
    /// Means that differ by no more are near, of 255.
    const TOLERANCE: u8 = 3;
    /// So many frames near the one before them are stable: with that one the six in which the quickest cameras settle.
    const STABLE: u8 = 5;
    /// What moves after so many frames is the scene. The longest that was measured is 4.8 s of an OV2640 (esp32-camera's issues), which
    /// gives 15 frames a second.
    const LONGEST: u8 = 72;

    const fn new() -> Self {
        Self { means: [0; 3], near: 0, frames: 0 }
    }

    /// Takes the means of the next frame, and says whether the camera still moves.
    fn is_moving(&mut self, means: [u8; 3]) -> bool {
        if self.near >= Self::STABLE || self.frames >= Self::LONGEST {
            return false;
        }
        let is_near = means.iter().zip(self.means).all(|(mean, before)| mean.abs_diff(before) <= Self::TOLERANCE);
        if is_near && self.frames > 0 {
            self.near += 1;
        } else {
            (self.means, self.near) = (means, 0);
        }
        self.frames += 1;
        self.near < Self::STABLE && self.frames < Self::LONGEST
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::camera::{ByteOrder, FrameFormat};
    use core::cell::RefCell;
    use embassy_futures::block_on;
    use std::{vec, vec::Vec};

    const FORMAT: FrameFormat = FrameFormat { width: 2, height: 1, order: ByteOrder::BigEndian };

    /// What the supervisor did to the camera and how long it waited before.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Call {
        Initialize { waited_ms: u64 },
        Capture { waited_ms: u64 },
    }

    /// A camera whose calls give scripted results: frames as bytes, or faults.
    struct Scripted<'c> {
        initializations: Vec<Result<(), Fault>>,
        captures: Vec<Result<[u8; 4], Fault>>,
        calls: &'c RefCell<Vec<Call>>,
        waited_ms: &'c RefCell<u64>,
    }

    impl FrameSource for Scripted<'_> {
        const QUIET_MS: u32 = 40;

        fn format(&self) -> FrameFormat {
            FORMAT
        }

        async fn initialize(&mut self) -> Result<(), Fault> {
            let waited_ms = self.waited_ms.replace(0);
            self.calls.borrow_mut().push(Call::Initialize { waited_ms });
            self.initializations.remove(0)
        }

        async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
            let waited_ms = self.waited_ms.replace(0);
            self.calls.borrow_mut().push(Call::Capture { waited_ms });
            let pixels = self.captures.remove(0)?;
            frame.begin(FORMAT)?.copy_from_slice(&pixels);
            frame.complete(FORMAT);
            Ok(())
        }
    }

    struct Waits<'c>(&'c RefCell<u64>);

    impl DelayNs for Waits<'_> {
        async fn delay_ns(&mut self, nanoseconds: u32) {
            *self.0.borrow_mut() += u64::from(nanoseconds) / 1_000_000;
        }
    }

    /// What each of so many attempts gave as the script says, and the calls.
    fn attempts(
        policy: Policy,
        initializations: &[Result<(), Fault>],
        captures: &[Result<[u8; 4], Fault>],
        count: usize,
    ) -> (Vec<Result<(), Fault>>, Vec<Call>) {
        let (calls, waited_ms) = (RefCell::new(vec![]), RefCell::new(0));
        let source = Scripted {
            initializations: initializations.to_vec(),
            captures: captures.to_vec(),
            calls: &calls,
            waited_ms: &waited_ms,
        };
        let mut supervisor = Supervisor::new(source, Waits(&waited_ms), policy);
        let mut buffer = [0; 4];
        let mut frame = Frame::new(&mut buffer);
        let mut outcomes = vec![];
        let mut faults = 0;
        for _ in 0..count {
            let outcome = block_on(supervisor.attempt(&mut frame));
            assert_eq!(frame.format().is_some(), outcome.is_ok());
            faults += u32::from(outcome.is_err());
            outcomes.push(outcome.map(|_| ()).map_err(|(fault, _)| fault));
        }
        assert_eq!(supervisor.counters().total(), faults);
        (outcomes, calls.into_inner())
    }

    const GOOD: Result<[u8; 4], Fault> = Ok([1, 2, 3, 4]);
    const OTHER: Result<[u8; 4], Fault> = Ok([5, 6, 7, 8]);
    const THIRD: Result<[u8; 4], Fault> = Ok([8, 7, 6, 5]);
    const BLANK: Result<[u8; 4], Fault> = Ok([9, 9, 9, 9]);
    const CAPTURE: Call = Call::Capture { waited_ms: 0 };
    const INITIALIZE: Call = Call::Initialize { waited_ms: 0 };

    /// Six frames alike, be they black.
    #[test]
    fn a_camera_has_settled_after_six_frames_alike() {
        for mean in [0, 100] {
            let mut settling = Settling::new();
            let is_moving: Vec<_> = (0..7).map(|_| settling.is_moving([mean; 3])).collect();
            assert_eq!(is_moving, [true, true, true, true, true, false, false], "{mean}");
        }
    }

    #[test]
    fn each_frame_has_its_outcome_and_what_comes_before_the_next() {
        let lost = Fault::WrongLength { expected: 4, found: 6 };
        let (overrun, nack) = (Fault::Overrun { found: 2, expected: 4 }, Fault::Nack);
        let (good, blank, frozen) = (Ok(()), Err(Fault::Blank), Err(Fault::Frozen));
        // What the camera gives, what comes of it, and before which frames it is initialized and left alone for how long.
        type Case<'c> = (&'c [Result<[u8; 4], Fault>], &'c [Result<(), Fault>], &'c [(usize, u64)]);
        let cases: [Case<'_>; 7] = [
            // A transient fault is tried again once and then initialized.
            (
                &[GOOD, Err(overrun), OTHER, BLANK, Err(nack), THIRD],
                &[good, Err(overrun), good, blank, Err(nack), good],
                &[(0, 40), (5, 40)],
            ),
            // A lost configuration is written anew at once.
            (&[GOOD, Err(lost), OTHER], &[good, Err(lost), good], &[(0, 40), (2, 40)]),
            // A frozen picture is noticed across an initialization.
            (&[GOOD, GOOD, GOOD, GOOD, OTHER], &[good, frozen, frozen, frozen, good], &[(0, 40), (3, 80), (4, 160)]),
            // Buffers that nobody writes to show old frames in turn.
            (
                &[GOOD, OTHER, GOOD, OTHER, GOOD, THIRD],
                &[good, good, frozen, frozen, frozen, good],
                &[(0, 40), (4, 80), (5, 160)],
            ),
            // What two new starts do not change is the scene, until it changes.
            (
                &[GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, OTHER, OTHER],
                &[good, frozen, frozen, frozen, good, good, good, frozen],
                &[(0, 40), (3, 80), (4, 160)],
            ),
            (&[BLANK, BLANK, BLANK, BLANK, BLANK], &[blank, blank, blank, good, good], &[(0, 40), (2, 80), (3, 160)]),
            // Other faults meanwhile change nothing about that.
            (
                &[BLANK, BLANK, Err(lost), BLANK, Err(lost), BLANK],
                &[blank, blank, Err(lost), blank, Err(lost), good],
                &[(0, 40), (2, 80), (3, 80), (4, 160), (5, 160)],
            ),
        ];
        for (captures, expected, initialized) in cases {
            let policy = Policy { backoff_first_ms: 0, backoff_limit_ms: 0, ..Policy::default() };
            let count = captures.len();
            let (outcomes, calls) = attempts(policy, &[good; 5], captures, count);
            assert_eq!(outcomes, expected);
            let steps = (0..count).flat_map(|frame| {
                let quiet = initialized.iter().find(|(before, _)| *before == frame);
                let waited_ms = quiet.map_or(0, |(_, quiet_ms)| *quiet_ms);
                quiet.map(|_| INITIALIZE).into_iter().chain([Call::Capture { waited_ms }])
            });
            assert!(steps.eq(calls), "{captures:?}");
        }
    }

    #[test]
    fn waits_grow_to_their_limit_and_start_anew_after_a_frame() {
        let policy = Policy { backoff_first_ms: 50, backoff_limit_ms: 300, ..Policy::default() };
        let dead = Err(Fault::Nack);
        let initializations = [dead, dead, dead, dead, dead, dead, Ok(()), dead, Ok(())];
        let captures = [GOOD, Err(Fault::StuckFifo), OTHER];
        let (outcomes, mut calls) = attempts(policy, &initializations, &captures, 10);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
        calls.retain(|call| matches!(call, Call::Initialize { .. }));
        let waits = [0, 0, 50, 100, 200, 300, 300, 0, 50];
        assert_eq!(calls, waits.map(|waited_ms| Call::Initialize { waited_ms }));
    }

    #[test]
    fn a_camera_with_an_odd_register_is_used_after_whatever_was_before() {
        let lost = Err(Fault::RegisterLost { address: 1, written: 2, found: 3 });
        let dead = Err(Fault::Nack);
        let initializations = [dead, dead, lost];
        let (outcomes, calls) = attempts(Policy::default(), &initializations, &[GOOD, OTHER], 5);
        assert_eq!(outcomes, [dead, dead, lost, Ok(()), Ok(())]);
        assert_eq!(calls[3..], [Call::Capture { waited_ms: 40 }, CAPTURE]);
    }

    #[test]
    fn a_picture_may_stand_still_where_no_motion_is_expected() {
        let policy = Policy { expect_motion: false, ..Policy::default() };
        let (outcomes, _) = attempts(policy, &[Ok(())], &[GOOD; 4], 4);
        assert_eq!(outcomes, [Ok(()); 4]);
    }
}
