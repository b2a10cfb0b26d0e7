//! The port over a controller that is a serial port by itself, whose host may not read.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use embassy_futures::poll_once;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::report::Command;
use protocol::{BootFailure, Decoder, END, FRAME_LEN, Message, Received, Request, encode};
use usb_serial::{PACKET_LEN, UsbSerial};

/// What the host has written, at once.
struct Written<'h>(&'h [u8]);

impl ErrorType for Written<'_> {
    type Error = Infallible;
}

impl Read for Written<'_> {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        if self.0.is_empty() {
            pending::<()>().await;
        }
        let (now, later) = self.0.split_at(self.0.len().min(bytes.len()));
        bytes[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}

/// A controller with room for a packet, and what a host has taken.
#[derive(Default)]
struct Host {
    reads: bool,
    taken: Vec<u8>,
}

struct Controller<'h>(&'h RefCell<Host>);

impl ErrorType for Controller<'_> {
    type Error = Infallible;
}

impl Write for Controller<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // A packet that is full would have to be followed by an empty one.
        assert!(bytes.len() < PACKET_LEN, "{} bytes", bytes.len());
        poll_fn(|_| if self.0.borrow().reads { Poll::Ready(()) } else { Poll::Pending }).await;
        self.0.borrow_mut().taken.extend(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn requests_arrive_and_a_host_that_reads_late_gets_whole_messages() {
    let (mut one, mut other) = ([0; FRAME_LEN], [0; FRAME_LEN]);
    let asked = encode(&Request::DeviceInfo, &mut one).expect("a request is short");
    let text = "a sentence that is longer than a packet of a full-speed device";
    let sent = encode(&Message::BootFailure(BootFailure { code: 7, text }), &mut other).expect("a message is short");
    let (host, usb) = (RefCell::default(), UsbSerial::new());
    let mut port = pin!(usb.serve_fixed(Written(asked), Controller(&host)));
    // Whether all of it was taken; what was not is lost.
    let mut write = |bytes: &[u8]| {
        assert!(poll_once(port.as_mut()).is_pending());
        let mut writer = &usb;
        let result = poll_once(writer.write_all(bytes));
        assert!(poll_once(port.as_mut()).is_pending());
        matches!(result, Poll::Ready(Ok(())))
    };

    assert!(write(sent));
    assert!(matches!(usb.command(), Some(Command::DeviceInfo)));
    // Nobody reads: messages are taken as long as there is room, the last one in part.
    let waiting = 1 + (0..).take_while(|_| write(sent)).count();
    assert!(!write(sent));
    assert!(waiting * sent.len() >= FRAME_LEN, "{waiting}");

    host.borrow_mut().reads = true;
    // As `Serial` does behind a message that was cut off.
    assert!(write(&[END]));
    assert!(write(sent));
    let mut decoder = Decoder::new();
    let mut whole = 0;
    for byte in &host.borrow().taken {
        if let Some(Received::Message(Message::BootFailure(failure))) = decoder.push(*byte) {
            assert_eq!(failure.text, text);
            whole += 1;
        }
    }
    assert_eq!(whole, waiting + 1);
}
