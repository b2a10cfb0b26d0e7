//! Classifies what a modelled camera sees on an emulated Cortex-M4, -M7 or -M33: driver, reduction, network and reports are those
//! of the boards with a real camera.
//!
//! A program of its own, so that the camera and its buffers do not count in what `tests/bench` measures of the other one.
//! QEMU passes its arguments through semihosting (see [`Arguments`]). Reports go through the serial port in the protocol that
//! every board speaks; what only an emulator tells, such as the use of the stack, goes through semihosting as [`qemu_messages`].
#![no_std]
#![no_main]

mod application;
mod uart;

use core::str::Utf8Error;

use camera_models::{Injection, Injector, Scene, SimulatedDelay, Time, arducam_mega, ov2640};
use cortex_m as _;
use cortex_m_rt::entry;
use firmware::boot::BootError;
use firmware::camera::arducam_mega::{ArducamMega, Resolution};
use firmware::camera::ov2640::{self as ov2640_driver, Ov2640, View};
use oorandom::Rand32;
use qemu_mps2::host::{self, COMMAND_LINE_LEN};
use qemu_mps2::model::MEMORY_LEN;
use qemu_mps2::records::{RecordFile, RecordsError};
use semihosting::experimental::env;
use shared_model::Model;
use thiserror::Error;

use application::{Application, Memory};

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

/// Why the firmware gives up.
#[derive(Debug, Error)]
enum Failure<'n> {
    #[error(
        "the arguments must be `arducam-96`, `arducam-128` or `ov2640`, FILE, frames to take (0: without end) and, if wanted, \
         a seed of faults, from -semihosting-config arg="
    )]
    Arguments,
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("file of frames {name}: {error}")]
    Frames { name: &'n str, error: RecordsError },
}

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
    let arguments = words
        .as_ref()
        .ok()
        .and_then(|words| Arguments::parse(words.into_iter()));
    let memory = Memory {
        working: WORKING,
        model: MODEL,
        frames: FRAMES,
    };
    host::end(
        arguments
            .ok_or(Failure::Arguments)
            .and_then(|arguments| run(&arguments, memory, SCENE)),
    )
}

/// Makes the camera and watches through it.
fn run<'n>(
    arguments: &Arguments<'n>,
    memory: Memory<'_>,
    picture: &mut [u8; FRAME_LEN],
) -> Result<(), Failure<'n>> {
    let name = arguments.file;
    let len = arguments.camera.frame_len();
    let file = RecordFile::open(name, len).map_err(|error| Failure::Frames { name, error })?;
    let scene = HostFrames {
        file,
        frame: &mut picture[..len],
    };
    let time = Time::new();
    let delay = SimulatedDelay(&time);
    let mut disturbance = Disturbance(arguments.seed.map(Rand32::new));
    let application = Application {
        attempts: arguments.attempts,
        delay,
    };
    match arguments.camera {
        Camera::ArducamMega(resolution) => {
            let timing = arducam_mega::Timing::default();
            let camera = arducam_mega::ArducamMega::new(&time, scene, SENSOR_ID, timing);
            let driver = ArducamMega::new(&camera, delay, resolution);
            application.run("ArduCAM Mega", driver, memory, || {
                disturbance.next(&camera.faults, &arducam_mega::Fault::ALL, ARDUCAM_SPAN);
            })?;
        }
        Camera::Ov2640 => {
            let sensor = ov2640::Ov2640::new(&time, scene);
            let driver = Ov2640::new(&sensor, &sensor, delay, View::Scene);
            application.run("OV2640", driver, memory, || {
                disturbance.next(&sensor.faults, &ov2640::Fault::ALL, OV2640_SPAN);
            })?;
        }
    }
    Ok(())
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
        pixels
            .get(pixel)
            .map_or(0, |bytes| u16::from_be_bytes(*bytes))
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
