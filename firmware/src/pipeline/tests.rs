extern crate std;

use super::*;
use crate::camera::{ByteOrder, FrameFormat, Framing, Pattern, Policy, Region};
use crate::fault::Fault;
use crate::testing::{NoWait, network};
use core::cell::{Cell, RefCell};
use embassy_futures::{block_on, yield_now};
use protocol::{Chunk, Deed, FaultClass, Finding, Problem, Start, TimeUnit};
use shared_model::encode::encode;
use shared_model::graph::Decision;
use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString};
use std::{vec, vec::Vec};

const FORMAT: FrameFormat = FrameFormat { width: 32, height: 32, order: ByteOrder::LittleEndian };

/// Everything that happens, in order, in words; and a clock that moves only when the test's parts move it.
#[derive(Default)]
struct World {
    events: RefCell<Vec<String>>,
    commands: RefCell<VecDeque<Command>>,
    now: Cell<u64>,
    /// What the camera sees does not change.
    is_still: Cell<bool>,
}

impl World {
    fn log(&self, event: impl ToString) {
        self.events.borrow_mut().push(event.to_string());
    }

    fn pass(&self, time: u64) {
        self.now.set(self.now.get() + time);
    }
}

/// A camera that fills its frame while others work, as DMA does: frame `n` is all of the colour `n`, but for one pixel.
struct Camera<'w> {
    world: &'w World,
    faults: VecDeque<Option<Fault>>,
    frames: u8,
    view: View,
}

impl FrameSource for Camera<'_> {
    const QUIET_MS: u32 = 0;

    fn format(&self) -> FrameFormat {
        FORMAT
    }

    fn view(&self) -> Option<View> {
        Some(self.view)
    }

    fn set_view(&mut self, view: View) {
        self.view = view;
        self.world.log(format!("{view:?}"));
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
        self.frames += u8::from(!self.world.is_still.get());
        let bytes = frame.begin(FORMAT)?;
        bytes.fill(self.frames);
        bytes[0] ^= 0xFF;
        frame.complete(FORMAT);
        Ok(())
    }

    async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        tell(Finding::Product { found: 7, is_known: true }).await;
        Err(Fault::Nack)
    }

    async fn capture_test_pattern(&mut self, frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        self.capture(frame).await?;
        Ok(Pattern::Taken)
    }
}

struct Host<'w>(&'w World);

impl Report for Host<'_> {
    async fn report(&mut self, message: &Message<'_>) {
        self.0.pass(1000);
        self.0.log(match message {
            Message::Start(start) => format!("start: {}", start.cause.name()),
            Message::DeviceInfo(info) => format!("{} with {}", info.model, info.camera),
            Message::Label(label) => format!("label {}: {}", label.index, label.text),
            Message::BootFailure(failure) => String::from(failure.text),
            Message::Frame(frame) => format!("frame {}: {:?}", frame.counter, frame.verdict),
            Message::Chunk(Chunk { id, kind: ChunkKind::FullFrame, total, offset, bytes }) => {
                format!("full frame {id} of {total} bytes at {offset}, colour {}", bytes[bytes.len() - 1])
            }
            Message::Chunk(chunk) => format!("picture {} at {}", chunk.id, chunk.offset),
            Message::FullFrame(frame) => {
                format!("full frame {}: {} x {}, {:?}", frame.counter, frame.width, frame.height, frame.encoding)
            }
            Message::Fault(fault) => format!("attempt {}: code {}, {:?}", fault.counter, fault.code, fault.recovery),
            Message::FrameMarks(marks) => {
                format!("marks of {}: {}", marks.counter, marks.marks.names().collect::<Vec<_>>().join(", "))
            }
            Message::Finding(finding) => format!("{finding:?}"),
            Message::Unsupported { request } => format!("unsupported {request}"),
            Message::Acknowledgement(_) | Message::Models(_) | Message::Setting(_) => {
                unreachable!("nothing is received in chunks")
            }
        });
    }

    fn command(&mut self) -> Option<Command> {
        self.0.commands.borrow_mut().pop_front()
    }
}

struct FeedLog<'w>(&'w World);

impl Watchdog for FeedLog<'_> {
    fn feed(&mut self) {
        self.0.log("fed");
    }
}

/// What the pipelines of the tests run on.
const IDENTITY: Identity<'_> = Identity {
    board: "host",
    camera: "a script",
    clocks: &[("clock in Hz", 9)],
    time_unit: TimeUnit::Microseconds,
    start: Start::POWER_ON,
};

