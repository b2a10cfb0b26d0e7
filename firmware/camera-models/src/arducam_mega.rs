//! A model of the ArduCAM Mega.
//!
//! Addresses and bits are those of the manufacturer's SDK (github.com/ArduCAM/Arducam_Mega, version 3.0.0,
//! `src/Arducam/ArducamCamera.c`). [`Habits`] are what others measured with a camera on the bench: sensor 0x82, 128×128 pixels,
//! RGB565, read by an RP2350 (github.com/kazunori279/fpga-open-vocab, `firmware/`), and what Zephyr's driver waits for
//! (`drivers/video/video_arducam_mega.c`). A reset leaves VGA, and JPEG, so that a driver which does not set them is found out.

use crate::injection::Injector;
use crate::scene::{Exposure, Scene};
use crate::time::Time;
use core::cell::RefCell;
use core::future::pending;
use embedded_hal::spi::ErrorKind;
use embedded_hal_async::spi::{ErrorType, Operation, SpiDevice};

const FIFO_CONTROL: u8 = 0x04;
const RESET: u8 = 0x07;
const DEVICE_ADDRESS: u8 = 0x0A;
const FORMAT: u8 = 0x20;
const RESOLUTION: u8 = 0x21;
const BURST_READ: u8 = 0x3C;
const WHITE_BALANCE_MODE: u8 = 0x26;
const LOOPS: u8 = 0x30;
const SENSOR_ID: u8 = 0x40;
const STATE: u8 = 0x44;
const FIFO_LENGTH: u8 = 0x45;

/// Bytes of the picture that the model has for other formats than RGB565.
const COMPRESSED_LEN: u32 = 4_242;
/// JPEG.
const RESET_FORMAT: u8 = 0x01;
/// VGA.
const RESET_RESOLUTION: u8 = 0x02;
/// All that comes after a trigger that was too early, whatever there is to see.
const FILL: u16 = 0x0801;
/// What a loop is in the value that is written to its register: gain, exposure, white balance; bit 7 switches it on.
const EVERY_LOOP: u8 = 0b111;

/// What goes wrong while a transaction is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bus reports an error, and nothing reaches the camera.
    Bus,
    /// The transaction never ends.
    Hang,
    /// A write has no effect.
    LostWrite,
    /// All that is read is 0x00.
    StuckLow,
    /// All that is read is 0xFF.
    StuckHigh,
    /// The supply breaks down: all is as after a reset.
    BrownOut,
    /// The sensor says that it is another one.
    WrongProduct,
    /// The controller says that it is busy.
    Busy,
    /// A capture that is started here never ends.
    StuckFifo,
    /// The FIFO says that it holds two bytes less.
    WrongLength,
    /// Pixels that are read here are all the same.
    Blank,
    /// A capture that is started here gives the frame before once more.
    Frozen,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::Bus,
        Self::Hang,
        Self::LostWrite,
        Self::StuckLow,
        Self::StuckHigh,
        Self::BrownOut,
        Self::WrongProduct,
        Self::Busy,
        Self::StuckFifo,
        Self::WrongLength,
        Self::Blank,
        Self::Frozen,
    ];
}

/// What a camera is like that the SDK does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// A reset, in milliseconds.
    pub reset_ms: u32,
    /// A change of a setting, in milliseconds.
    pub setting_ms: u32,
    /// A capture, in milliseconds: 36 … 69 were measured.
    pub capture_ms: u32,
    /// The quiet that it needs between its last setting and its first capture in the light that there is: none in a lit room, 400 ms
    /// behind a covered lens. A capture before it gives constant bytes 08 01, and so do all later ones until the next reset.
    pub quiet_ms: u32,
    /// A reset switches exposure, gain and white balance off.
    pub are_loops_off: bool,
    /// Frames until exposure and white balance are stable: 6 … 41 were measured.
    pub settling_frames: u32,
}

impl Default for Habits {
    /// A lit room, and loops that have settled before the first frame.
    fn default() -> Self {
        Self { reset_ms: 100, setting_ms: 10, capture_ms: 60, quiet_ms: 0, are_loops_off: false, settling_frames: 0 }
    }
}

/// A camera before a scene; a reference to it is its end of the bus.
pub struct ArducamMega<'t, S> {
    /// Makes transactions fail.
    pub faults: Injector<Fault>,
    controller: RefCell<Controller<'t, S>>,
}

