//! From boot to the last frame, whatever the camera.

use core::cell::Cell;

use camera_models::SimulatedDelay;
use embassy_futures::block_on;
use firmware::boot::{self, BootError, Identity};
use firmware::camera::{FrameSource, Policy, Supervisor};
use firmware::pipeline::{Buffers, Method, Pipeline, Smoothing};
use firmware::report::{Report, Serial};
use firmware::watchdog::Watchdog;
use protocol::{BootFailure, Message, TimeUnit};
use qemu_messages::{QemuMessage, Totals};
use qemu_mps2::clock::{self, InstructionDelay};
use qemu_mps2::{host, model, stack};
use shared_model::Model;

use crate::FRAME_LEN;
use crate::uart;

/// A message that the serial port has not taken after so long is dropped: some seconds of the host's time.
const SERIAL_LIMIT_MS: u32 = 2_000;
/// Half of a probability: below it the verdict is "not sure".
const THRESHOLD: u16 = 0x8000;
/// The use of the stack is reported after every so many frames.
const STACK_INTERVAL: u32 = 100;

/// What lies in static memory.
pub struct Memory<'m> {
    pub working: &'m mut [u8],
    pub model: &'m mut Option<Model<'static>>,
    pub frames: &'m mut [[u8; FRAME_LEN]; 2],
}

/// Counts completed frames.
#[derive(Default)]
struct CompletedFrames(Cell<u32>);

impl Watchdog for &CompletedFrames {
    fn feed(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// The job of the firmware.
pub struct Application<'t> {
    /// Frames, taken or missed, after which it is done; 0 is never.
    pub attempts: u32,
    /// Waits in the camera's time.
    pub delay: SimulatedDelay<'t>,
}

impl Application<'_> {
    /// Boots, and classifies what `source` gives, calling `disturb` before each frame.
    ///
    /// # Errors
    ///
    /// [`BootError`], which the serial port is told as well, if the model must not be used.
    pub fn run(
        self,
        camera: &str,
        source: impl FrameSource,
        memory: Memory<'_>,
        mut disturb: impl FnMut(),
    ) -> Result<(), BootError> {
        let (transmitter, mut receiver) = uart::open();
        let mut serial = Serial::new(transmitter, InstructionDelay, SERIAL_LIMIT_MS, || {
            receiver.command()
        });
        let booted = boot::boot(model::blob(), memory.model, memory.working);
        let booted = booted.inspect_err(|error| {
            let (code, text) = (error.code(), &*error.text());
            let failure = BootFailure { code, text };
            block_on(serial.report(&Message::BootFailure(failure)));
        })?;
        let identity = Identity {
            board: "qemu-mps2",
            camera,
            time_unit: TimeUnit::Instructions,
        };
        let mut pipeline = Pipeline::new(
            identity,
            booted,
            Supervisor::new(source, self.delay, Policy::default()),
            // Each picture of the host is another one: there is nothing to be smoothed.
            Smoothing::new(Method::None, THRESHOLD),
            serial,
            clock::instructions,
        );
        let [one, other] = memory.frames;
        let mut buffers = Buffers::new(one, other);
        let completed = CompletedFrames::default();
        stack::repaint();
        let mut attempt = 0;
        // A frame is classified while the next one is taken.
        while self.attempts == 0 || attempt <= self.attempts {
            disturb();
            block_on(pipeline.step(&mut buffers, &mut &completed));
            if attempt > 0 && attempt.is_multiple_of(STACK_INTERVAL) {
                host::send(&QemuMessage::Stack(stack::used_after(attempt)));
            }
            attempt = attempt.wrapping_add(1);
        }
        host::send(&QemuMessage::Stack(stack::used_after(self.attempts)));
        host::send(&QemuMessage::Totals(Totals {
            completed: completed.0.get(),
            faults: pipeline.camera().counters().total(),
            dropped: pipeline.report().dropped(),
        }));
        Ok(())
    }
}
