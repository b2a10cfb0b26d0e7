//! Messages as frames of the serial protocol.

use super::{Command, Port, Report};
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;
use protocol::{END, FRAME_LEN, Message, encode};

/// Writes every message to a serial port.
///
/// A board reads the other direction with a [`Decoder`](protocol::Decoder) and hands over what comes through `commands`.
pub struct Serial<W, D, Q> {
    port: Port<W, D>,
    commands: Q,
    buffer: [u8; FRAME_LEN],
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Command>> Serial<W, D, Q> {
    /// A port, and where the commands come from that were read from it. A message that takes longer than `limit_ms`
    /// milliseconds is given up, since a USB port that nobody reads takes no bytes at all.
    pub const fn new(writer: W, delay: D, limit_ms: u32, commands: Q) -> Self {
        Self { port: Port::new(writer, delay, limit_ms, &[END]), commands, buffer: [0; FRAME_LEN] }
    }

    /// Messages that could not be written, or only in part.
    pub const fn dropped(&self) -> u32 {
        self.port.dropped
    }
}

impl<W: Write, D: DelayNs, Q: FnMut() -> Option<Command>> Report for Serial<W, D, Q> {
    async fn report(&mut self, message: &Message<'_>) {
        match encode(message, &mut self.buffer) {
            Ok(frame) => self.port.write(frame).await,
            Err(_) => self.port.dropped = self.port.dropped.saturating_add(1),
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
        serial.port.writer.free += 1000;
        block_on(serial.report(&message));
        let mut decoder = Decoder::new();
        let found = serial
            .port
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
