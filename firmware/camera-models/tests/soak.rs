//! Days of a board, on the host in simulated time: frames, faults, updates, settings, rollbacks and power cuts at random.
//!
//! Each frame and each fault is accounted for, each picture has the logits of the model that runs, and there is always one. The memory is what it was
//! in the beginning: the firmware takes none while it runs. Two hours, or as many as the environment variable `SOAK_HOURS` says.

use core::cell::{Cell, RefCell};
use core::ops::Range;
use std::collections::VecDeque;
use std::rc::Rc;

use camera_models::{Injection, Sight, SimulatedDelay, Stage, Time, ov2640};
use embassy_futures::block_on;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::boot::{Identity, boot};
use firmware::camera::ov2640::Ov2640;
use firmware::camera::{FrameSource, Framed, Policy, Supervisor, View};
use firmware::deployment::{Change, Deployment, Mapped};
use firmware::pipeline::{Buffers, Pipeline};
use firmware::report::Report;
use firmware::settings::{Key, Scope, Settings};
use firmware::watchdog::Watchdog;
use flash_models::{Cut, NorFlashModel};
use model_store::Layout;
use protocol::{
    Message, ModelRequest, ModelSender, Request, SendProgress, SettingAnswer, SettingRequest, Start, TimeUnit,
    UpdateRequest,
};
use shared_model::encode::encode;
use shared_model::testing::{Numbers, Plain, network};
use shared_model::{AlignedBytes, Interpreter, Model, Shape};
use support::Offer;

#[expect(dead_code, reason = "the tests of model-store use more of it")]
#[path = "../../model-store/tests/store/support.rs"]
mod support;

const SHAPE: Shape = Shape::new(16, 16, 3);
const HOUR_NS: u64 = 3_600_000_000_000;
/// The watchdog's time on the boards.
const WATCHDOG_NS: u64 = 16_000_000_000;
/// An eighth of it.
const LONGEST_INTERVAL_MS: u16 = 2_000;
/// What a look at the clock takes.
const LOOK_NS: u64 = 100_000;
/// Bytes of a place for a model.
const PLACE: u32 = 4096;
/// Bytes of the record.
const RECORD: u32 = 2048;
/// Bytes for a picture and an inference.
const MEMORY: usize = 8192;

/// One attempt in so many, each on its own.
const FAULT: u64 = 8;
const SCENE: u64 = 200;
const SETTING: u64 = 40;
const TRANSFER: u64 = 150;
const SILENCE: u64 = 100;
const ROLLBACK: u64 = 700;
const POWER_CUT: u64 = 400;
/// Writes and erases until the power is cut: more than an update has.
const OPERATIONS: u64 = 200;
/// The longest fault, in transactions.
const LONGEST_FAULT: u64 = 20;

/// What people ask of settings, some of it in vain.
const WISHES: [(&str, &str); 22] = [
    ("threshold", "model"),
    ("threshold", "0"),
    ("threshold", "70"),
    ("threshold", "101"),
    ("smoothing", "none"),
    ("smoothing", "majority:5"),
    ("smoothing", "exponential:64"),
    ("smoothing", "median:3"),
    ("interval", "none"),
    ("interval", "300"),
    ("interval", "2000"),
    ("interval", "2001"),
    ("region", "all"),
    ("region", "10,20,64,48"),
    ("region", "150,0,64,48"),
    ("orientation", "upright"),
    ("orientation", "mirrored"),
    ("view", "scene"),
    ("view", "color-bars"),
    ("motion", "any"),
    ("pictures", "every"),
    ("brightness", "3"),
];

type Flash = NorFlashModel<Vec<u8>, 32, 1024>;

/// The chip of the board, which outlives every reset.
#[derive(Clone)]
struct Chip(Rc<RefCell<Flash>>);

impl ErrorType for Chip {
    type Error = <Flash as ErrorType>::Error;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = Flash::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.borrow_mut().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.borrow().capacity()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = Flash::WRITE_SIZE;
    const ERASE_SIZE: usize = Flash::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.borrow_mut().erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.borrow_mut().write(offset, bytes)
    }
}

impl Mapped for Chip {
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        let chip = self.0.borrow();
        Box::leak(Box::new(AlignedBytes::from(&chip.bytes()[range.start as usize..range.end as usize])))
    }
}

