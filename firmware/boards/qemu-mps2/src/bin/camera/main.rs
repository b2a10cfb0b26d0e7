//! Classifies what a modelled camera sees on an emulated Cortex-M4, -M7 or -M33: driver, reduction, network and reports are those
//! of the boards with a real camera.
//!
//! A program of its own, so that the camera and its buffers do not count in what `tests/bench` measures of the other one.
//! QEMU passes its arguments through semihosting (see [`Arguments`]). Reports go through the serial port in the protocol that
//! every board speaks; what only an emulator tells, such as the use of the stack, goes through semihosting as [`qemu_messages`].
#![no_std]
#![no_main]

mod flash;
mod uart;

use core::cell::{Cell, RefCell};
use core::fmt::Debug;
use core::str::Utf8Error;

use camera_models::{Injection, Injector, Scene, SimulatedDelay, Time, arducam_mega, ov2640};
use cortex_m as _;
use cortex_m_rt::entry;
use embassy_futures::block_on;
use firmware::boot::{self, Identity};
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{self as ov2640_driver, Ov2640};
use firmware::camera::{FrameSource, Framed, Policy, Supervisor, View};
use firmware::deployment::{Change, Deployment};
use firmware::pipeline::{Buffers, Pipeline};
use firmware::report::{Report, Serial};
use firmware::settings::{Key, Scope, Settings};
use firmware::watchdog::Watchdog;
use flash::{ModelFlash, Power};
use flash_model::PICTURE_LEN;
use oorandom::Rand32;
use protocol::{BootFailure, Message, Start, TimeUnit};
use qemu_messages::{QemuMessage, Totals};
use qemu_mps2::clock::{self, InstructionDelay};
use qemu_mps2::host;
use qemu_program::records::RecordFile;
use qemu_program::{COMMAND_LINE_LEN, fail, send, stack};
use semihosting::experimental::env;
use semihosting::process::ExitCode;
use shared_model::Model;

/// The longest frame of a [`Camera`].
const FRAME_LEN: usize = ov2640_driver::FORMAT.len();
/// The sensor of a 3 MP camera, which has the newer numbers of resolutions.
const SENSOR_ID: u8 = 0x86;

/// Bytes of a picture, and of as much for an inference as a board with a camera has at least.
const WORKING_LEN: usize = PICTURE_LEN + flash_model::arena_len(64 * 1024);

/// Transactions of about one attempt, most of which wait for the picture.
const ARDUCAM_SPAN: u32 = 80;
const OV2640_SPAN: u32 = 6;
/// One attempt in so many is disturbed.
const RARITY: u32 = 4;
/// The longest fault, in transactions.
const LONGEST: u32 = 20;
/// A message that the serial port has not taken after so long is dropped: some seconds of the host's time.
const SERIAL_LIMIT_MS: u32 = 2_000;
/// About half of those of a configuration.
const WRITES_OF_A_WEAK_SUPPLY: u32 = 40;
/// The longest name of a fault.
const NAME_LEN: usize = 32;
/// The use of the stack is reported after every so many frames.
const STACK_INTERVAL: u32 = 100;

/// The modelled camera and its picture's size.
#[derive(Clone, Copy)]
enum Camera {
    ArducamMega(Resolution),
    Ov2640,
}

impl Camera {
    /// Bytes of a frame as its driver sets it up.
    const fn frame_len(self) -> usize {
        match self {
            Self::ArducamMega(resolution) => resolution.format().len(),
            Self::Ov2640 => FRAME_LEN,
        }
    }
}

/// What is the matter with the camera.
#[derive(Clone, Copy)]
enum Trouble<'n> {
    None,
    /// Every now and then something else, as a seed decides.
    Random(u64),
    /// This fault of the model from the beginning on, or one of the wires or habits that `watch` names.
    Always(&'n str),
}

