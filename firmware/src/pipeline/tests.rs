extern crate std;

use super::*;
use crate::camera::{ByteOrder, Frame, FrameFormat, Policy};
use crate::fault::FaultCounters;
use crate::protocol::StageTimes;
use crate::testing::network;
use core::cell::{Cell, RefCell};
use embassy_futures::{block_on, yield_now};
use shared_model::encode::encode;
use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString};
use std::{vec, vec::Vec};

const FORMAT: FrameFormat = FrameFormat {
    width: 32,
    height: 32,
    order: ByteOrder::LittleEndian,
};

/// Everything that happens, in order, in words; and a clock that moves only when the test's parts move it.
#[derive(Default)]
struct World {
    events: RefCell<Vec<String>>,
    requests: RefCell<VecDeque<Request>>,
    now: Cell<u64>,
}

impl World {
    fn log(&self, event: impl ToString) {
        self.events.borrow_mut().push(event.to_string());
    }

    fn pass(&self, time: u64) {
        self.now.set(self.now.get() + time);
    }

    fn take(&self) -> Vec<String> {
        self.events.take()
    }
}

/// A camera that fills its frame while others work, as DMA does: frame `n` is all of the colour `n`, but for one pixel.
struct Camera<'w> {
    world: &'w World,
    faults: VecDeque<Option<Fault>>,
    frames: u8,
}

impl FrameSource for Camera<'_> {
    fn format(&self) -> FrameFormat {
        FORMAT
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.world.log("initialize");
        Ok(())
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        self.world.log("capture begins");
        self.world.pass(10);
        yield_now().await;
        self.world.log("capture ends");
        if let Some(Some(fault)) = self.faults.pop_front() {
            return Err(fault);
        }
        self.frames += 1;
        let bytes = frame.begin(FORMAT)?;
        bytes.fill(self.frames);
        bytes[0] ^= 0xFF;
        frame.complete(FORMAT);
        Ok(())
    }
}

struct Host<'w>(&'w World);

impl Report for Host<'_> {
    async fn report(&mut self, message: &Message<'_>) {
        let World { now, .. } = self.0;
        now.set(now.get() + 1000);
        self.0.log(match message {
            Message::Banner(banner) => format!("banner of {} with {}", banner.model, banner.camera),
            Message::Refusal(_) => String::from("refusal"),
            Message::Frame(frame) => format!("frame {}: {:?}", frame.counter, frame.verdict),
            Message::Picture(picture) => format!("picture {}", picture.counter),
            Message::Fault(report) => {
                format!(
                    "attempt {}: {:?}, {:?}",
                    report.counter, report.fault, report.remedy
                )
            }
        });
    }

    fn request(&mut self) -> Option<Request> {
        self.0.requests.borrow_mut().pop_front()
    }
}

struct Dog<'w>(&'w World);

impl Watchdog for Dog<'_> {
    fn feed(&mut self) {
        self.0.log("fed");
    }
}

struct NoWait;

impl DelayNs for NoWait {
    async fn delay_ns(&mut self, _nanoseconds: u32) {}
}

/// The events of each step of a pipeline whose camera has `faults` (`None` is a frame) and whose host asks for `requests` before
/// the second step.
fn steps(count: usize, faults: &[Option<Fault>], requests: &[Request]) -> Vec<Vec<String>> {
    let world = World::default();
    let blob = encode(&network(&[0, 2560])).expect("the network is valid");
    let (mut slot, mut arena) = (None, [0; 8192]);
    let (model, interpreter) =
        crate::boot::boot(&blob, &mut slot, &mut arena).expect("the blob is good");
    let camera = Camera {
        world: &world,
        faults: faults.iter().copied().collect(),
        frames: 0,
    };
    let board = Board {
        name: "host",
        camera: "a script",
        blob_len: blob.len() as u32,
        plan: "",
        time_unit: TimeUnit::Microseconds,
    };
    let mut pipeline = Pipeline::new(
        board,
        model,
        interpreter,
        Supervisor::new(camera, NoWait, Policy::default()),
        Smoothing::new(Method::Majority { window: 3 }, 0),
        Host(&world),
        || world.now.get(),
    );
    let (mut one, mut other) = (vec![0; FORMAT.len()], vec![0; FORMAT.len()]);
    let mut buffers = Buffers::new(&mut one, &mut other);
    (0..count)
        .map(|step| {
            if step == 1 {
                world.requests.borrow_mut().extend(requests);
            }
            block_on(pipeline.step(&mut buffers, &mut Dog(&world)));
            world.take()
        })
        .collect()
}

