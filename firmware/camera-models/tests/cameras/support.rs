//! Cameras with their drivers, and a pipeline on the host, with everything that it says.

use std::cell::RefCell;
use std::sync::OnceLock;

use camera_models::{Injection, Injector, Scene, Sight, SimulatedDelay, Stage, Time};
use camera_models::{arducam_mega, ov2640};
use embassy_futures::block_on;
use firmware::boot::{Identity, boot};
use firmware::camera::View;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::Ov2640;
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Buffers, Method, Pipeline};
use firmware::report::{Command, Report};
use firmware::watchdog::Watchdog;
use protocol::{FaultReport, FrameMarks, FrameReport, Marks, Message, PictureMode, Start, TimeUnit};
use shared_model::encode::encode;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::testing::{Plain, network};
use shared_model::{AlignedBytes, Interpreter, Model, Shape};

/// What the network takes.
const SHAPE: Shape = Shape::new(32, 32, 3);

/// So quick that there are few polls among the transactions.
pub const QUICK: arducam_mega::Habits = arducam_mega::Habits {
    reset_ms: 3,
    setting_ms: 2,
    capture_ms: 4,
    quiet_ms: 0,
    are_loops_off: false,
    settling_frames: 0,
};

/// A modelled camera before a stage, its driver and their time. All but the driver live on, so that every test can hold what it needs.
pub struct Camera<M: 'static, D> {
    pub model: &'static M,
    pub driver: D,
    pub stage: &'static Stage,
    pub time: &'static Time,
}

pub type Sensor = ov2640::Ov2640<'static, &'static Stage>;
pub type Mega = arducam_mega::ArducamMega<'static, &'static Stage>;

fn stage_and_time() -> (&'static Stage, &'static Time) {
    (Box::leak(Box::new(Stage::new(Sight::MovingBlocks))), Box::leak(Box::new(Time::new())))
}

/// An OV2640 that shows `view`.
pub fn ov2640(habits: ov2640::Habits, view: View) -> Camera<Sensor, impl FrameSource> {
    let (stage, time) = stage_and_time();
    let model: &_ = Box::leak(Box::new(Sensor::new(time, stage, habits)));
    Camera { model, driver: Ov2640::new(model, model, SimulatedDelay(time), view), stage, time }
}

/// An ArduCAM Mega with the sensor `id`.
pub fn arducam_mega(id: u8, resolution: Resolution, habits: arducam_mega::Habits) -> Camera<Mega, impl FrameSource> {
    let (stage, time) = stage_and_time();
    let model: &_ = Box::leak(Box::new(Mega::new(time, stage, id, habits)));
    Camera { model, driver: ArducamMega::new(model, SimulatedDelay(time), resolution), stage, time }
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

/// A frame that was classified.
pub struct Taken {
    pub report: FrameReport,
    pub marks: Marks,
    /// The network's input.
    pub picture: Vec<u8>,
}

/// What the pipeline has said.
#[derive(Default)]
pub struct Records {
    /// Frames in order.
    pub frames: Vec<Taken>,
    /// Faults in order.
    pub faults: Vec<FaultReport>,
    /// When the watchdog was fed, in simulated nanoseconds.
    pub feeds: Vec<u64>,
    /// Marks whose frame has not come.
    marks: Option<FrameMarks>,
}

struct Recorder<'r> {
    records: &'r RefCell<Records>,
    command: Option<Command>,
}

impl Report for Recorder<'_> {
    async fn report(&mut self, message: &Message<'_>) {
        let records = &mut *self.records.borrow_mut();
        match message {
            Message::FrameMarks(marks) => assert_eq!(records.marks.replace(*marks), None),
            Message::Frame(report) => {
                let marks = records.marks.take().map_or(Marks::NONE, |marks| {
                    assert_eq!(marks.counter, report.counter);
                    marks.marks
                });
                records.frames.push(Taken { report: report.clone(), marks, picture: Vec::new() });
            }
            Message::Chunk(chunk) => {
                let Taken { report, picture, .. } = records.frames.last_mut().expect("a frame comes before");
                assert_eq!(report.counter, chunk.id);
                assert_eq!(picture.len(), chunk.offset as usize);
                picture.extend(chunk.bytes);
            }
            Message::Fault(fault) => records.faults.push(fault.clone()),
            Message::Start(_) | Message::DeviceInfo(_) | Message::Label(_) => {}
            Message::BootFailure(_)
            | Message::Acknowledgement(_)
            | Message::Unsupported { .. }
            | Message::FullFrame(_)
            | Message::Finding(_)
            | Message::Models(_)
            | Message::Setting(_) => {
                panic!("{message:?}")
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        self.command.take()
    }
}

struct FeedLog<'r>(&'r RefCell<Records>, &'r Time);

impl Watchdog for FeedLog<'_> {
    fn feed(&mut self) {
        self.0.borrow_mut().feeds.push(self.1.nanoseconds());
    }
}

/// Runs a pipeline step by step: `observe` is called after each step with the records so far, and says whether to go on.
pub fn run(source: impl FrameSource, time: &Time, mut observe: impl FnMut(&Records) -> bool) -> Records {
    let (mut slot, mut arena) = (None, vec![0; 8192]);
    let booted = boot(blob(), &mut slot, &mut arena).expect("the blob is good");
    let records = RefCell::new(Records::default());
    let identity = Identity {
        board: "host",
        camera: "a model",
        clocks: &[],
        time_unit: TimeUnit::Microseconds,
        start: Start::POWER_ON,
    };
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
        block_on(pipeline.step(&mut buffers, &mut FeedLog(&records, time)));
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
        let stage = Stage::new(Sight::MovingBlocks);
        let classify = |_| {
            let pixels: Vec<u8> = pixels(&stage, width, height).flat_map(u16::to_be_bytes).collect();
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
        for Taken { report, picture, .. } in &records.frames {
            let Some((_, logits)) = later.find(|(image, _)| image == picture) else {
                panic!("{context}: frame {} is no picture of what came after the one before", report.counter);
            };
            assert_eq!(report.logits, logits.as_slice(), "{context}");
        }
    }
}

/// The next frame of a stage.
pub fn pixels(mut stage: &Stage, width: u16, height: u16) -> impl Iterator<Item = u16> {
    stage.expose();
    (0..height).flat_map(move |y| (0..width).map(move |x| stage.rgb565(x, y, width, height)))
}