/// The events of each step of a pipeline whose camera has `faults` (`None` is a frame) and whose reader gives `commands` before
/// the second step; behind them, what the last frames and one of class 0 give together.
fn steps(count: usize, faults: &[Option<Fault>], commands: &[Command]) -> Vec<Vec<String>> {
    let world = World::default();
    let blob = encode(&network(&[0, 2560])).expect("the network is valid");
    let (mut slot, mut memory) = (None, [0; 8192]);
    let booted = crate::boot::boot(&blob, &mut slot, &mut memory).expect("the blob is good");
    let camera = Camera { world: &world, faults: faults.iter().copied().collect(), frames: 0, view: View::Scene };
    let mut pipeline = Pipeline::new(
        IDENTITY,
        booted,
        Supervisor::new(camera, NoWait, Policy::default()),
        Method::Majority { window: 3 },
        Host(&world),
        || world.now.get(),
    );
    let (mut one, mut other) = (vec![0; FORMAT.len()], vec![0; FORMAT.len()]);
    let mut buffers = Buffers::new(&mut one, &mut other);
    let mut steps: Vec<_> = (0..count)
        .map(|step| {
            if step == 1 {
                world.commands.borrow_mut().extend(commands);
            }
            block_on(pipeline.step(&mut buffers, &mut FeedLog(&world)));
            world.events.take()
        })
        .collect();
    let verdict = pipeline.processing.smoothing.update(&[u16::MAX, 0]);
    steps.push(vec![format!("{verdict:?}")]);
    steps
}

const INFO: [&str; 4] = ["start: power", "constant with a script", "label 0: class 0", "label 1: class 1"];
const FRAME: &str = "Class { class: 1, probability: 65535 }";

/// What is said of one of the first frames, while the camera settles.
fn settling(counter: usize) -> [String; 2] {
    [format!("marks of {counter}: settling"), format!("frame {counter}: {FRAME}")]
}

#[test]
fn a_frame_is_classified_while_the_next_one_is_captured() {
    let steps = steps(3, &[], &[]);
    let first = [&INFO[..], &["initialize", "capture begins", "capture ends"]].concat();
    assert_eq!(steps[0], first);
    for (counter, step) in steps[1..3].iter().enumerate() {
        let [marks, frame] = settling(counter);
        assert_eq!(*step, ["capture begins", &marks, &frame, "fed", "capture ends"]);
    }
}

#[test]
fn a_fault_is_reported_leaves_a_gap_and_does_not_feed_the_watchdog() {
    let steps = steps(4, &[None, Some(Fault::Overrun { found: 2, expected: 3 }), None], &[]);
    let [marks, frame] = settling(0);
    let fault = "attempt 1: code 41, Retry";
    assert_eq!(steps[1], ["capture begins", &marks, &frame, "fed", "capture ends", fault]);
    assert_eq!(steps[2], ["capture begins", "capture ends"]);
    let [marks, frame] = settling(2);
    assert_eq!(steps[3], ["capture begins", &marks, &frame, "fed", "capture ends"]);
    // Frames before the gap have no vote.
    assert_eq!(steps[4], ["Class { class: 0, probability: 32767 }"]);
}

#[test]
fn a_host_that_comes_late_asks_for_the_device_and_one_picture() {
    let commands = [Command::DeviceInfo, Command::Pictures(PictureMode::Once), Command::Unsupported { request: 9 }];
    let steps = steps(3, &[], &commands);
    let [marks, frame] = settling(0);
    let then = [
        "capture begins",
        &marks,
        &frame,
        "picture 0 at 0",
        "picture 0 at 1024",
        "picture 0 at 2048",
        "fed",
        "capture ends",
    ];
    assert_eq!(steps[1], [&["unsupported 9"], &INFO[..], &then].concat());
    assert!(!steps[2].iter().any(|event| event.starts_with("picture")));
}

#[test]
fn pictures_come_with_every_frame_until_they_are_switched_off() {
    let count = |commands: &[Command]| {
        let events = steps(6, &[], commands).concat();
        events.iter().filter(|event| event.starts_with("picture") && event.ends_with("at 0")).count()
    };
    let every = Command::Pictures(PictureMode::Every);
    assert_eq!(count(&[every]), 5);
    assert_eq!(count(&[every, Command::Pictures(PictureMode::Off)]), 0);
}

