//! The other end of the line: speaks the firmware's protocol, and says what the committed model says about real pictures.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use protocol::{
    BootFailure, Candidate, ChunkKind, Decoder, DeviceInfo, FRAME_LEN, FaultClass, FaultCounters,
    FaultReport, FrameReport, Label, Message, PictureMode, Received, Recovery, Request, Shape,
    StageTimes, TimeUnit, VERSION, Verdict, chunks, encode,
};
use shared_model::{AlignedBytes, Interpreter, Model};

/// A picture of the committed model: 32×32 pixels, red, green, blue.
pub type Image = [u8; 32 * 32 * 3];

/// No test waits longer for the other side.
pub const PATIENCE: Duration = Duration::from_secs(30);

fn repository_file(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// A sample picture of the repository.
pub fn sample(class: &str) -> Image {
    let path = repository_file(&format!("data/samples/{class}.png"));
    let picture = image::open(path).unwrap().to_rgb8();
    Image::try_from(picture.into_raw()).expect("samples have 32×32 pixels")
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
        .classify(image)
        .unwrap();
    let top = Candidate::top(&classification.probabilities());
    let Candidate { class, probability } = top[0];
    FrameReport {
        counter,
        verdict: if probability < 0x8000 {
            Verdict::NotSure
        } else {
            Verdict::Class { class, probability }
        },
        top,
        logits: classification.logits.iter().copied().collect(),
        times: StageTimes {
            capture: 33_400,
            preprocess: 812,
            classify: 215_000,
            report: 1_900,
        },
        faults,
    }
}

/// The device information and the labels.
fn introduction() -> Vec<Message<'static>> {
    let graph = model().graph();
    let info = DeviceInfo {
        protocol_version: VERSION,
        board: "test-board",
        camera: "OV2640",
        model: graph.name,
        crc32: model().crc32(),
        blob_len: 562_944,
        arena_len: model().arena_len() as u32,
        plan: "streaming",
        input: Shape {
            height: 32,
            width: 32,
            channels: 3,
        },
        labels: graph.labels.len() as u8,
        logit_fraction_bits: graph.logit_fraction_bits,
        time_unit: TimeUnit::Microseconds,
    };
    let labels = (0..).zip(graph.labels.iter());
    let labels = labels.map(|(index, text)| Message::Label(Label { index, text }));
    std::iter::once(Message::DeviceInfo(info))
        .chain(labels)
        .collect()
}

/// A frame's picture as it goes over the wire.
fn picture_wire(counter: u32, image: &Image) -> Vec<u8> {
    chunks(counter, ChunkKind::Picture, image, 0)
        .flat_map(|chunk| wire(&Message::Chunk(chunk)))
        .collect()
}

/// A message as it goes over the wire.
pub fn wire(message: &Message<'_>) -> Vec<u8> {
    encode(message, &mut [0; FRAME_LEN]).unwrap().to_vec()
}

/// A board on a stream.
pub struct Board<S> {
    stream: S,
    decoder: Decoder,
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
    pub fn serve(&mut self) -> Vec<Request<'static>> {
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
        let mut requests = Vec::new();
        for byte in &bytes[..len] {
            match self.decoder.push::<Request<'_>>(*byte) {
                Some(Received::Message(Request::DeviceInfo)) => {
                    introduction().iter().for_each(|message| self.send(message));
                    requests.push(Request::DeviceInfo);
                }
                Some(Received::Message(Request::Pictures(mode))) => {
                    self.sends_pictures = mode != PictureMode::Off;
                    requests.push(Request::Pictures(mode));
                }
                None => {}
                other => panic!("{other:?}"),
            }
        }
        requests
    }

    /// One frame of a sample picture.
    pub fn frame(&mut self, counter: u32, class: &str) {
        let image = sample(class);
        self.send(&Message::Frame(report(counter, &image, self.faults)));
        if self.sends_pictures {
            self.raw(&picture_wire(counter, &image));
        }
    }

    /// A missing frame.
    pub fn fault(&mut self, counter: u32, class: FaultClass, text: &str) {
        self.faults.count(class);
        self.send(&Message::Fault(FaultReport {
            counter,
            class,
            code: 11,
            text: FaultReport::text_of(text),
            recovery: Recovery::Initialize { after_ms: 50 },
            faults: self.faults,
        }));
    }

    /// The board does not classify.
    pub fn fail_to_boot(&mut self, text: &str) {
        self.send(&Message::BootFailure(BootFailure { code: 1, text }));
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
            let mut bytes = wire(&Message::Frame(report));
            if self.sends_pictures {
                bytes.extend(picture_wire(counter, &image));
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