const FRAME: &str = "Class { class: 1, probability: 65535 }";

#[test]
fn a_frame_is_classified_while_the_next_one_is_captured() {
    let steps = steps(3, &[], &[]);
    let banner = "banner of constant with a script";
    assert_eq!(
        steps[0],
        [banner, "initialize", "capture begins", "capture ends"]
    );
    for (counter, step) in steps[1..].iter().enumerate() {
        let frame = format!("frame {counter}: {FRAME}");
        assert_eq!(*step, ["capture begins", &frame, "fed", "capture ends"]);
    }
}

#[test]
fn a_fault_is_reported_leaves_a_gap_and_does_not_feed_the_watchdog() {
    let steps = steps(4, &[None, Some(Fault::Overrun), None], &[]);
    let frame = format!("frame 0: {FRAME}");
    let fault = "attempt 1: Overrun, Retry";
    assert_eq!(
        steps[1],
        ["capture begins", &frame, "fed", "capture ends", fault]
    );
    assert_eq!(steps[2], ["capture begins", "capture ends"]);
    let frame = format!("frame 2: {FRAME}");
    assert_eq!(steps[3], ["capture begins", &frame, "fed", "capture ends"]);
}

#[test]
fn a_host_that_comes_late_asks_for_the_banner_and_one_picture() {
    let requests = [Request::Banner, Request::Pictures(PictureMode::Once)];
    let steps = steps(3, &[], &requests);
    let banner = "banner of constant with a script";
    let frame = format!("frame 0: {FRAME}");
    let expected = [
        banner,
        "capture begins",
        &frame,
        "picture 0",
        "fed",
        "capture ends",
    ];
    assert_eq!(steps[1], expected);
    assert!(!steps[2].iter().any(|event| event.starts_with("picture")));
}

#[test]
fn pictures_come_with_every_frame_until_they_are_switched_off() {
    let count = |requests: &[Request]| {
        let events = steps(6, &[], requests).concat();
        events
            .iter()
            .filter(|event| event.starts_with("picture"))
            .count()
    };
    let every = Request::Pictures(PictureMode::Every);
    assert_eq!(count(&[every]), 5);
    assert_eq!(count(&[every, Request::Pictures(PictureMode::Off)]), 0);
}

#[test]
fn a_flood_of_requests_does_not_stop_the_frames() {
    let steps = steps(3, &[], &[Request::Banner; 9]);
    assert!(steps[1].contains(&format!("frame 0: {FRAME}")));
    assert!(steps[2].contains(&format!("frame 1: {FRAME}")));
}

#[test]
fn each_stage_has_its_own_time() {
    let world = World::default();
    let blob = encode(&network(&[0, 2560])).expect("the network is valid");
    let model = Model::load(&blob).expect("the blob is good");
    let mut arena = [0; 8192];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is long enough");
    // Every look at the clock takes a time that no sum of others equals.
    let clock = || {
        let now = world.now.get();
        world.now.set(2 * now.max(1));
        now
    };
    let mut buffer = vec![7; FORMAT.len()];
    let mut buffers = Buffers::new(&mut buffer, &mut []);
    buffers.front.frame.complete(FORMAT);
    buffers.front.capture_time = 12_345;
    let mut smoothing = Smoothing::new(Method::None, 0);
    let (mut pictures, mut report_time) = (PictureMode::Off, 99);
    struct Keep(Option<StageTimes>);
    impl Report for Keep {
        async fn report(&mut self, message: &Message<'_>) {
            if let Message::Frame(frame) = message {
                self.0 = Some(frame.times);
            }
        }
    }
    let mut keep = Keep(None);
    world.now.set(1);
    let mut stages = Stages {
        interpreter: &mut interpreter,
        smoothing: &mut smoothing,
        report: &mut keep,
        clock: &clock,
        pictures: &mut pictures,
        report_time: &mut report_time,
        faults: FaultCounters::new(),
    };
    assert!(block_on(stages.process(&buffers.front)));
    let expected = StageTimes {
        capture: 12_345,
        preprocess: 1,
        classify: 2,
        report: 99,
    };
    assert_eq!(keep.0, Some(expected));
    assert_eq!(report_time, 8);
}