#[test]
fn a_full_frame_follows_its_report_and_picture_and_is_what_the_camera_gave() {
    let once = PictureMode::Once;
    let steps = steps(3, &[], &[Command::FullFrames(once), Command::Pictures(once)]);
    let [marks, frame] = settling(0);
    let picture = ["picture 0 at 0", "picture 0 at 1024", "picture 0 at 2048"];
    let full = [
        "full frame 0: 32 x 32, Rgb565LittleEndian",
        "full frame 0 of 2048 bytes at 0, colour 1",
        "full frame 0 of 2048 bytes at 1024, colour 1",
    ];
    let expected = [&["capture begins", &marks, &frame], &picture[..], &full, &["fed", "capture ends"]].concat();
    assert_eq!(steps[1], expected);
    assert!(!steps[2].iter().any(|event| event.starts_with("full frame")));
}

#[test]
fn full_frames_come_with_every_frame_until_they_are_switched_off() {
    let count = |commands: &[Command]| {
        let events = steps(6, &[], commands).concat();
        events.iter().filter(|event| event.starts_with("full frame") && event.contains(" at 0, ")).count()
    };
    let every = Command::FullFrames(PictureMode::Every);
    assert_eq!(count(&[every]), 5);
    assert_eq!(count(&[every, Command::FullFrames(PictureMode::Off)]), 0);
}

#[test]
fn what_is_examined_is_told_between_two_frames_and_the_frame_that_was_taken_for_it_is_sent() {
    let full = |counter, colour| {
        let chunk = |offset| format!("full frame {counter} of 2048 bytes at {offset}, colour {colour}");
        [format!("full frame {counter}: 32 x 32, Rgb565LittleEndian"), chunk(0), chunk(1024)]
    };
    let found = |subject| {
        let steps = steps(3, &[], &[Command::Examine(subject)]);
        let [marks, frame] = settling(0);
        let then = ["capture begins", &marks, &frame, "fed", "capture ends"];
        // The camera is started anew behind a test pattern alone.
        let initialize = &["initialize"][..usize::from(subject == Subject::TestPattern)];
        let then = [initialize, &then].concat();
        let (found, next) = steps[1].split_at(steps[1].len() - then.len());
        let (mut next, mut then) = (next.to_vec(), then.iter().map(ToString::to_string).collect::<Vec<_>>());
        next.sort();
        then.sort();
        assert_eq!(next, then);
        let [marks, frame] = settling(1);
        assert_eq!(steps[2], ["capture begins", &marks, &frame, "fed", "capture ends"]);
        found.to_vec()
    };
    let board = [
        Finding::Value { name: "clock in Hz", value: 9 },
        Finding::KnownAnswer { holds: true },
        Finding::End(Subject::Board),
    ];
    assert_eq!(found(Subject::Board), board.map(|finding| format!("{finding:?}")));

    let done = |deed, time, problem| format!("{:?}", Finding::Done { deed, time, problem });
    let nack = Problem { class: FaultClass::Bus, code: 1, text: &Fault::Nack.to_string() };
    let expected = [
        vec![
            String::from("initialize"),
            done(Deed::Start, 0, None),
            format!("{:?}", Finding::Product { found: 7, is_known: true }),
            done(Deed::Read, 1000, Some(nack)),
            String::from("capture begins"),
            String::from("capture ends"),
            done(Deed::Capture, 10, None),
        ],
        full(1, 2).to_vec(),
        vec![format!("{:?}", Finding::End(Subject::Camera))],
    ];
    assert_eq!(found(Subject::Camera), expected.concat());

    let expected = [
        vec![String::from("capture begins"), String::from("capture ends"), done(Deed::Capture, 10, None)],
        full(1, 2).to_vec(),
        vec![format!("{:?}", Finding::End(Subject::TestPattern))],
    ];
    assert_eq!(found(Subject::TestPattern), expected.concat());
}

