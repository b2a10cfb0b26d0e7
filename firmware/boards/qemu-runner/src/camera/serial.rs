//! The host's end of the emulated serial port.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use firmware::protocol::{
    Banner, Decoder, FaultReport, FrameReport, MESSAGE_FRAME_LEN, Message, PictureMode,
    REQUEST_FRAME_LEN, Request, encode,
};

use super::Picture;

/// Between two looks for QEMU's connection.
const POLL: Duration = Duration::from_millis(10);

/// What came out of the port.
#[derive(Default)]
pub(super) struct Collected {
    pub banner: Option<OwnedBanner>,
    pub frames: Vec<FrameReport>,
    pub faults: Vec<FaultReport>,
    pub pictures: Vec<Picture>,
    /// Frames of the protocol that were no message.
    pub damaged: u32,
}

/// What is kept of a banner.
pub(super) struct OwnedBanner {
    pub crc32: u32,
    pub plan: String,
}

impl From<&Banner<'_>> for OwnedBanner {
    fn from(banner: &Banner<'_>) -> Self {
        Self {
            crc32: banner.crc32,
            plan: banner.plan.to_owned(),
        }
    }
}

/// Waits for QEMU and reads to the end; nothing if `is_over` before QEMU has connected.
pub(super) fn collect(
    listener: &TcpListener,
    wants_pictures: bool,
    is_over: impl Fn() -> bool,
    observe: &mut impl FnMut(&Message<'_>),
) -> io::Result<Collected> {
    let mut collected = Collected::default();
    let Some(mut stream) = accept(listener, is_over)? else {
        return Ok(collected);
    };
    if wants_pictures {
        let mut buffer = [0; REQUEST_FRAME_LEN];
        let request = encode(&Request::Pictures(PictureMode::Every), &mut buffer);
        stream.write_all(request.map_err(io::Error::other)?)?;
    }
    let mut decoder = Decoder::<MESSAGE_FRAME_LEN>::new();
    let mut chunk = [0; 4096];
    loop {
        let len = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            // QEMU ends without having read everything that was sent to it.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        };
        for byte in &chunk[..len] {
            if let Some(message) = decoder.push(*byte) {
                observe(&message);
                collected.add(&message);
            }
        }
    }
    let statistics = decoder.statistics();
    collected.damaged = statistics.corrupted + statistics.foreign;
    Ok(collected)
}

fn accept(listener: &TcpListener, is_over: impl Fn() -> bool) -> io::Result<Option<TcpStream>> {
    listener.set_nonblocking(true)?;
    while !is_over() {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(POLL),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

impl Collected {
    fn add(&mut self, message: &Message<'_>) {
        match message {
            Message::Banner(banner) => self.banner = Some(banner.into()),
            // The log says it as well, and the firmware ends.
            Message::Refusal(_) => {}
            Message::Frame(frame) => self.frames.push(frame.clone()),
            Message::Fault(fault) => self.faults.push(*fault),
            Message::Picture(picture) => self.pictures.push(Picture {
                counter: picture.counter,
                rgb: picture.rgb.to_vec(),
            }),
        }
    }
}
