//! The host's end of the emulated serial port.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use protocol::{
    Assembler, Decoder, FRAME_LEN, FaultReport, FrameReport, Message, PictureMode, Progress,
    Received, Request, encode,
};

use super::NetworkInput;
use crate::reports::Device;

/// Between two looks for QEMU's connection.
const POLL: Duration = Duration::from_millis(10);

/// What came out of the port.
pub(super) struct Collected {
    pub device: Option<Device>,
    pub labels: Vec<String>,
    pub frames: Vec<FrameReport>,
    pub faults: Vec<FaultReport>,
    pub inputs: Vec<NetworkInput>,
    /// Messages that were damaged or are unknown.
    pub damaged: u32,
    picture: Assembler<Vec<u8>>,
}

/// Waits for QEMU and reads to the end; nothing if `is_over` before QEMU has connected.
pub(super) fn collect(
    listener: &TcpListener,
    wants_pictures: bool,
    is_over: impl Fn() -> bool,
    observe: &mut impl FnMut(&Message<'_>),
) -> io::Result<Collected> {
    let mut collected = Collected {
        device: None,
        labels: Vec::new(),
        frames: Vec::new(),
        faults: Vec::new(),
        inputs: Vec::new(),
        damaged: 0,
        picture: Assembler::new(Vec::new()),
    };
    let Some(mut stream) = accept(listener, is_over)? else {
        return Ok(collected);
    };
    if wants_pictures {
        let mut buffer = [0; FRAME_LEN];
        let request = encode(&Request::Pictures(PictureMode::Every), &mut buffer);
        stream.write_all(request.map_err(io::Error::other)?)?;
    }
    let mut decoder = Decoder::new();
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
            match decoder.push(*byte) {
                Some(Received::Message(message)) => {
                    observe(&message);
                    collected.add(&message);
                }
                Some(Received::UnknownKind(_) | Received::OtherVersion(_)) => {
                    collected.damaged += 1;
                }
                None => {}
            }
        }
    }
    collected.damaged += decoder.statistics().corrupted;
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
            Message::DeviceInfo(info) => {
                self.device = Some(Device::from(info));
                self.picture = Assembler::new(vec![0; info.input.byte_len()]);
            }
            Message::Label(label) => self.labels.push(label.text.to_owned()),
            Message::Frame(frame) => self.frames.push(frame.clone()),
            Message::Fault(fault) => self.faults.push(fault.clone()),
            Message::Chunk(chunk) => match self.picture.push(chunk) {
                Ok(Progress::Complete) => {
                    self.inputs
                        .extend(self.picture.whole().map(|whole| NetworkInput {
                            counter: whole.id,
                            bytes: whole.bytes.to_vec(),
                        }))
                }
                Ok(Progress::Incomplete | Progress::Duplicate) => {}
                Err(_) => self.damaged += 1,
            },
            // The program reports it as well, and ends.
            Message::BootFailure(_) => {}
            Message::Acknowledgement(_) | Message::Unsupported { .. } => self.damaged += 1,
        }
    }
}