/// The words of the command line.
struct Arguments<'n> {
    /// What the firmware is to take its frames from.
    camera: Camera,
    /// Name of the file of frames that the camera sees.
    file: &'n str,
    /// Frames, taken or missed, after which the firmware ends; 0 is never.
    attempts: u32,
    /// What is the matter with the camera.
    trouble: Trouble<'n>,
    /// What is with the flash.
    power: Power<'n>,
}

impl<'n> Arguments<'n> {
    /// `None` if the words make no sense.
    fn parse(words: impl Iterator<Item = Result<&'n str, Utf8Error>>) -> Option<Self> {
        let mut words = words.map_while(Result::ok);
        let camera = match words.next()? {
            "arducam-96" => Camera::ArducamMega(Resolution::Square96),
            "arducam-128" => Camera::ArducamMega(Resolution::Square128),
            "ov2640" => Camera::Ov2640,
            _ => return None,
        };
        let (file, attempts) = (words.next()?, words.next()?.parse().ok()?);
        let mut arguments = Self { camera, file, attempts, trouble: Trouble::None, power: Power::default() };
        for word in words {
            if let Some(file) = word.strip_prefix("flash=") {
                arguments.power.file = Some(file);
            } else if let Some(cut) = word.strip_prefix("cut=") {
                arguments.power.cut = Some(Power::parse_cut(cut)?);
            } else {
                arguments.trouble = word.parse().map_or(Trouble::Always(word), Trouble::Random);
            }
        }
        Some(arguments)
    }
}

#[entry]
fn main() -> ! {
    static mut WORKING: [u8; WORKING_LEN] = [0; WORKING_LEN];
    static mut MODEL: Option<Model<'static>> = None;
    static mut FRAMES: [[u8; FRAME_LEN]; 2] = [[0; FRAME_LEN]; 2];
    static mut SCENE: [u8; FRAME_LEN] = [0; FRAME_LEN];
    static mut FLASH: [u8; flash::MEMORY_LEN] = [0; flash::MEMORY_LEN];

    host::begin();
    let words = env::args::<COMMAND_LINE_LEN>();
    let arguments = words.as_ref().ok().and_then(|words| Arguments::parse(words.into_iter()));
    let Some(arguments) = arguments else {
        fail(
            "the arguments must be `arducam-96`, `arducam-128` or `ov2640`, FILE, frames to take (0: without end) and, if \
             wanted, a seed or the name of a fault, flash=FILE and cut=NUMBER-KIND, from -semihosting-config arg=",
        );
    };
    let name = arguments.file;
    let len = arguments.camera.frame_len();
    let file = RecordFile::open(name, len).unwrap_or_else(|error| fail(format_args!("file of frames {name}: {error}")));
    let scene = HostFrames { file, frame: &mut SCENE[..len] };
    let memory = Memory { working: WORKING, model: MODEL, frames: FRAMES, flash: FLASH };
    watch(&arguments, scene, memory);
    ExitCode::SUCCESS.exit_process()
}