#[test]
fn a_setting_counts_from_the_next_frame_on() {
    let world = World::default();
    let blob = encode(&network(&[0, 2560])).expect("the network is valid");
    let (mut slot, mut memory) = (None, [0; 8192]);
    let booted = crate::boot::boot(&blob, &mut slot, &mut memory).expect("the blob is good");
    let camera = Camera { world: &world, faults: VecDeque::new(), frames: 0, view: View::Scene };
    let framed = Framed::new(camera, Framing::DEFAULT).expect("all of it");
    let supervisor = Supervisor::new(framed, NoWait, Policy::default());
    let mut pipeline = Pipeline::new(IDENTITY, booted, supervisor, Method::None, Host(&world), || world.now.get());
    let (mut one, mut other) = (vec![0; FORMAT.len()], vec![0; FORMAT.len()]);
    let mut buffers = Buffers::new(&mut one, &mut other);
    let own = Settings::DEFAULT;
    let region = Some(Region { left: 0, top: 0, width: 16, height: 8 });
    let part = Framing { region, ..own.framing };
    // What is set, whether the camera sees the same again and again, and what is then said that was not before.
    let cases = [
        (Key::Threshold, Settings { threshold: Some(100), ..own.clone() }, false, "NotSure"),
        (
            Key::Smoothing,
            Settings { smoothing: Method::Majority { window: 3 }, ..own.clone() },
            false,
            "probability: 65535",
        ),
        (Key::Region, Settings { framing: part, ..own.clone() }, false, "16 x 8"),
        (Key::View, Settings { view: View::ColorBars, ..own.clone() }, true, "initialize"),
        (Key::Pictures, Settings { sends_pictures: true, ..own.clone() }, false, "picture"),
        // Not said is the fault of a picture that stands still.
        (Key::Motion, Settings { expect_motion: false, ..own.clone() }, true, "frame"),
    ];
    for (key, settings, is_still, says) in cases {
        let mut counts = [&own, &settings].map(|settings| {
            pipeline.apply(settings, key);
            // The frame before is still the one that was asked for earlier.
            block_on(pipeline.step(&mut buffers, &mut FeedLog(&world)));
            let mut events = world.events.take();
            world.is_still.set(is_still && settings != &own);
            for _ in 0..3 {
                world.commands.borrow_mut().push_back(Command::FullFrames(PictureMode::Once));
                block_on(pipeline.step(&mut buffers, &mut FeedLog(&world)));
                events.extend(world.events.take());
            }
            world.is_still.set(false);
            assert!(!events.iter().any(|event| event.starts_with("attempt")), "{key:?}: {events:?}");
            events.retain(|event| event.contains(says));
            events.len()
        });
        if key == Key::Motion {
            counts[0] = 0;
        }
        assert!(counts[0] == 0 && counts[1] > 0, "{key:?}: {counts:?}");
        pipeline.apply(&own, key);
        for _ in 0..3 {
            block_on(pipeline.step(&mut buffers, &mut FeedLog(&world)));
        }
        world.events.take();
    }
    // With both as the program has them, it is a fault.
    world.is_still.set(true);
    for _ in 0..3 {
        block_on(pipeline.step(&mut buffers, &mut FeedLog(&world)));
    }
    assert!(world.events.take().iter().any(|event| event.starts_with("attempt")));
}

#[test]
fn a_flood_of_commands_does_not_stop_the_frames() {
    let steps = steps(3, &[], &[Command::DeviceInfo; 9]);
    assert!(steps[1].contains(&format!("frame 0: {FRAME}")));
    assert!(steps[2].contains(&format!("frame 1: {FRAME}")));
}

#[test]
fn each_stage_has_its_own_time() {
    let world = World::default();
    let blob = encode(&network(&[0, 2560])).expect("the network is valid");
    let (mut slot, mut memory) = (None, [0; 8192]);
    let booted = crate::boot::boot(&blob, &mut slot, &mut memory).expect("the blob is good");
    // Every look at the clock takes a time that no sum of others equals.
    let clock = || {
        let now = world.now.get();
        world.now.set(2 * now.max(1));
        now
    };
    let mut buffer = vec![7; FORMAT.len()];
    let mut buffers = Buffers::new(&mut buffer, &mut []);
    buffers.front.frame.complete(FORMAT);
    buffers.front.time = 12_345;
    struct Keep(Option<StageTimes>);
    impl Report for Keep {
        async fn report(&mut self, message: &Message<'_>) {
            if let Message::Frame(frame) = message {
                self.0 = Some(frame.times);
            }
        }
    }
    world.now.set(1);
    let mut processing = Processing {
        booted,
        smoothing: Smoothing::new(Method::None, Decision::default()),
        report: Keep(None),
        pictures: PictureMode::Off,
        full_frames: PictureMode::Off,
        report_time: 99,
    };
    let counters = FaultCounters::new();
    let process = processing.process(&buffers.front, &clock, &counters);
    assert!(block_on(process));
    let expected = StageTimes { capture: 12_345, preprocess: 1, classify: 2, report: 99 };
    assert_eq!(processing.report.0, Some(expected));
    assert_eq!(processing.report_time, 8);
}
