//! Cameras with their drivers, and a pipeline on the host, with everything that it says.

use std::cell::RefCell;
use std::sync::OnceLock;

use camera_models::{Injection, Injector, MovingBlocks, Scene, SimulatedDelay, Time};
use camera_models::{arducam_mega, ov2640};
use embassy_futures::block_on;
use firmware::boot::{Identity, boot};
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{Ov2640, View};
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Buffers, Method, Pipeline};
use firmware::report::{Command, Report};
use firmware::watchdog::Watchdog;
use protocol::{FaultReport, FrameReport, Message, PictureMode, Start, TimeUnit};
use shared_model::encode::encode;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::testing::{Plain, network};
use shared_model::{AlignedBytes, Interpreter, Model, Shape};

/// What the network takes.
const SHAPE: Shape = Shape::new(32, 32, 3);

/// So quick that there are few polls among the transactions.
const SHORT_TIMING: arducam_mega::Timing = arducam_mega::Timing { reset_ms: 3, setting_ms: 2, capture_ms: 4 };

/// A modelled camera, its driver and their time. Models live on, so that every test can hold what it needs of one.
pub struct Camera<M: 'static, D> {
    pub model: &'static M,
    pub driver: D,
    pub time: &'static Time,
}

type Sensor = ov2640::Ov2640<'static, MovingBlocks>;
type Mega = arducam_mega::ArducamMega<'static, MovingBlocks>;

/// An OV2640 that shows `view`.
pub fn ov2640(view: View) -> Camera<Sensor, impl FrameSource> {
    let time = Box::leak(Box::new(Time::new()));
    let model: &_ = Box::leak(Box::new(Sensor::new(time, MovingBlocks::default())));
    Camera { model, driver: Ov2640::new(model, model, SimulatedDelay(time), view), time }
}

/// An ArduCAM Mega with the sensor `id`.
pub fn arducam_mega(id: u8, resolution: Resolution) -> Camera<Mega, impl FrameSource> {
    let time = Box::leak(Box::new(Time::new()));
    let model: &_ = Box::leak(Box::new(Mega::new(time, MovingBlocks::default(), id, SHORT_TIMING)));
    Camera { model, driver: ArducamMega::new(model, SimulatedDelay(time), resolution), time }
}

/// What fails on request.
pub trait Failing: 'static {
    /// What may go wrong.
    type Fault: Copy + core::fmt::Debug + 'static;
    /// Every fault.
    const FAULTS: &'static [Self::Fault];
    /// Makes transactions fail.
    fn faults(&self) -> &Injector<Self::Fault>;
    /// Makes `count` transactions fail, from `first` on.
    fn inject(&self, fault: Self::Fault, first: u32, count: u32) {
        self.faults().inject(Injection { fault, first, count });
    }
}

impl Failing for Sensor {
    type Fault = ov2640::Fault;
    const FAULTS: &'static [ov2640::Fault] = &ov2640::Fault::ALL;
    fn faults(&self) -> &Injector<ov2640::Fault> {
        &self.faults
    }
}

impl Failing for Mega {
    type Fault = arducam_mega::Fault;
    const FAULTS: &'static [arducam_mega::Fault] = &arducam_mega::Fault::ALL;
    fn faults(&self) -> &Injector<arducam_mega::Fault> {
        &self.faults
    }
}

/// A dense layer with ten logits, in which every pixel counts.
fn blob() -> &'static AlignedBytes {
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

struct Recorder<'r> {
    records: &'r RefCell<Records>,
    command: Option<Command>,
}

impl Report for Recorder<'_> {
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
            Message::Start(_) | Message::DeviceInfo(_) | Message::Label(_) => {}
            Message::BootFailure(_)
            | Message::Acknowledgement(_)
            | Message::Unsupported { .. }
            | Message::FrameMarks(_)
            | Message::FullFrame(_) => {
                panic!("{message:?}")
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        self.command.take()
    }
}

struct FeedCounter<'r>(&'r RefCell<Records>);

impl Watchdog for FeedCounter<'_> {
    fn feed(&mut self) {
        self.0.borrow_mut().feeds += 1;
    }
}

/// Runs a pipeline step by step: `observe` is called after each step with the records so far, and says whether to go on.
pub fn run(source: impl FrameSource, time: &Time, mut observe: impl FnMut(&Records) -> bool) -> Records {
    let (mut slot, mut arena) = (None, vec![0; 8192]);
    let booted = boot(blob(), &mut slot, &mut arena).expect("the blob is good");
    let records = RefCell::new(Records::default());
    let identity =
        Identity { board: "host", camera: "a model", time_unit: TimeUnit::Microseconds, start: Start::POWER_ON };
    let frame_len = source.format().len();
    let mut pipeline = Pipeline::new(
        identity,
        booted,
        Supervisor::new(source, SimulatedDelay(time), Policy::default()),
        Method::None,
        Recorder { records: &records, command: Some(Command::Pictures(PictureMode::Every)) },
        || time.nanoseconds() / 1_000,
    );
    let (mut one, mut other) = (vec![0; frame_len], vec![0; frame_len]);
    let mut buffers = Buffers::new(&mut one, &mut other);
    loop {
        block_on(pipeline.step(&mut buffers, &mut FeedCounter(&records)));
        if !observe(&records.borrow()) {
            return records.take();
        }
    }
}

/// What a scene of moving blocks gives: the network's input and logits for each exposure, from the first on.
pub struct Expected(Vec<(Vec<u8>, Vec<i32>)>);

impl Expected {
    /// What frames of `width × height` give.
    pub fn new(width: u16, height: u16, exposures: usize) -> Self {
        let model = Model::load(blob()).expect("the blob is good");
        let mut arena = vec![0; model.arena_len()];
        let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is long enough");
        let mut scene = MovingBlocks::default();
        let classify = |_| {
            let pixels: Vec<u8> = pixels(&mut scene, width, height).flat_map(u16::to_be_bytes).collect();
            let mut image = vec![0; SHAPE.elements()];
            resize::<Rgb565BigEndian>(&pixels, width, height, SHAPE, &mut image).expect("the frame is whole");
            let answer = interpreter.classify(&image).expect("the shape is right");
            (image, answer.logits.to_vec())
        };
        Self((0..exposures).map(classify).collect())
    }

    /// Asserts that every reported frame is a true picture with true logits, each later than the one before.
    pub fn assert_true(&self, records: &Records, context: &str) {
        let mut later = self.0.iter();
        for (frame, picture) in &records.frames {
            let Some((_, logits)) = later.find(|(image, _)| image == picture) else {
                panic!("{context}: frame {} is no picture of what came after the one before", frame.counter);
            };
            assert_eq!(frame.logits, logits.as_slice(), "{context}");
        }
    }
}

/// The next frame of `scene`.
pub fn pixels(scene: &mut MovingBlocks, width: u16, height: u16) -> impl Iterator<Item = u16> {
    scene.expose();
    let scene = *scene;
    (0..height).flat_map(move |y| (0..width).map(move |x| scene.rgb565(x, y, width, height)))
}