/// Makes the camera and watches through it.
fn watch(arguments: &Arguments<'_>, scene: HostFrames<'_>, memory: Memory<'_>) {
    let time = Time::new();
    let delay = SimulatedDelay(&time);
    let trouble = arguments.trouble;
    match arguments.camera {
        Camera::ArducamMega(resolution) => {
            let mut habits = arducam_mega::Habits::default();
            let mut faults = &arducam_mega::Fault::ALL[..];
            if let Trouble::Always("TooEarly") = trouble {
                (habits.quiet_ms, faults) = (u32::MAX / 2, &[]);
            }
            let camera = arducam_mega::ArducamMega::new(&time, scene, SENSOR_ID, habits);
            let driver = ArducamMega::new(&camera, delay, resolution);
            let mut disturbance = Disturbance::new(trouble, &camera.faults, faults);
            run("ArduCAM Mega", driver, delay, arguments, memory, || disturbance.next(ARDUCAM_SPAN));
        }
        Camera::Ov2640 => {
            let wiring = match trouble {
                Trouble::Always("OpenLine") => ov2640::Wiring::OpenLine(5),
                Trouble::Always("CrossedLines") => ov2640::Wiring::CrossedLines(2, 7),
                Trouble::Always("ReversedLines") => ov2640::Wiring::ReversedLines,
                Trouble::Always("LateByte") => ov2640::Wiring::LateByte,
                Trouble::None | Trouble::Random(_) | Trouble::Always(_) => ov2640::Wiring::Right,
            };
            let sags_after = if let Trouble::Always("WeakSupply") = trouble { WRITES_OF_A_WEAK_SUPPLY } else { 0 };
            let habits = ov2640::Habits { wiring, sags_after, ..ov2640::Habits::default() };
            let faults = if habits == ov2640::Habits::default() { &ov2640::Fault::ALL[..] } else { &[] };
            let sensor = ov2640::Ov2640::new(&time, scene, habits);
            let driver = Ov2640::new(&sensor, &sensor, delay, View::Scene);
            let mut disturbance = Disturbance::new(trouble, &sensor.faults, faults);
            run("OV2640", driver, delay, arguments, memory, || disturbance.next(OV2640_SPAN));
        }
    }
}

/// Boots, and classifies what `source` gives, calling `disturb` before each of so many attempts; with another model when one was sent. The
/// serial port is told of a model that must not be used, as well as the host.
fn run(
    camera: &str,
    mut source: impl FrameSource,
    delay: SimulatedDelay<'_>,
    arguments: &Arguments<'_>,
    memory: Memory<'_>,
    mut disturb: impl FnMut(),
) {
    let (transmitter, receiver) = uart::open();
    let receiver = RefCell::new(receiver);
    let mut serial = Serial::new(transmitter, InstructionDelay, SERIAL_LIMIT_MS, || receiver.borrow_mut().command());
    let Memory { working, model, frames: [one, other], flash } = memory;
    let (flash, layout) = ModelFlash::open(flash, arguments.power);
    let scope = Scope {
        // Each picture of the host is another one: there is nothing to be smoothed.
        defaults: Settings::DEFAULT,
        format: source.format(),
        has_views: source.view().is_some(),
        longest_interval_ms: 0,
        has_output: false,
    };
    let mut deployment = Deployment::open(flash, layout, working.len(), None, TimeUnit::Instructions, scope);
    let completed = CompletedFrames::default();
    let (mut attempt, mut faults) = (0, 0);
    let attempts = arguments.attempts;
    // A frame is classified while the next one is taken.
    let is_over = |attempt| attempts != 0 && attempt > attempts;
    while !is_over(attempt) {
        let change = 'model: {
            let booted = match boot::boot(deployment.start(), model, working) {
                Ok(booted) => booted,
                Err(error) if deployment.reject(&error) => break 'model Change::Restart,
                Err(error) => {
                    let (code, text) = (error.code(), &*error.text());
                    let failure = BootFailure { code, text };
                    block_on(serial.report(&Message::BootFailure(failure)));
                    fail(error)
                }
            };
            deployment.wait();
            let present = deployment.settings().present();
            let source = Framed::new(&mut source, present.framing).unwrap_or_else(|error| fail(error));
            let mut pipeline = Pipeline::new(
                Identity {
                    board: "qemu-mps2",
                    camera,
                    clocks: &[],
                    time_unit: TimeUnit::Instructions,
                    start: Start::POWER_ON,
                },
                booted,
                Supervisor::new(source, delay, Policy::default()),
                present.smoothing,
                &mut serial,
                clock::instructions,
            );
            for key in Key::ALL {
                pipeline.apply(present, key);
            }
            if !deployment.note().is_empty() {
                block_on(pipeline.report_mut().report(&Message::Models(deployment.models())));
            }
            let mut buffers = Buffers::new(one, other);
            stack::repaint();
            let mut change = Change::Restart;
            while !is_over(attempt) {
                disturb();
                let requests = || receiver.borrow_mut().update_request();
                let mut watchdog = &completed;
                let step = deployment.step(&mut pipeline, &mut buffers, &mut watchdog, requests, clock::instructions);
                let wanted = block_on(step);
                if attempt > 0 && attempt.is_multiple_of(STACK_INTERVAL) {
                    send(&QemuMessage::Stack(stack::used_after(attempt)));
                }
                attempt = attempt.wrapping_add(1);
                match wanted {
                    None => {}
                    Some(Change::Setting(key)) => pipeline.apply(deployment.settings().present(), key),
                    Some(wanted @ (Change::Install | Change::Restart)) => {
                        change = wanted;
                        break;
                    }
                }
            }
            faults += pipeline.camera().counters().total();
            change
        };
        match change {
            Change::Install => block_on(deployment.install(model, working, &mut serial)),
            Change::Restart | Change::Setting(_) => {}
        }
    }
    send(&QemuMessage::Stack(stack::used_after(attempts)));
    send(&QemuMessage::Totals(Totals { completed: completed.0.get(), faults, dropped: serial.dropped() }));
    deployment.chip().save();
}