impl<'t, S: Scene> ArducamMega<'t, S> {
    /// A camera with power; `sensor_id` is 0x81 … 0x87.
    pub const fn new(time: &'t Time, scene: S, sensor_id: u8, habits: Habits) -> Self {
        Self {
            faults: Injector::new(),
            controller: RefCell::new(Controller {
                time,
                exposure: Exposure::new(scene),
                sensor_id,
                habits,
                phase: Phase::Ended,
                fault: None,
                format: RESET_FORMAT,
                resolution: RESET_RESOLUTION,
                loops: if habits.are_loops_off { 0 } else { EVERY_LOOP },
                is_white_balance_set: !habits.are_loops_off,
                capturing_until: 0,
                content: Content::Scene,
                is_filled: false,
                busy_until: 0,
                done_at: None,
                fifo_len: 0,
                fifo_position: 0,
                is_first_burst: false,
            }),
        }
    }
}

impl<S> ErrorType for &ArducamMega<'_, S> {
    type Error = ErrorKind;
}

impl<S: Scene> SpiDevice for &ArducamMega<'_, S> {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let fault = self.faults.begin();
        match fault {
            Some(Fault::Bus) => return Err(ErrorKind::Other),
            Some(Fault::Hang) => pending().await,
            _ => {}
        }
        let controller = &mut *self.controller.borrow_mut();
        controller.select(fault);
        for operation in operations {
            match operation {
                Operation::Read(bytes) => bytes.iter_mut().for_each(|byte| *byte = controller.exchange(0)),
                Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    controller.exchange(*byte);
                }),
                Operation::Transfer(read, write) => {
                    for index in 0..read.len().max(write.len()) {
                        let answer = controller.exchange(write.get(index).copied().unwrap_or(0));
                        if let Some(byte) = read.get_mut(index) {
                            *byte = answer;
                        }
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    bytes.iter_mut().for_each(|byte| *byte = controller.exchange(*byte))
                }
                Operation::DelayNs(nanoseconds) => {
                    controller.time.advance(u64::from(*nanoseconds));
                }
            }
        }
        Ok(())
    }
}

/// How far a transaction has come.
#[derive(Clone, Copy)]
enum Phase {
    Command,
    Value { address: u8 },
    Dummy { address: u8 },
    Answer { address: u8 },
    Burst,
    Ended,
}

/// What a capture shows.
#[derive(Clone, Copy)]
enum Content {
    Scene,
    /// It began too early after a reset.
    Fill,
    /// It was triggered once more while it was under way.
    Blank,
}

/// The camera's controller with its sensor and its FIFO.
struct Controller<'t, S> {
    time: &'t Time,
    exposure: Exposure<S>,
    sensor_id: u8,
    habits: Habits,
    phase: Phase,
    fault: Option<Fault>,
    format: u8,
    resolution: u8,
    /// Those that are on, a bit each.
    loops: u8,
    is_white_balance_set: bool,
    busy_until: u64,
    capturing_until: u64,
    content: Content,
    /// A capture came too early since the last reset.
    is_filled: bool,
    /// When the capture that was started is in the FIFO.
    done_at: Option<u64>,
    fifo_len: u32,
    fifo_position: u32,
    is_first_burst: bool,
}

