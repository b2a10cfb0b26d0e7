//! Messages as frames of the serial protocol.

use super::{Command, Report};
use core::pin::pin;
use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;
use protocol::{END, FRAME_LEN, Message, encode};

/// Writes every message to a serial port.
///
/// A board reads the other direction with a [`Decoder`](protocol::Decoder) and hands over what comes through `commands`.
pub struct Serial<W, D, Q> {
    writer: W,
    delay: D,
    commands: Q,
    limit_ms: u32,
    buffer: [u8; FRAME_LEN],
    dropped: u32,
    /// The last message may have been written in part.
    is_cut: bool,
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Command>> Serial<W, D, Q> {
    /// A port, and where the commands come from that were read from it. A message that takes longer than `limit_ms`
    /// milliseconds is given up, since a USB port that nobody reads takes no bytes at all.
    pub const fn new(writer: W, delay: D, limit_ms: u32, commands: Q) -> Self {
        Self { writer, delay, commands, limit_ms, buffer: [0; FRAME_LEN], dropped: 0, is_cut: false }
    }

    /// Messages that could not be written, or only in part.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Command>> Report for Serial<W, D, Q> {
    async fn report(&mut self, message: &Message<'_>) {
        let Ok(frame) = encode(message, &mut self.buffer) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        let start: &[u8] = if self.is_cut { &[END] } else { &[] };
        let writing = pin!(async {
            self.writer.write_all(start).await?;
            self.writer.write_all(frame).await?;
            self.writer.flush().await
        });
        let limit = pin!(self.delay.delay_ms(self.limit_ms));
        self.is_cut = !matches!(select(writing, limit).await, Either::First(Ok(())));
        if self.is_cut {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn command(&mut self) -> Option<Command> {
        (self.commands)()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::NoWait;
    use core::future::pending;
    use embassy_futures::block_on;
    use embedded_io_async::{ErrorKind, ErrorType};
    use protocol::{BootFailure, Decoder, Received};
    use std::{vec, vec::Vec};

    /// A serial port that takes so many bytes, seven at a time, and then fails or takes no more.
    struct LimitedWriter {
        written: Vec<u8>,
        free: usize,
        is_broken: bool,
    }

    impl ErrorType for LimitedWriter {
        type Error = ErrorKind;
    }

    impl Write for LimitedWriter {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            let len = bytes.len().min(self.free).min(7);
            if len == 0 {
                return if self.is_broken { Err(ErrorKind::BrokenPipe) } else { pending().await };
            }
            self.free -= len;
            self.written.extend(&bytes[..len]);
            Ok(len)
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    /// What a reader finds after two messages, and how many were dropped.
    fn arrived(free: usize, is_broken: bool) -> (usize, u32) {
        let writer = LimitedWriter { written: vec![], free, is_broken };
        let mut serial = Serial::new(writer, NoWait, 100, || Some(Command::DeviceInfo));
        assert_eq!(serial.command(), Some(Command::DeviceInfo));
        let message = Message::BootFailure(BootFailure { code: 1, text: "no model" });
        block_on(serial.report(&message));
        serial.writer.free += 1000;
        block_on(serial.report(&message));
        let mut decoder = Decoder::new();
        let found = serial
            .writer
            .written
            .iter()
            .filter(|byte| decoder.push(**byte) == Some(Received::Message(message.clone())))
            .count();
        (found, serial.dropped())
    }

    #[test]
    fn a_port_that_takes_no_more_costs_the_messages_that_it_does_not_take() {
        // In pieces; nobody reads; broken.
        for (free, is_broken, expected) in [(1000, false, (2, 0)), (0, false, (1, 1)), (0, true, (1, 1))] {
            assert_eq!(arrived(free, is_broken), expected, "{free}");
        }
        // One that is cut off does not spoil the next one.
        for free in 1..20 {
            assert_eq!(arrived(free, false).0, if free > 16 { 2 } else { 1 }, "{free}");
        }
    }
}