fn offer(seed: u64) -> Offer {
    Offer::new(&encode(&network(seed, SHAPE, &[Plain::Dense(3, false)])).expect("the network is valid"))
}

/// One whose bytes were changed after it was announced.
fn spoilt_offer(seed: u64) -> Offer {
    let mut offer = offer(seed);
    let middle = offer.blob.len() / 2;
    offer.blob[middle] ^= 1;
    offer
}

fn logits(blob: &[u8], picture: &[u8]) -> Vec<i32> {
    let blob = AlignedBytes::from(blob);
    let model = Model::load(&blob).expect("it is well-formed");
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is as asked for");
    interpreter.classify(picture).expect("it has the shape").logits.to_vec()
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    attempts: u64,
    frames: u64,
    faults: u64,
    /// Taken when another pipeline began.
    in_flight: u64,
    checked: u64,
    installed: u64,
    refused: u64,
    rollbacks: u64,
    power_cuts: u64,
    /// Resets by the watchdog.
    starved: u64,
    changed: u64,
    denied: u64,
}

/// A computer at the other end of the line.
struct Computer<'o> {
    offers: &'o [Offer],
    tally: Tally,
    /// Of the model that runs.
    crc32: u32,
    /// Of the frame or the fault that comes next.
    counter: u32,
    logits: Vec<i32>,
    picture: Vec<u8>,
    sender: Option<ModelSender<'o>>,
    is_answered: bool,
    requests: VecDeque<UpdateRequest>,
}

impl Computer<'_> {
    fn next_request(&mut self) -> Option<UpdateRequest> {
        let sent = self.sender.as_ref().filter(|_| self.is_answered).and_then(|sender| {
            self.is_answered = false;
            UpdateRequest::new(&sender.next_request())
        });
        sent.or_else(|| self.requests.pop_front())
    }

    /// Frames and faults come one after the other, and none is left out.
    fn account(&mut self, counter: u32) {
        assert_eq!(counter, self.counter, "{:?}", self.tally);
        self.counter += 1;
    }

    fn hear(&mut self, message: &Message<'_>) {
        match message {
            Message::Frame(frame) => {
                self.account(frame.counter);
                self.tally.frames += 1;
                self.logits = frame.logits.to_vec();
                self.picture.clear();
            }
            Message::Chunk(chunk) => {
                assert_eq!((chunk.id, chunk.offset as usize), (self.counter - 1, self.picture.len()));
                self.picture.extend(chunk.bytes);
                if self.picture.len() == SHAPE.elements() {
                    let runs = self.offers.iter().find(|offer| offer.crc32 == self.crc32).expect("one that was sent");
                    assert_eq!(self.logits, logits(&runs.blob, &self.picture));
                    self.tally.checked += 1;
                }
            }
            Message::Fault(fault) => {
                self.account(fault.counter);
                self.tally.faults += 1;
            }
            Message::DeviceInfo(info) => self.crc32 = info.crc32,
            Message::Acknowledgement(answer) => {
                self.is_answered = true;
                let Some(sender) = &mut self.sender else { return };
                match sender.take(answer) {
                    SendProgress::Received(_) | SendProgress::Unrelated => {}
                    SendProgress::Installed => (self.tally.installed, self.sender) = (self.tally.installed + 1, None),
                    SendProgress::Refused { .. } => (self.tally.refused, self.sender) = (self.tally.refused + 1, None),
                }
            }
            Message::Setting(SettingAnswer::Changed(_)) => self.tally.changed += 1,
            Message::Setting(SettingAnswer::Refused { .. }) => self.tally.denied += 1,
            Message::FrameMarks(_) | Message::Start(_) | Message::Label(_) | Message::Models(_) => {}
            Message::BootFailure(_)
            | Message::Unsupported { .. }
            | Message::FullFrame(_)
            | Message::Finding(_)
            | Message::Setting(SettingAnswer::Present(_)) => panic!("{message:?}"),
        }
    }
}

/// The line to it.
struct Line<'c, 'o>(&'c RefCell<Computer<'o>>);

impl Report for Line<'_, '_> {
    async fn report(&mut self, message: &Message<'_>) {
        self.0.borrow_mut().hear(message);
    }
}

