//! The controller's registers, and a transaction byte by byte.

use super::{Fault, Timing};
use crate::scene::Scene;
use crate::time::Time;

const FIFO_CONTROL: u8 = 0x04;
const RESET: u8 = 0x07;
const DEVICE_ADDRESS: u8 = 0x0A;
const FORMAT: u8 = 0x20;
const RESOLUTION: u8 = 0x21;
const BURST_READ: u8 = 0x3C;
const SENSOR_ID: u8 = 0x40;
const STATE: u8 = 0x44;
const FIFO_LENGTH: u8 = 0x45;

/// Bytes of the picture that the model has for other formats than RGB565.
const COMPRESSED_LEN: u32 = 4_242;
const NANOSECONDS_PER_MS: u64 = 1_000_000;

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

/// The camera's controller with its sensor and its FIFO.
pub(super) struct Controller<'t, S> {
    pub time: &'t Time,
    pub scene: S,
    sensor_id: u8,
    timing: Timing,
    phase: Phase,
    fault: Option<Fault>,
    format: u8,
    resolution: u8,
    busy_until: u64,
    /// When the capture that was started is in the FIFO.
    done_at: Option<u64>,
    fifo_len: u32,
    fifo_position: u32,
    is_first_burst: bool,
    has_exposed: bool,
}

impl<'t, S: Scene> Controller<'t, S> {
    pub const fn new(time: &'t Time, scene: S, sensor_id: u8, timing: Timing) -> Self {
        Self {
            time,
            scene,
            sensor_id,
            timing,
            phase: Phase::Ended,
            fault: None,
            format: 0x01,
            resolution: 0x03,
            busy_until: 0,
            done_at: None,
            fifo_len: 0,
            fifo_position: 0,
            is_first_burst: false,
            has_exposed: false,
        }
    }

    /// The chip select falls.
    pub fn select(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.phase = Phase::Command;
        if fault == Some(Fault::BrownOut) {
            self.reset();
        }
    }

    /// One byte in each direction.
    pub fn exchange(&mut self, byte: u8) -> u8 {
        let answer = match self.phase {
            Phase::Command => {
                self.phase = self.command(byte);
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

    fn command(&self, byte: u8) -> Phase {
        match byte {
            BURST_READ => Phase::Burst,
            0x80.. => Phase::Value {
                address: byte & 0x7F,
            },
            _ => Phase::Dummy { address: byte },
        }
    }

    fn reset(&mut self) {
        (self.format, self.resolution) = (0x01, 0x03);
        (self.done_at, self.fifo_len, self.fifo_position) = (None, 0, 0);
        self.be_busy(self.timing.reset_ms);
    }

    fn be_busy(&mut self, milliseconds: u32) {
        self.busy_until = self.after(milliseconds);
    }

    fn after(&self, milliseconds: u32) -> u64 {
        self.time.nanoseconds() + u64::from(milliseconds) * NANOSECONDS_PER_MS
    }

    fn write(&mut self, address: u8, value: u8) {
        match address {
            RESET if value & 0x40 != 0 => self.reset(),
            FORMAT => {
                self.format = value;
                self.be_busy(self.timing.setting_ms);
            }
            RESOLUTION => {
                self.resolution = value;
                self.be_busy(self.timing.setting_ms);
            }
            DEVICE_ADDRESS => self.be_busy(self.timing.setting_ms),
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
        if self.fault != Some(Fault::Frozen) || !self.has_exposed {
            self.scene.expose();
            self.has_exposed = true;
        }
        self.done_at = Some(self.after(self.timing.capture_ms));
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
        self.done_at
            .is_some_and(|done_at| self.time.nanoseconds() >= done_at)
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
        let (x, y) = (
            (pixel % u32::from(side)) as u16,
            (pixel / u32::from(side)) as u16,
        );
        let [high, low] = self.scene.rgb565(x, y, side, side).to_be_bytes();
        if position.is_multiple_of(2) {
            high
        } else {
            low
        }
    }
}