impl<S: Scene> Controller<'_, S> {
    /// The chip select falls.
    fn select(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.phase = Phase::Command;
        if fault == Some(Fault::BrownOut) {
            self.reset();
        }
    }

    /// One byte in each direction.
    fn exchange(&mut self, byte: u8) -> u8 {
        let answer = match self.phase {
            Phase::Command => {
                self.phase = match byte {
                    BURST_READ => Phase::Burst,
                    0x80.. => Phase::Value { address: byte & 0x7F },
                    _ => Phase::Dummy { address: byte },
                };
                0
            }
            Phase::Value { address } => {
                self.phase = Phase::Ended;
                if self.fault != Some(Fault::LostWrite) {
                    self.write(address, byte);
                }
                0
            }
            Phase::Dummy { address } => {
                self.phase = Phase::Answer { address };
                0
            }
            Phase::Answer { address } => {
                self.phase = Phase::Ended;
                self.read(address)
            }
            Phase::Burst => self.next_of_fifo(),
            Phase::Ended => 0,
        };
        match self.fault {
            Some(Fault::StuckLow) => 0x00,
            Some(Fault::StuckHigh) => 0xFF,
            _ => answer,
        }
    }

    fn reset(&mut self) {
        (self.format, self.resolution) = (RESET_FORMAT, RESET_RESOLUTION);
        (self.done_at, self.fifo_len, self.fifo_position) = (None, 0, 0);
        self.loops = if self.habits.are_loops_off { 0 } else { EVERY_LOOP };
        self.is_white_balance_set = !self.habits.are_loops_off;
        (self.capturing_until, self.is_filled) = (0, false);
        self.exposure.restart();
        self.busy_until = self.after(self.habits.reset_ms);
    }

    fn after(&self, milliseconds: u32) -> u64 {
        self.time.nanoseconds() + u64::from(milliseconds) * 1_000_000
    }

    fn write(&mut self, address: u8, value: u8) {
        match address {
            RESET if value & 0x40 != 0 => self.reset(),
            FORMAT | RESOLUTION | DEVICE_ADDRESS | WHITE_BALANCE_MODE | LOOPS => {
                match (address, value) {
                    (FORMAT, _) => self.format = value,
                    (RESOLUTION, _) => self.resolution = value,
                    (WHITE_BALANCE_MODE, _) => self.is_white_balance_set = value == 0,
                    (LOOPS, 0x80..=0x82) => self.loops |= 1 << (value & 0x03),
                    (LOOPS, 0x00..=0x02) => self.loops &= !(1 << value),
                    _ => {}
                }
                self.busy_until = self.after(self.habits.setting_ms);
            }
            FIFO_CONTROL => {
                if value & 0x01 != 0 {
                    (self.done_at, self.fifo_len) = (None, 0);
                }
                if value & 0x02 != 0 {
                    self.start();
                }
            }
            _ => {}
        }
    }

    fn start(&mut self) {
        if self.fault == Some(Fault::StuckFifo) {
            return;
        }
        let now = self.time.nanoseconds();
        self.is_filled |= now < self.busy_until + u64::from(self.habits.quiet_ms) * 1_000_000;
        self.content = match (self.is_filled, now < self.capturing_until) {
            (true, _) => Content::Fill,
            (false, true) => Content::Blank,
            (false, false) => Content::Scene,
        };
        self.exposure.begin(self.fault == Some(Fault::Frozen));
        self.capturing_until = self.after(self.habits.capture_ms);
        self.done_at = Some(self.capturing_until);
        self.fifo_len = match (self.format, self.side()) {
            (0x02, Some(side)) => 2 * u32::from(side) * u32::from(side),
            _ => COMPRESSED_LEN,
        };
        self.fifo_position = 0;
        self.is_first_burst = true;
    }

    /// The side of a square resolution; newer sensors number them otherwise than older ones.
    fn side(&self) -> Option<u16> {
        match (self.resolution, self.sensor_id >= 0x85) {
            (0x00, true) | (0x0A, false) => Some(96),
            (0x01, true) | (0x0B, false) => Some(128),
            _ => None,
        }
    }

    fn is_done(&self) -> bool {
        self.done_at.is_some_and(|done_at| self.time.nanoseconds() >= done_at)
    }

    fn read(&self, address: u8) -> u8 {
        match address {
            SENSOR_ID if self.fault == Some(Fault::WrongProduct) => 0x42,
            SENSOR_ID => self.sensor_id,
            STATE => self.state(),
            FIFO_LENGTH..=0x47 => {
                let mut len = if self.is_done() { self.fifo_len } else { 0 };
                if self.fault == Some(Fault::WrongLength) {
                    len = len.wrapping_sub(2);
                }
                let [low, middle, high, _] = len.to_le_bytes();
                [low, middle, high][usize::from(address - FIFO_LENGTH)]
            }
            _ => 0,
        }
    }

    fn state(&self) -> u8 {
        let is_busy = self.fault == Some(Fault::Busy) || self.time.nanoseconds() < self.busy_until;
        let idle = if is_busy { 0x00 } else { 0x02 };
        idle | if self.is_done() { 0x04 } else { 0x00 }
    }

    fn next_of_fifo(&mut self) -> u8 {
        if core::mem::take(&mut self.is_first_burst) {
            return 0;
        }
        let position = self.fifo_position;
        if !self.is_done() || position >= self.fifo_len || self.fault == Some(Fault::Blank) {
            return 0;
        }
        self.fifo_position += 1;
        let Some(side) = self.side().filter(|_| self.format == 0x02) else {
            return position as u8;
        };
        let pixel = position / 2;
        let (x, y) = (pixel % u32::from(side), pixel / u32::from(side));
        let is_exposed = self.loops & 0b011 == 0b011;
        let is_balanced = self.loops & 0b100 != 0 && self.is_white_balance_set;
        let color = match self.content {
            Content::Fill => FILL,
            Content::Blank => 0,
            Content::Scene => self.exposure.rgb565(
                [x as u16, y as u16, side, side],
                self.habits.settling_frames,
                is_exposed,
                is_balanced,
            ),
        };
        color.to_be_bytes()[position as usize % 2]
    }
}
