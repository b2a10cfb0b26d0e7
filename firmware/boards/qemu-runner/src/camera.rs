//! One run of the camera firmware in QEMU.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use protocol::{
    Assembler, Decoder, FRAME_LEN, FaultReport, FrameReport, Message, PictureMode, Progress, Received, Request, encode,
};
use qemu_messages::{StackUse, Totals};

use crate::Error;
use crate::qemu::{Board, Device, Emulator, LIMIT_OF_BOOT, LIMIT_PER_IMAGE, file_word, lacks};

/// Between two looks for QEMU's connection.
const POLL: Duration = Duration::from_millis(10);

/// A modelled camera and the size of its frames; the firmware calls it as the command line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Camera {
    /// ArduCAM Mega on SPI, 96 x 96 pixels
    #[value(name = "arducam-96")]
    Arducam96,
    /// ArduCAM Mega on SPI, 128 x 128 pixels
    #[value(name = "arducam-128")]
    Arducam128,
    /// OV2640 on a parallel port, 160 x 120 pixels
    #[value(name = "ov2640")]
    Ov2640,
}

impl Camera {
    /// Width and height of a frame in pixels.
    pub const fn size(self) -> (u32, u32) {
        match self {
            Self::Arducam96 => (96, 96),
            Self::Arducam128 => (128, 128),
            Self::Ov2640 => (160, 120),
        }
    }
}

/// What to run.
#[derive(Clone, Copy)]
pub struct CameraJob<'a> {
    /// What runs it.
    pub board: Board<'a>,
    /// What the firmware sees through.
    pub camera: Camera,
    /// A file of big-endian RGB565 frames of the camera's size, which it sees one after the other.
    pub frames: &'a Path,
    /// Frames, taken or missed, after which the firmware ends; 0 is never.
    pub attempts: u32,
    /// The seed of random faults, or the name of one that is always there, if there shall be any.
    pub faults: Option<&'a str>,
    /// A file that the board's flash is kept in, which is made if there is none; else a new board has the model of `board` alone.
    pub flash: Option<&'a Path>,
    /// After how many writes and erases of the flash the power is cut, and how: `12-Torn`, or Before, Weak or After.
    pub cut: Option<&'a str>,
}

impl CameraJob<'_> {
    fn emulator(&self, serial: &str) -> Result<Emulator, Error> {
        let attempts = self.attempts.to_string();
        let flash =
            self.flash.map(|file| -> Result<_, Error> { Ok(format!("flash={}", file_word(file)?)) }).transpose()?;
        let cut = self.cut.map(|cut| format!("cut={cut}"));
        let further = std::iter::once(attempts).chain(self.faults.map(String::from)).chain(flash).chain(cut);
        let camera = self.camera.to_possible_value();
        let camera = camera.as_ref().map_or("", |value| value.get_name());
        Emulator::new(self.board, serial, camera, self.frames, further)
    }
}

/// What the firmware reported.
pub struct CameraReport {
    /// The model that it holds.
    pub device: Device,
    /// Frames in the order of their counters.
    pub frames: Vec<FrameReport>,
    /// Faults in the order of their counters.
    pub faults: Vec<FaultReport>,
    /// What the network got for the frames since pictures were asked for, each behind its frame's counter.
    pub inputs: Vec<(u32, Vec<u8>)>,
    /// Use of the stack, every hundred frames and at the end.
    pub stack: Vec<StackUse>,
    /// What the firmware counted.
    pub totals: Totals,
}

