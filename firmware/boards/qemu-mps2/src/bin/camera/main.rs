//! Classifies what a modelled camera sees on an emulated Cortex-M4, -M7 or -M33: driver, reduction, network and reports are those
//! of the boards with a real camera.
//!
//! A program of its own, so that the camera and its buffers do not count in what `tests/bench` measures of the other one.
//! QEMU passes its arguments through semihosting (see [`Arguments`]). Reports go through the serial port in the protocol that
//! every board speaks; what only an emulator tells, such as the use of the stack, goes through semihosting as [`qemu_messages`].
#![no_std]
#![no_main]

mod uart;

use core::cell::Cell;
use core::str::Utf8Error;

use camera_models::{Injection, Injector, Scene, SimulatedDelay, Time, arducam_mega, ov2640};
use cortex_m as _;
use cortex_m_rt::entry;
use embassy_futures::block_on;
use firmware::boot::{self, Identity};
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{self as ov2640_driver, Ov2640, Settings};
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Buffers, Method, Pipeline};
use firmware::report::{Report, Serial};
use firmware::watchdog::Watchdog;
use oorandom::Rand32;
use protocol::{BootFailure, Message, Start, TimeUnit};
use qemu_messages::{QemuMessage, Totals};
use qemu_mps2::clock::{self, InstructionDelay};
use qemu_mps2::host;
use qemu_program::classify::MEMORY_LEN;
use qemu_program::records::RecordFile;
use qemu_program::{COMMAND_LINE_LEN, fail, send, stack};
use semihosting::experimental::env;
use semihosting::process::ExitCode;
use shared_model::Model;

/// The longest frame of a [`Camera`].
const FRAME_LEN: usize = ov2640_driver::FORMAT.len();
/// The sensor of a 3 MP camera, which has the newer numbers of resolutions.
const SENSOR_ID: u8 = 0x86;

/// Transactions of about one attempt, most of which wait for the picture.
const ARDUCAM_SPAN: u32 = 80;
const OV2640_SPAN: u32 = 6;
/// One attempt in so many is disturbed.
const RARITY: u32 = 4;
/// The longest fault, in transactions.
const LONGEST: u32 = 20;
/// A message that the serial port has not taken after so long is dropped: some seconds of the host's time.
const SERIAL_LIMIT_MS: u32 = 2_000;
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

/// The words of the command line.
struct Arguments<'n> {
    /// What the firmware is to take its frames from.
    camera: Camera,
    /// Name of the file of frames that the camera sees.
    file: &'n str,
    /// Frames, taken or missed, after which the firmware ends; 0 is never.
    attempts: u32,
    /// The seed of random faults, if there shall be any.
    seed: Option<u64>,
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
        Some(Self {
            camera,
            file: words.next()?,
            attempts: words.next()?.parse().ok()?,
            seed: match words.next() {
                Some(seed) => Some(seed.parse().ok()?),
                None => None,
            },
        })
    }
}

#[entry]
fn main() -> ! {
    static mut WORKING: [u8; MEMORY_LEN] = [0; MEMORY_LEN];
    static mut MODEL: Option<Model<'static>> = None;
    static mut FRAMES: [[u8; FRAME_LEN]; 2] = [[0; FRAME_LEN]; 2];
    static mut SCENE: [u8; FRAME_LEN] = [0; FRAME_LEN];

    host::begin();
    let words = env::args::<COMMAND_LINE_LEN>();
    let arguments = words.as_ref().ok().and_then(|words| Arguments::parse(words.into_iter()));
    let Some(arguments) = arguments else {
        fail(
            "the arguments must be `arducam-96`, `arducam-128` or `ov2640`, FILE, frames to take (0: without end) and, if \
             wanted, a seed of faults, from -semihosting-config arg=",
        );
    };
    let name = arguments.file;
    let len = arguments.camera.frame_len();
    let file = RecordFile::open(name, len).unwrap_or_else(|error| fail(format_args!("file of frames {name}: {error}")));
    let scene = HostFrames { file, frame: &mut SCENE[..len] };
    let memory = Memory { working: WORKING, model: MODEL, frames: FRAMES };
    watch(&arguments, scene, memory);
    ExitCode::SUCCESS.exit_process()
}