/// What lies in static memory.
struct Memory<'m> {
    working: &'m mut [u8],
    model: &'m mut Option<Model<'static>>,
    frames: &'m mut [[u8; FRAME_LEN]; 2],
    flash: &'static mut [u8],
}

/// Counts completed frames.
#[derive(Default)]
struct CompletedFrames(Cell<u32>);

impl Watchdog for &CompletedFrames {
    fn feed(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Shows the frames of a file one after the other, and from the first again.
struct HostFrames<'b> {
    file: RecordFile,
    /// Big-endian RGB565 of the size to which the camera is set up.
    frame: &'b mut [u8],
}

impl Scene for HostFrames<'_> {
    fn expose(&mut self) {
        if let Err(error) = self.file.next_in_circle(self.frame) {
            panic!("the file of frames: {error}");
        }
    }

    /// A camera that is set up otherwise sees black where the frame has no pixels.
    fn rgb565(&self, x: u16, y: u16, width: u16, _height: u16) -> u16 {
        let pixel = usize::from(y) * usize::from(width) + usize::from(x);
        let pixels = self.frame.as_chunks().0;
        pixels.get(pixel).map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }
}

/// Where, when and how a camera fails: every seed gives other faults, and the same ones each time.
struct Disturbance<'c, K> {
    injector: &'c Injector<K>,
    faults: &'c [K],
    numbers: Option<Rand32>,
}

impl<'c, K: Copy + Debug> Disturbance<'c, K> {
    /// A fault that is always there is injected now; it is one of `faults`, of which none are if something else is the matter.
    fn new(trouble: Trouble<'_>, injector: &'c Injector<K>, faults: &'c [K]) -> Self {
        if let (Trouble::Always(name), [_, ..]) = (trouble, faults) {
            let named = |fault: &&K| protocol::cut_off::<{ NAME_LEN }>(format_args!("{fault:?}")) == name;
            match faults.iter().find(named) {
                Some(&fault) => injector.inject(Injection { fault, first: 0, count: u32::MAX }),
                None => fail(format_args!("this camera has no fault {name}: it has {faults:?}")),
            }
        }
        let numbers = match trouble {
            Trouble::Random(seed) => Some(Rand32::new(seed)),
            Trouble::None | Trouble::Always(_) => None,
        };
        Self { injector, faults, numbers }
    }

    /// Makes the next attempt fail at random, or not; a fault begins within the next `span` transactions.
    fn next(&mut self, span: u32) {
        let Some(numbers) = &mut self.numbers else {
            return;
        };
        if numbers.rand_range(0..RARITY) == 0 {
            self.injector.inject(Injection {
                fault: self.faults[numbers.rand_range(0..self.faults.len() as u32) as usize],
                first: self.injector.transactions() + numbers.rand_range(0..span),
                count: numbers.rand_range(1..LONGEST + 1),
            });
        }
    }
}