/// Runs the firmware, reads its serial port and passes each message to `observe`. The firmware is asked for pictures if
/// `wants_pictures`.
///
/// # Errors
///
/// If QEMU is missing or hangs, if the firmware reports an error or does not count right, or if its serial port brings anything
/// but whole messages.
pub fn run(
    job: &CameraJob<'_>,
    wants_pictures: bool,
    mut observe: impl FnMut(&Message<'_>),
) -> Result<CameraReport, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(of_port)?;
    let address = listener.local_addr().map_err(of_port)?;
    let mut emulator = job.emulator(&format!("tcp:{address}"))?;
    let limit = LIMIT_OF_BOOT + LIMIT_PER_IMAGE * job.attempts;
    let mut collected = Collected {
        device: None,
        frames: Vec::new(),
        faults: Vec::new(),
        inputs: Vec::new(),
        damaged: 0,
        picture: Assembler::new(Vec::new()),
    };
    let (reports, result) = thread::scope(|scope| {
        let qemu = scope.spawn(|| emulator.run(limit).map_err(|error| error.to_string()));
        let result = accept(&listener, || qemu.is_finished()).and_then(|stream| match stream {
            Some(stream) => collected.read(stream, wants_pictures, &mut observe),
            None => Ok(()),
        });
        (qemu.join().expect("running QEMU does not panic"), result)
    });
    let reports = reports?;
    result.map_err(of_port)?;
    if collected.damaged > 0 {
        let count = collected.damaged;
        return Err(format!("{count} messages of the serial port were damaged or unknown").into());
    }
    Ok(CameraReport {
        device: collected.device.ok_or_else(|| lacks("the device information"))?,
        frames: collected.frames,
        faults: collected.faults,
        inputs: collected.inputs,
        stack: reports.stack,
        totals: reports.totals.ok_or_else(|| lacks("its end"))?,
    })
}

/// Runs the firmware with its serial port offered at `port` of this machine, from the moment when somebody connects.
///
/// # Errors
///
/// If QEMU is missing or the firmware reports an error.
pub fn serve(job: &CameraJob<'_>, port: u16) -> Result<(), Error> {
    job.emulator(&format!("tcp:127.0.0.1:{port},server=on"))?.run(Duration::MAX).map(|_| ())
}

fn of_port(error: io::Error) -> String {
    format!("the emulated serial port: {error}")
}

/// QEMU's connection; none if `is_over` before.
fn accept(listener: &TcpListener, is_over: impl Fn() -> bool) -> io::Result<Option<TcpStream>> {
    listener.set_nonblocking(true)?;
    loop {
        // One that ended at once may have connected before.
        let is_last_look = is_over();
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && is_last_look => return Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(POLL),
            Err(error) => return Err(error),
        }
    }
}

/// What came out of the port.
struct Collected {
    device: Option<Device>,
    frames: Vec<FrameReport>,
    faults: Vec<FaultReport>,
    inputs: Vec<(u32, Vec<u8>)>,
    /// Messages that were damaged or are unknown.
    damaged: u32,
    picture: Assembler<Vec<u8>>,
}

impl Collected {
    fn read(
        &mut self,
        mut stream: TcpStream,
        wants_pictures: bool,
        observe: &mut impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
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
                        self.add(&message);
                        // Not before: if QEMU ends without having read a request, what it wrote last is lost.
                        if wants_pictures && matches!(message, Message::DeviceInfo(_)) {
                            let mut buffer = [0; FRAME_LEN];
                            let request = encode(&Request::Pictures(PictureMode::Every), &mut buffer);
                            stream.write_all(request.map_err(io::Error::other)?)?;
                        }
                    }
                    Some(Received::UnknownKind(_) | Received::OtherVersion(_)) => self.damaged += 1,
                    None => {}
                }
            }
        }
        self.damaged += decoder.statistics().corrupted;
        Ok(())
    }

    fn add(&mut self, message: &Message<'_>) {
        match message {
            Message::DeviceInfo(info) => {
                self.device = Some(Device::from(info));
                self.picture = Assembler::new(vec![0; info.input.byte_len()]);
            }
            Message::Frame(frame) => self.frames.push(frame.clone()),
            Message::Fault(fault) => self.faults.push(fault.clone()),
            Message::Chunk(chunk) => match self.picture.push(chunk) {
                Ok(Progress::Complete) => {
                    let whole = self.picture.whole();
                    let input = whole.map(|whole| (whole.id, whole.bytes.to_vec()));
                    self.inputs.extend(input);
                }
                Ok(Progress::Incomplete | Progress::Duplicate) => {}
                Err(_) => self.damaged += 1,
            },
            // The program reports a failure as well, and ends.
            Message::Start(_)
            | Message::Label(_)
            | Message::BootFailure(_)
            | Message::FrameMarks(_)
            | Message::Models(_)
            | Message::Setting(_) => {}
            Message::Acknowledgement(_) | Message::Unsupported { .. } | Message::FullFrame(_) | Message::Finding(_) => {
                self.damaged += 1
            }
        }
    }
}
