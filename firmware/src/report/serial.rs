//! Messages as frames of the serial protocol.

use super::Report;
use crate::protocol::{MESSAGE_FRAME_LEN, Message, Request, encode};
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;

/// Writes every message to a serial port.
///
/// A board reads the other direction with a [`Decoder`](crate::protocol::Decoder) of requests and hands them over through
/// `requests`.
pub struct Serial<W, D, Q> {
    port: W,
    delay: D,
    requests: Q,
    limit_ms: u32,
    buffer: [u8; MESSAGE_FRAME_LEN],
    dropped: u32,
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Request>> Serial<W, D, Q> {
    /// A port, and where the requests come from that were read from it. A message that takes longer than `limit_ms`
    /// milliseconds is given up, since a USB port that nobody reads takes no bytes at all.
    pub const fn new(port: W, delay: D, limit_ms: u32, requests: Q) -> Self {
        Self {
            port,
            delay,
            requests,
            limit_ms,
            buffer: [0; MESSAGE_FRAME_LEN],
            dropped: 0,
        }
    }

    /// Messages that could not be written, or only in part.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Request>> Report for Serial<W, D, Q> {
    async fn report(&mut self, message: &Message<'_>) {
        let Ok(frame) = encode(message, &mut self.buffer) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        let writing = pin!(async {
            self.port.write_all(frame).await?;
            self.port.flush().await
        });
        let limit = pin!(self.delay.delay_ms(self.limit_ms));
        if !matches!(select(writing, limit).await, Either::First(Ok(()))) {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn request(&mut self) -> Option<Request> {
        (self.requests)()
    }
}