/// When it was fed.
struct Dog<'t> {
    time: &'t Time,
    fed: Cell<u64>,
}

impl Dog<'_> {
    fn is_starved(&self) -> bool {
        self.time.nanoseconds() - self.fed.get() > WATCHDOG_NS
    }
}

impl Watchdog for &Dog<'_> {
    fn feed(&mut self) {
        self.fed.set(self.time.nanoseconds());
    }
}

/// What happens beside the frames.
struct Chance<'w> {
    numbers: Numbers,
    sensor: &'w ov2640::Ov2640<'w, &'w Stage>,
    stage: &'w Stage,
    chip: Chip,
}

impl Chance<'_> {
    fn is(&mut self, one_in: u64) -> bool {
        self.numbers.below(one_in) == 0
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.numbers.below(choices.len() as u64) as usize]
    }

    fn strike<'o>(&mut self, computer: &mut Computer<'o>) {
        if self.is(FAULT) {
            let fault = self.one_of(&ov2640::Fault::ALL);
            let first = self.sensor.faults.transactions() + self.numbers.below(6) as u32;
            self.sensor.faults.inject(Injection { fault, first, count: 1 + self.numbers.below(LONGEST_FAULT) as u32 });
        }
        if self.is(SCENE) {
            let sight = self.one_of(&Sight::ALL);
            self.stage.sight.set(sight);
        }
        if self.is(SETTING) {
            let (key, value) = self.one_of(&WISHES);
            computer.requests.extend(UpdateRequest::new(&Request::Settings(SettingRequest::Set { key, value })));
        }
        if self.is(ROLLBACK) {
            computer.tally.rollbacks += 1;
            computer.requests.extend(UpdateRequest::new(&Request::Models(ModelRequest::Rollback)));
        }
        if computer.sender.is_none() && self.is(TRANSFER) {
            let offers = computer.offers;
            let offer = &offers[self.numbers.below(offers.len() as u64) as usize];
            (computer.sender, computer.is_answered) = (Some(ModelSender::new(offer.announcement(), &offer.blob)), true);
        } else if self.is(SILENCE) {
            // The computer goes away.
            computer.sender = None;
        }
        if self.is(POWER_CUT) {
            let operation = self.numbers.below(OPERATIONS) as u32;
            let cut = self.one_of(&Cut::ALL);
            self.chip.0.borrow_mut().cut_power_at(operation, cut);
        }
    }
}

