//! Cameras: the trait of all, the drivers, and what keeps one running.

pub mod arducam_mega;
mod bus;
mod frame;
mod framing;
pub mod ov2640;
mod supervisor;
pub mod test_pattern;

use crate::fault::{Fault, Wait};
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use protocol::Finding;

pub use bus::free_bus;
pub use frame::{ByteOrder, Frame, FrameFormat};
pub use framing::{BadRegion, Framed, Framing, Orientation, Region};
pub use supervisor::{Policy, Supervisor};

/// What a camera shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// What is before the lens.
    #[default]
    Scene,
    /// Colour bars from the sensor itself, to test everything behind it. They stand still: see [`Policy::expect_motion`].
    ColorBars,
}

/// Something that gives frames.
///
/// Every wait is bounded: a future of this trait ends in bounded time, whatever the camera does.
/// Dropped in the middle, it leaves a camera that [`Self::initialize`] puts right.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait FrameSource {
    /// How long the camera is left alone between [`Self::initialize`] and the first frame; after each start that gave none but
    /// blank ones twice as long as before.
    const QUIET_MS: u32;

    /// What [`Self::initialize`] sets the camera to.
    fn format(&self) -> FrameFormat;

    /// What [`Self::initialize`] has the camera show; `None` if it can show one thing alone, as provided.
    fn view(&self) -> Option<View> {
        None
    }

    /// What the camera shall show from the next [`Self::initialize`] on. As provided, it has no choice.
    fn set_view(&mut self, _view: View) {}

    /// Resets, identifies and configures the camera, whatever state it is in.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it. [`Fault::RegisterLost`] does not: it says what is odd about a camera that is configured
    /// otherwise, and may be good enough.
    async fn initialize(&mut self) -> Result<(), Fault>;

    /// Takes one frame; on an error `frame` is empty.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it. [`Fault::is_transient`] says whether another call may help without
    /// [`Self::initialize`].
    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault>;

    /// Finds out what the camera is, and whether it is configured as the driver wrote it, and passes it on; ends in bounded time. As
    /// provided, there is nothing to find out.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it.
    async fn examine(&mut self, _tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        Ok(())
    }

    /// Starts the camera anew and takes one frame of its test pattern, colour bars as [`test_pattern::BARS`]. Then it must be
    /// [initialized](Self::initialize). As provided, it has none.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it.
    async fn capture_test_pattern(&mut self, _frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        Ok(Pattern::Missing)
    }
}

impl<S: FrameSource> FrameSource for &mut S {
    const QUIET_MS: u32 = S::QUIET_MS;

    fn format(&self) -> FrameFormat {
        S::format(self)
    }

    fn view(&self) -> Option<View> {
        S::view(self)
    }

    fn set_view(&mut self, view: View) {
        S::set_view(self, view);
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        S::initialize(self).await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        S::capture(self, frame).await
    }

    async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        S::examine(self, tell).await
    }

    async fn capture_test_pattern(&mut self, frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        S::capture_test_pattern(self, frame).await
    }
}

/// Whether a camera that [`FrameSource::initialize`] left so takes frames: what is odd about it may be good enough.
const fn is_configured(outcome: &Result<(), Fault>) -> bool {
    matches!(outcome, Ok(()) | Err(Fault::RegisterLost { .. }))
}

/// What a frame of a test pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The camera's.
    Taken,
    /// The camera has none, and the frame is empty.
    Missing,
}

/// The parallel port through which a sensor sends pixels, one byte a pixel clock, framed by its synchronization signals.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait ParallelCapture {
    /// Takes the next frame, from its vertical synchronization on, and ends when it has ended and has filled `bytes`.
    ///
    /// The future may be dropped before it ends, which stops the transfer. `bytes` has the alignment of the buffer that the
    /// board made the [`Frame`] from.
    ///
    /// # Errors
    ///
    /// [`Fault::Bus`] if pixels were lost, or DMA or synchronization failed: [`Self::progress`] says which.
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<(), Fault>;

    /// How far the last capture came that failed or was dropped.
    fn progress(&self) -> Progress;
}

/// How far a capture came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// A vertical synchronization was seen.
    pub has_begun: bool,
    /// Bytes that came, at most as many as were wanted.
    pub bytes: u32,
    /// More came than was taken: pixels were lost, or came behind the last one that was wanted.
    pub is_overrun: bool,
}

impl Progress {
    /// What was wrong with a capture of `expected` bytes that ended with `fault`.
    fn name(self, fault: Fault, expected: u32) -> Fault {
        match self {
            Self { bytes, .. } if bytes >= expected => Fault::TooLong { expected },
            Self { bytes: found, is_overrun: true, .. } => Fault::Overrun { found, expected },
            _ if fault != Fault::Timeout(Wait::Frame) => fault,
            Self { bytes: found @ 1.., .. } => Fault::WrongLength { expected, found },
            Self { has_begun: true, .. } => Fault::NoPixels,
            Self { has_begun: false, .. } => Fault::NoVsync,
        }
    }
}

/// Gives `operation` as many milliseconds as `limit_ms`, and drops it then.
///
/// An operation that is complete when it is looked at is in time, even if the processor was busy elsewhere until later than that.
///
/// # Errors
///
/// [`Fault::Timeout`] with `wait`, or the operation's own fault.
pub async fn timeout<T>(
    delay: &mut impl DelayNs,
    limit_ms: u32,
    wait: Wait,
    operation: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match select(pin!(operation), pin!(delay.delay_ms(limit_ms))).await {
        Either::First(result) => result,
        Either::Second(()) => Err(Fault::Timeout(wait)),
    }
}
