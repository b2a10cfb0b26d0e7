//! A pipeline on the host, with everything that it says.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use camera_models::{MovingBlocks, Scene, SimulatedDelay, Time, arducam_mega};
use embassy_futures::block_on;
use firmware::boot::{Identity, boot};
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Buffers, Method, Pipeline, Smoothing};
use firmware::report::{Command, Report};
use firmware::watchdog::Watchdog;
use protocol::{FaultReport, FrameReport, Message, PictureMode, TimeUnit};
use shared_model::encode::encode;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::testing::{Plain, network};
use shared_model::{AlignedBytes, Interpreter, Model, Shape};

/// What the network takes.
const SHAPE: Shape = Shape::new(32, 32, 3);

/// Timing of an ArduCAM Mega that is so quick that there are few polls among the transactions.
pub const SHORT_TIMING: arducam_mega::Timing = arducam_mega::Timing {
    reset_ms: 3,
    setting_ms: 2,
    capture_ms: 4,
};

/// A dense layer with ten logits, in which every pixel counts.
pub fn blob() -> &'static AlignedBytes {
    static BLOB: OnceLock<AlignedBytes> = OnceLock::new();
    BLOB.get_or_init(|| {
        let network = network(5, SHAPE, &[Plain::Dense(10, false)]);
        encode(&network).expect("the network is valid")
    })
}

/// What the pipeline has said.
#[derive(Default)]
pub struct Records {
    /// Frames in order, each with the network's input.
    pub frames: Vec<(FrameReport, Vec<u8>)>,
    /// Faults in order.
    pub faults: Vec<FaultReport>,
    /// How often the watchdog was fed.
    pub feeds: usize,
}

struct Recorder {
    records: Rc<RefCell<Records>>,
    command: Option<Command>,
}

impl Report for Recorder {
    async fn report(&mut self, message: &Message<'_>) {
        let mut records = self.records.borrow_mut();
        match message {
            Message::Frame(frame) => records.frames.push((frame.clone(), Vec::new())),
            Message::Chunk(chunk) => {
                let (frame, picture) = records.frames.last_mut().expect("a frame comes before");
                assert_eq!(frame.counter, chunk.id);
                assert_eq!(picture.len(), chunk.offset as usize);
                picture.extend(chunk.bytes);
            }
            Message::Fault(fault) => records.faults.push(fault.clone()),
            Message::DeviceInfo(_) | Message::Label(_) => {}
            Message::BootFailure(_) | Message::Acknowledgement(_) | Message::Unsupported { .. } => {
                panic!("{message:?}")
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        self.command.take()
    }
}

struct FeedCounter(Rc<RefCell<Records>>);

impl Watchdog for FeedCounter {
    fn feed(&mut self) {
        self.0.borrow_mut().feeds += 1;
    }
}

/// Runs a pipeline step by step: `observe` is called after each step with the records so far, and says whether to go on.
pub fn run(
    source: impl FrameSource,
    time: &Time,
    policy: Policy,
    mut observe: impl FnMut(&Records) -> bool,
) -> Records {
    let blob = blob();
    let (mut slot, mut arena) = (None, vec![0; 8192]);
    let booted = boot(blob, &mut slot, &mut arena).expect("the blob is good");
    let records = Rc::new(RefCell::new(Records::default()));
    let identity = Identity {
        board: "host",
        camera: "a model",
        time_unit: TimeUnit::Microseconds,
    };
    let frame_len = source.format().len();
    let mut pipeline = Pipeline::new(
        identity,
        booted,
        Supervisor::new(source, SimulatedDelay(time), policy),
        Smoothing::new(Method::None, 0),
        Recorder {
            records: Rc::clone(&records),
            command: Some(Command::Pictures(PictureMode::Every)),
        },
        || time.nanoseconds() / 1_000,
    );
    let (mut one, mut other) = (vec![0; frame_len], vec![0; frame_len]);
    let mut buffers = Buffers::new(&mut one, &mut other);
    let mut watchdog = FeedCounter(Rc::clone(&records));
    loop {
        block_on(pipeline.step(&mut buffers, &mut watchdog));
        if !observe(&records.borrow()) {
            break;
        }
    }
    drop((pipeline, watchdog));
    let Ok(records) = Rc::try_unwrap(records) else {
        panic!("the pipeline is gone, and the records with it");
    };
    records.into_inner()
}

/// What a scene of moving blocks gives: the network's input and logits for each exposure, from the first on.
pub struct Expected {
    images: Vec<Vec<u8>>,
    logits: Vec<Vec<i32>>,
}

impl Expected {
    /// What frames of `width × height` give.
    pub fn new(width: u16, height: u16, exposures: usize) -> Self {
        let mut scene = MovingBlocks::default();
        let blob = blob();
        let model = Model::load(blob).expect("the blob is good");
        let mut arena = vec![0; model.arena_len()];
        let mut interpreter =
            Interpreter::new(&model, &mut arena).expect("the arena is long enough");
        let images: Vec<Vec<u8>> = (0..exposures)
            .map(|_| {
                scene.expose();
                image(&scene, width, height)
            })
            .collect();
        let logits = images
            .iter()
            .map(|image| {
                let classification = interpreter.classify(image);
                classification.expect("the shape is right").logits.to_vec()
            })
            .collect();
        Self { images, logits }
    }

    /// Asserts that every reported frame is a true picture with true logits, each later than the one before.
    pub fn assert_true(&self, records: &Records, context: &str) {
        let mut next = 0;
        for (frame, picture) in &records.frames {
            let later = self.images[next..]
                .iter()
                .position(|image| image == picture.as_slice());
            let Some(offset) = later else {
                panic!(
                    "{context}: frame {} is no picture of what came after exposure {next}",
                    frame.counter
                );
            };
            next += offset;
            assert_eq!(frame.logits, self.logits[next].as_slice(), "{context}");
            next += 1;
        }
    }
}

fn image(scene: &MovingBlocks, width: u16, height: u16) -> Vec<u8> {
    let pixels: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| scene.rgb565(x, y, width, height).to_be_bytes())
        .collect();
    let mut image = vec![0; SHAPE.elements()];
    resize::<Rgb565BigEndian>(&pixels, width, height, SHAPE, &mut image)
        .expect("the frame is whole");
    image
}