#[test]
fn a_board_runs_for_days_whatever_happens() {
    let hours: u64 = std::env::var("SOAK_HOURS").map_or(2, |hours| hours.parse().expect("a number of hours"));
    let offers = [offer(1), offer(2), offer(3), spoilt_offer(4)];
    let capacity = (2 * PLACE + RECORD) as usize;
    let mut flash = Flash::new(vec![0; Flash::memory_len(capacity)], capacity, true);
    let mut first = offers[0].blob.clone();
    first.resize(first.len().next_multiple_of(32), 0xFF);
    flash.write(0, &first).expect("it is erased");
    let chip = Chip(Rc::new(RefCell::new(flash)));

    let (time, stage) = (Time::new(), Stage::new(Sight::MovingBlocks));
    let delay = SimulatedDelay(&time);
    let sensor = ov2640::Ov2640::new(&time, &stage, ov2640::Habits::default());
    let mut driver = Ov2640::new(&sensor, &sensor, delay, View::Scene);
    let format = driver.format();
    let (mut one, mut other) = (vec![0; format.len()], vec![0; format.len()]);
    let dog = Dog { time: &time, fed: Cell::new(0) };
    let clock = || {
        time.advance(LOOK_NS);
        time.nanoseconds() / 1_000
    };
    let computer = RefCell::new(Computer {
        offers: &offers,
        tally: Tally::default(),
        crc32: 0,
        counter: 0,
        logits: vec![],
        picture: vec![],
        sender: None,
        is_answered: true,
        requests: VecDeque::new(),
    });
    let mut chance = Chance { numbers: Numbers(24), sensor: &sensor, stage: &stage, chip: chip.clone() };
    let scope = Scope {
        defaults: Settings::DEFAULT,
        format,
        has_views: true,
        longest_interval_ms: LONGEST_INTERVAL_MS,
        has_output: false,
    };
    let end = hours * HOUR_NS;
    while time.nanoseconds() < end {
        chip.0.borrow_mut().power_on();
        let layout = Layout::new::<Flash>([0..PLACE, PLACE..2 * PLACE], 2 * PLACE..2 * PLACE + RECORD, 32, 1024);
        let mut deployment =
            Deployment::open(chip.clone(), layout, MEMORY, None, TimeUnit::Microseconds, scope.clone());
        let (mut model, mut memory) = (None, vec![0; MEMORY]);
        (&dog).feed();
        let is_up = || chip.0.borrow().is_on() && !dog.is_starved() && time.nanoseconds() < end;
        while is_up() {
            let booted = match boot(deployment.start(), &mut model, &mut memory) {
                Ok(booted) => booted,
                Err(error) => {
                    assert!(deployment.reject(&error) || !chip.0.borrow().is_on(), "no model is left: {error}");
                    continue;
                }
            };
            deployment.wait();
            let present = deployment.settings().present();
            let mut pipeline = Pipeline::new(
                Identity {
                    board: "host",
                    camera: "OV2640",
                    clocks: &[],
                    time_unit: TimeUnit::Microseconds,
                    start: Start::POWER_ON,
                },
                booted,
                Supervisor::new(
                    Framed::new(&mut driver, present.framing).expect("it was accepted"),
                    delay,
                    Policy::default(),
                ),
                present.smoothing,
                Line(&computer),
                clock,
            );
            for key in Key::ALL {
                pipeline.apply(present, key);
            }
            computer.borrow_mut().counter = 0;
            let mut buffers = Buffers::new(&mut one, &mut other);
            let mut attempts = 0;
            let mut tick = time.nanoseconds();
            let change = loop {
                chance.strike(&mut computer.borrow_mut());
                let requests = || computer.borrow_mut().next_request();
                let mut watchdog = &dog;
                let step = deployment.step(&mut pipeline, &mut buffers, &mut watchdog, requests, clock);
                let change = block_on(step);
                attempts += 1;
                // As a board's ticker: frames come in time, and the first ones behind those that were late follow at once.
                tick += u64::from(deployment.settings().present().interval_ms) * 1_000_000;
                time.advance(tick.saturating_sub(time.nanoseconds()));
                match change {
                    Some(Change::Setting(key)) => {
                        tick = time.nanoseconds();
                        pipeline.apply(deployment.settings().present(), key);
                    }
                    Some(change @ (Change::Install | Change::Restart)) => break Some(change),
                    None => {}
                }
                if !is_up() {
                    break None;
                }
            };
            drop(pipeline);
            let mut heard = computer.borrow_mut();
            let in_flight = attempts - u64::from(heard.counter);
            assert!(in_flight <= 1, "{in_flight} of {attempts} attempts are not accounted for");
            heard.tally.attempts += attempts;
            heard.tally.in_flight += in_flight;
            drop(heard);
            if change == Some(Change::Install) {
                let mut line = Line(&computer);
                block_on(deployment.install(&mut model, &mut memory, &mut line));
            }
        }
        let mut heard = computer.borrow_mut();
        heard.tally.power_cuts += u64::from(!chip.0.borrow().is_on());
        heard.tally.starved += u64::from(dog.is_starved());
        // What was on the line is lost, and the computer begins again when it likes.
        (heard.sender, heard.is_answered) = (None, true);
        heard.requests.clear();
    }
    let tally = computer.into_inner().tally;
    println!("{hours} h: {tally:?}");
    assert_eq!(tally.attempts, tally.frames + tally.faults + tally.in_flight);
    // It is the answer to a camera that gives nothing for long, and no more than that.
    assert!(tally.starved * 200 < tally.attempts, "{tally:?}");
    // A run in which nothing fails, or nothing works, tests nothing.
    let Tally { frames, faults, checked, installed, refused, rollbacks, power_cuts, changed, denied, .. } = tally;
    for (count, least) in [(frames, 1_000), (faults, 100), (checked, 100), (installed, 4), (changed, 10), (denied, 4)] {
        assert!(count >= least * hours, "{tally:?}");
    }
    assert!([refused, rollbacks, power_cuts].into_iter().all(|count| count >= hours), "{tally:?}");
}
