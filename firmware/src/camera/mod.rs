//! Cameras: the trait of all, the drivers, and what keeps one running.

pub mod arducam_mega;
mod frame;
pub mod ov2640;
mod supervisor;
pub mod test_pattern;

use crate::fault::{Fault, Wait};
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;

pub use frame::{ByteOrder, Frame, FrameFormat};
pub use supervisor::{Policy, Supervisor};

/// Something that gives frames.
///
/// Every wait is bounded: a future of this trait ends in bounded time, whatever the camera does.
/// Dropped in the middle, it leaves a camera that [`Self::initialize`] puts right.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait FrameSource {
    /// What [`Self::initialize`] sets the camera to.
    fn format(&self) -> FrameFormat;

    /// Resets, identifies and configures the camera, whatever state it is in.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it.
    async fn initialize(&mut self) -> Result<(), Fault>;

    /// Takes one frame; on an error `frame` is empty.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that stopped it. [`Fault::is_transient`] says whether another call may help without
    /// [`Self::initialize`].
    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault>;
}

/// The parallel port through which a sensor sends pixels, one byte a pixel clock, framed by its synchronization signals.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait ParallelCapture {
    /// Takes the next whole frame, from its vertical synchronization on, and gives its number of bytes; of those that do not
    /// fit `bytes` only the number counts. A port that cannot count them gives the length of `bytes` for a frame that is not
    /// shorter.
    ///
    /// The future may be dropped before it ends, which stops the transfer. `bytes` has the alignment of the buffer that the
    /// board made the [`Frame`] from.
    ///
    /// # Errors
    ///
    /// [`Fault::Overrun`] if pixels were lost, [`Fault::Bus`] if DMA or synchronization failed.
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<usize, Fault>;
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