/// Makes the camera and watches through it.
fn watch(arguments: &Arguments<'_>, scene: HostFrames<'_>, memory: Memory<'_>) {
    let time = Time::new();
    let delay = SimulatedDelay(&time);
    let mut disturbance = Disturbance(arguments.seed.map(Rand32::new));
    let attempts = arguments.attempts;
    match arguments.camera {
        Camera::ArducamMega(resolution) => {
            let camera = arducam_mega::ArducamMega::new(&time, scene, SENSOR_ID, arducam_mega::Habits::default());
            let driver = ArducamMega::new(&camera, delay, resolution);
            run("ArduCAM Mega", driver, delay, attempts, memory, || {
                disturbance.next(&camera.faults, &arducam_mega::Fault::ALL, ARDUCAM_SPAN);
            });
        }
        Camera::Ov2640 => {
            let sensor = ov2640::Ov2640::new(&time, scene, ov2640::Habits::default());
            let driver = Ov2640::new(&sensor, &sensor, delay, Settings::default());
            run("OV2640", driver, delay, attempts, memory, || {
                disturbance.next(&sensor.faults, &ov2640::Fault::ALL, OV2640_SPAN);
            });
        }
    }
}

/// Boots, and classifies what `source` gives, calling `disturb` before each of so many attempts. The serial port is told of a model
/// that must not be used, as well as the host.
fn run(
    camera: &str,
    source: impl FrameSource,
    delay: SimulatedDelay<'_>,
    attempts: u32,
    memory: Memory<'_>,
    mut disturb: impl FnMut(),
) {
    let (transmitter, mut receiver) = uart::open();
    let mut serial = Serial::new(transmitter, InstructionDelay, SERIAL_LIMIT_MS, || receiver.command());
    let booted = boot::boot(flash_model::region(), memory.model, memory.working);
    let booted = booted.unwrap_or_else(|error| {
        let (code, text) = (error.code(), &*error.text());
        let failure = BootFailure { code, text };
        block_on(serial.report(&Message::BootFailure(failure)));
        fail(error)
    });
    let identity = Identity { board: "qemu-mps2", camera, time_unit: TimeUnit::Instructions, start: Start::POWER_ON };
    let mut pipeline = Pipeline::new(
        identity,
        booted,
        Supervisor::new(source, delay, Policy::default()),
        // Each picture of the host is another one: there is nothing to be smoothed.
        Method::None,
        serial,
        clock::instructions,
    );
    let [one, other] = memory.frames;
    let mut buffers = Buffers::new(one, other);
    let completed = CompletedFrames::default();
    stack::repaint();
    let mut attempt = 0;
    // A frame is classified while the next one is taken.
    while attempts == 0 || attempt <= attempts {
        disturb();
        block_on(pipeline.step(&mut buffers, &mut &completed));
        if attempt > 0 && attempt.is_multiple_of(STACK_INTERVAL) {
            send(&QemuMessage::Stack(stack::used_after(attempt)));
        }
        attempt = attempt.wrapping_add(1);
    }
    send(&QemuMessage::Stack(stack::used_after(attempts)));
    send(&QemuMessage::Totals(Totals {
        completed: completed.0.get(),
        faults: pipeline.camera().counters().total(),
        dropped: pipeline.report().dropped(),
    }));
}

/// What lies in static memory.
struct Memory<'m> {
    working: &'m mut [u8],
    model: &'m mut Option<Model<'static>>,
    frames: &'m mut [[u8; FRAME_LEN]; 2],
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

/// Where, when and how a camera fails, decided by a seed: every seed gives other faults, and the same ones each time; none gives
/// none.
struct Disturbance(Option<Rand32>);

impl Disturbance {
    /// Makes the next attempt fail, or not; a fault begins within the next `span` transactions.
    fn next<K: Copy>(&mut self, injector: &Injector<K>, faults: &[K], span: u32) {
        let Some(numbers) = &mut self.0 else {
            return;
        };
        if numbers.rand_range(0..RARITY) == 0 {
            injector.inject(Injection {
                fault: faults[numbers.rand_range(0..faults.len() as u32) as usize],
                first: injector.transactions() + numbers.rand_range(0..span),
                count: numbers.rand_range(1..LONGEST + 1),
            });
        }
    }
}
