//! The other end of the line: speaks the firmware's protocol.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use protocol::{BootFailure, Decoder, FRAME_LEN, Finding, Message, PictureMode, Received, Request, Subject, encode};

use board_client::fixtures::{fault, frame, full_frame, image, introduction, picture};

/// No test waits longer for the other side.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What the monitor asks for as long as no pictures come.
pub const EVERY: Request<'static> = Request::Pictures(PictureMode::Every);

/// A message as it goes over the wire.
pub fn wire(message: &Message<'_>) -> Vec<u8> {
    encode(message, &mut [0; FRAME_LEN]).unwrap().to_vec()
}

/// A board on a stream.
pub struct Board<S> {
    stream: S,
    decoder: Decoder,
    /// Pictures follow their frames, since the host has asked for them.
    pub sends_pictures: bool,
    /// How many full frames the host still wants.
    full_frames: PictureMode,
    /// The firmware is from before full frames and examinations.
    pub is_old: bool,
    /// What an examination finds, before its end.
    pub findings: fn(Subject) -> Vec<Message<'static>>,
}

impl<S: Read + Write> Board<S> {
    /// On a stream whose reads end soon.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            sends_pictures: false,
            full_frames: PictureMode::Off,
            is_old: false,
            findings: |_| Vec::new(),
        }
    }

    /// Any bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Answers what the host asks until it has asked for `request`.
    pub fn await_request(&mut self, request: Request<'static>) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.serve().contains(&request) {
                return;
            }
        }
        panic!("the host never asked for {request:?}");
    }

    /// Answers what the host has asked by now.
    fn serve(&mut self) -> Vec<Request<'static>> {
        let mut bytes = [0; 256];
        let len = match self.stream.read(&mut bytes).map_err(|error| error.kind()) {
            Ok(len) => len,
            // A host that leaves resets the connection if it has not read everything; what writes next notices.
            Err(ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::ConnectionReset) => 0,
            Err(error) => panic!("{error}"),
        };
        let mut requests = Vec::new();
        for byte in &bytes[..len] {
            match self.decoder.push::<Request<'_>>(*byte) {
                Some(Received::Message(Request::DeviceInfo)) => {
                    self.raw(&introduction(0).iter().flat_map(wire).collect::<Vec<_>>());
                    requests.push(Request::DeviceInfo);
                }
                Some(Received::Message(Request::Pictures(mode))) => {
                    self.sends_pictures = mode != PictureMode::Off;
                    requests.push(Request::Pictures(mode));
                }
                Some(Received::Message(Request::FullFrames(mode))) => {
                    if self.is_old {
                        self.raw(&wire(&Message::Unsupported { request: 4 }));
                    } else {
                        self.full_frames = mode;
                    }
                    requests.push(Request::FullFrames(mode));
                }
                Some(Received::Message(Request::Examine(subject))) => {
                    let request = Request::Examine(subject);
                    let mut answer = vec![Message::Unsupported { request: request.kind() }];
                    if !self.is_old {
                        answer = (self.findings)(subject);
                        answer.push(Message::Finding(Finding::End(subject)));
                    }
                    self.raw(&answer.iter().flat_map(wire).collect::<Vec<_>>());
                    requests.push(request);
                }
                None => {}
                other => panic!("{other:?}"),
            }
        }
        requests
    }

    /// One frame, with its picture if that was asked for.
    pub fn frame(&mut self, counter: u32) {
        self.raw(&frame_wire(counter, self.sends_pictures));
    }

    /// A missing frame.
    pub fn fault(&mut self, counter: u32) {
        self.raw(&wire(&fault(counter)));
    }

    /// The board does not classify.
    pub fn fail_to_boot(&mut self, text: &str) {
        self.raw(&wire(&Message::BootFailure(BootFailure { code: 1, text })));
    }

    /// Stays silent until the host leaves; what that has sent.
    pub fn await_leave(mut self) -> Vec<u8> {
        let (mut sent, mut chunk) = (Vec::new(), [0; 256]);
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return sent,
                Ok(len) => sent.extend(&chunk[..len]),
                Err(_) => {}
            }
        }
    }

    /// Sends frames as long as the host is there.
    #[cfg(target_os = "linux")]
    pub fn stream_frames(mut self) {
        for counter in 0.. {
            self.serve();
            let mut bytes = frame_wire(counter, self.sends_pictures);
            if self.full_frames != PictureMode::Off {
                bytes.extend(full_frame(counter).iter().flat_map(wire));
                if self.full_frames == PictureMode::Once {
                    self.full_frames = PictureMode::Off;
                }
            }
            if self.stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

fn frame_wire(counter: u32, has_picture: bool) -> Vec<u8> {
    let image = image();
    let mut messages = vec![Message::Frame(frame(counter))];
    if has_picture {
        messages.extend(picture(counter, &image));
    }
    messages.iter().flat_map(wire).collect()
}

/// Listens, and plays a board on each connection that comes; gives the monitor's name of the port.
pub fn listen<const N: usize>(scripts: [fn(Board<TcpStream>); N]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        for script in scripts {
            accept(&listener, script);
        }
    });
    (port, thread)
}

/// Plays a board on the next connection, and closes it such that nothing is lost that was sent: a close with requests unread would be
/// a reset.
pub fn accept(listener: &TcpListener, script: fn(Board<TcpStream>)) {
    let (mut stream, _) = listener.accept().unwrap();
    let soon = Some(Duration::from_millis(10));
    stream.set_read_timeout(soon).unwrap();
    script(Board::new(stream.try_clone().unwrap()));
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = io::copy(&mut stream, &mut io::sink());
}
