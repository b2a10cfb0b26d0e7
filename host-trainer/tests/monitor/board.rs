//! The other end of the line: speaks the firmware's protocol, and says what the committed model says about real pictures.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use firmware::camera::Remedy;
use firmware::fault::{Fault, FaultCounters};
use firmware::pipeline::{Method, Smoothing};
use firmware::protocol::{
    Banner, Candidate, Decoder, FaultReport, FrameReport, MESSAGE_FRAME_LEN, Message, Picture,
    PictureMode, REQUEST_FRAME_LEN, Request, StageTimes, TimeUnit, encode,
};
use shared_model::{AlignedBytes, IMAGE_LEN, Image, Interpreter, Model};

/// No test waits longer for the other side.
pub const PATIENCE: Duration = Duration::from_secs(30);

fn repository_file(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// A sample picture of the repository.
pub fn sample(class: &str) -> Image {
    let path = repository_file(&format!("data/samples/{class}.png"));
    let picture = image::open(path).unwrap().to_rgb8();
    <[u8; IMAGE_LEN]>::try_from(picture.into_raw()).expect("samples have 32×32 pixels")
}

fn model() -> &'static Model<'static> {
    static BLOB: OnceLock<AlignedBytes> = OnceLock::new();
    static MODEL: OnceLock<Model<'static>> = OnceLock::new();
    MODEL.get_or_init(|| {
        let blob = BLOB.get_or_init(|| {
            let bytes = std::fs::read(repository_file("data/models/vgg3-full.blob")).unwrap();
            AlignedBytes::from(bytes.as_slice())
        });
        Model::load(blob).unwrap()
    })
}

/// What a board with the committed model reports about a picture.
pub fn report(counter: u32, image: &Image, faults: FaultCounters) -> FrameReport {
    let mut arena = vec![0; model().arena_len()];
    let classification = Interpreter::new(model(), &mut arena)
        .unwrap()
        .classify(image);
    FrameReport {
        counter,
        verdict: Smoothing::new(Method::None, 0x8000).update(&classification.probabilities()),
        top: Candidate::top(&classification),
        logits: classification.logits,
        times: StageTimes {
            capture: 33_400,
            preprocess: 812,
            classify: 215_000,
            report: 1_900,
        },
        faults,
    }
}

fn banner() -> Message<'static> {
    let graph = model().graph();
    Message::Banner(Banner {
        board: "test-board",
        camera: "OV2640",
        model: graph.name,
        crc32: model().crc32(),
        blob_len: 562_896,
        arena_len: model().arena_len() as u32,
        plan: "streaming",
        labels: graph.labels.clone(),
        logit_fraction_bits: graph.logit_fraction_bits,
        time_unit: TimeUnit::Microseconds,
    })
}

/// A message as it goes over the wire.
pub fn wire(message: &Message<'_>) -> Vec<u8> {
    encode(message, &mut [0; MESSAGE_FRAME_LEN])
        .unwrap()
        .to_vec()
}

/// A board on a stream.
pub struct Board<S> {
    stream: S,
    decoder: Decoder<REQUEST_FRAME_LEN>,
    faults: FaultCounters,
    /// Pictures follow their frames, since the host has asked for them.
    pub sends_pictures: bool,
}

impl<S: Read + Write> Board<S> {
    /// On a stream whose reads end soon.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            faults: FaultCounters::new(),
            sends_pictures: false,
        }
    }

    /// Any bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    fn send(&mut self, message: &Message<'_>) {
        self.raw(&wire(message));
    }

    /// Answers what the host asks until it has asked for `request`.
    pub fn await_request(&mut self, request: Request) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.serve().contains(&request) {
                return;
            }
        }
        panic!("the host never asked for {request:?}");
    }

    /// Answers what the host has asked by now.
    pub fn serve(&mut self) -> Vec<Request> {
        let mut bytes = [0; 256];
        let len = match self.stream.read(&mut bytes) {
            Ok(len) => len,
            // A host that leaves resets the connection if it has not read everything; what writes next notices.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::ConnectionReset
                ) =>
            {
                0
            }
            Err(error) => panic!("{error}"),
        };
        let requests: Vec<Request> = bytes[..len]
            .iter()
            .filter_map(|byte| self.decoder.push(*byte))
            .collect();
        for request in &requests {
            match request {
                Request::Banner => self.send(&banner()),
                Request::Pictures(mode) => self.sends_pictures = *mode != PictureMode::Off,
            }
        }
        requests
    }

    /// One frame of a sample picture.
    pub fn frame(&mut self, counter: u32, class: &str) {
        let image = sample(class);
        self.send(&Message::Frame(report(counter, &image, self.faults)));
        if self.sends_pictures {
            let picture = Picture {
                counter,
                rgb: &image,
            };
            self.send(&Message::Picture(picture));
        }
    }

    /// A missing frame.
    pub fn fault(&mut self, counter: u32, fault: Fault) {
        self.faults.count(fault.kind());
        self.send(&Message::Fault(FaultReport {
            counter,
            fault,
            remedy: Remedy::Initialize { after_ms: 50 },
            faults: self.faults,
        }));
    }

    /// The board does not classify.
    pub fn refuse(&mut self, reason: &str) {
        self.send(&Message::Refusal(reason));
    }

    /// Stays silent until the host leaves.
    pub fn await_leave(mut self) {
        while !matches!(self.stream.read(&mut [0; 256]), Ok(0)) {}
    }

    /// Sends `class` again and again, each frame with the next counter from `first`, as long as the host is there.
    pub fn stream_frames(mut self, first: u32, class: &str) {
        let image = sample(class);
        for counter in first.. {
            self.serve();
            let report = report(counter, &image, self.faults);
            let picture = Picture {
                counter,
                rgb: &image,
            };
            let mut bytes = wire(&Message::Frame(report));
            if self.sends_pictures {
                bytes.extend(wire(&Message::Picture(picture)));
            }
            if self.stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

/// Makes a board's reads end soon.
pub fn tcp_board(stream: TcpStream) -> Board<TcpStream> {
    stream
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    Board::new(stream)
}

/// Listens, and plays a board on each connection that comes; gives the monitor's name of the port.
pub fn listen<const N: usize>(scripts: [fn(Board<TcpStream>); N]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            script(tcp_board(stream.try_clone().unwrap()));
            hang_up(stream);
        }
    });
    (port, thread)
}

/// Closes a connection such that nothing is lost that was sent: a close with requests unread would be a reset.
pub fn hang_up(mut stream: TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = io::copy(&mut stream, &mut io::sink());
}
