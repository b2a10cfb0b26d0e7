//! A serial port that nobody may read.

use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;

/// Writes each message in bounded time, or drops it.
pub struct Port<W, D> {
    pub writer: W,
    delay: D,
    limit_ms: u32,
    /// What ends a message that was cut off, before the next one.
    end: &'static [u8],
    /// Messages that could not be written, or only in part.
    pub dropped: u32,
    /// The last message may have been written in part.
    is_cut: bool,
}

impl<W: Write, D: DelayNs> Port<W, D> {
    pub const fn new(writer: W, delay: D, limit_ms: u32, end: &'static [u8]) -> Self {
        Self { writer, delay, limit_ms, end, dropped: 0, is_cut: false }
    }

    pub async fn write(&mut self, message: &[u8]) {
        let start = if self.is_cut { self.end } else { &[] };
        let writing = pin!(async {
            self.writer.write_all(start).await?;
            self.writer.write_all(message).await?;
            self.writer.flush().await
        });
        let limit = pin!(self.delay.delay_ms(self.limit_ms));
        self.is_cut = !matches!(select(writing, limit).await, Either::First(Ok(())));
        if self.is_cut {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
