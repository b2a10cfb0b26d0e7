//! Classifies what a modelled camera sees on an emulated Cortex-M4, -M7 or -M33: driver, reduction, network and reports are those
//! of the boards with a real camera.
//!
//! A program of its own, so that the camera and its buffers do not count in what `tests/bench` measures of the other one.
//! QEMU passes its arguments through semihosting (see `arguments.rs`). Reports go through the serial port in the protocol that
//! every board speaks; what only an emulator tells, such as the use of the stack, goes through semihosting as [`qemu_messages`].
#![no_std]
#![no_main]

mod application;
mod arguments;
mod disturbance;
mod scene;
mod uart;

use arguments::{Arguments, Camera};
use camera_models::{SimulatedDelay, Time, arducam_mega, ov2640};
use cortex_m as _;
use cortex_m_rt::entry;
use disturbance::Disturbance;
use firmware::boot::BootError;
use firmware::camera::arducam_mega::ArducamMega;
use firmware::camera::ov2640::{Ov2640, View};
use qemu_mps2::model::MEMORY_LEN;
use qemu_mps2::program::{self, COMMAND_LINE_LEN};
use qemu_mps2::records::{RecordFile, RecordsError};
use scene::HostFrames;
use semihosting::experimental::env;
use shared_model::Model;
use thiserror::Error;

use application::{Application, Memory};

/// The longest frame of a [`Camera`].
const FRAME_LEN: usize = Camera::Ov2640.frame_len();
/// The sensor of a 3 MP camera, which has the newer numbers of resolutions.
const SENSOR_ID: u8 = 0x86;

/// Transactions of about one attempt, most of which wait for the picture.
const ARDUCAM_SPAN: u32 = 80;
const OV2640_SPAN: u32 = 6;

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

#[entry]
fn main() -> ! {
    static mut WORKING: [u8; MEMORY_LEN] = [0; MEMORY_LEN];
    static mut MODEL: Option<Model<'static>> = None;
    static mut FRAMES: [[u8; FRAME_LEN]; 2] = [[0; FRAME_LEN]; 2];
    static mut SCENE: [u8; FRAME_LEN] = [0; FRAME_LEN];

    program::begin();
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
    program::end(
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
    let scene = HostFrames::new(file, &mut picture[..len]);
    let time = Time::new();
    let delay = SimulatedDelay(&time);
    let mut disturbance = Disturbance::new(arguments.seed);
    let application = Application {
        attempts: arguments.attempts,
        delay,
    };
    match arguments.camera {
        Camera::ArducamMega(resolution) => {
            let timing = arducam_mega::Timing::default();
            let camera = arducam_mega::ArducamMega::new(&time, scene, SENSOR_ID, timing);
            let driver = ArducamMega::new(camera.spi(), delay, resolution);
            let faults = &arducam_mega::Fault::ALL;
            application.run("ArduCAM Mega", driver, memory, || {
                if let Some(injection) =
                    disturbance.next(faults, camera.transactions(), ARDUCAM_SPAN)
                {
                    camera.inject(injection);
                }
            })?;
        }
        Camera::Ov2640 => {
            let sensor = ov2640::Ov2640::new(&time, scene);
            let driver = Ov2640::new(sensor.sccb(), sensor.port(), delay, View::Scene);
            let faults = &ov2640::Fault::ALL;
            application.run("OV2640", driver, memory, || {
                if let Some(injection) =
                    disturbance.next(faults, sensor.transactions(), OV2640_SPAN)
                {
                    sensor.inject(injection);
                }
            })?;
        }
    }
    Ok(())
}
