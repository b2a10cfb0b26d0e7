//! A model of the OV2640.
//!
//! Registers, their defaults and what they do are those of OmniVision's preliminary datasheet 1.6, tables 12 and 13. Size and
//! format of a frame follow from the registers alone, so that a driver's wrong value gives a wrong frame here as it does there.

mod output;
mod registers;

use crate::injection::{Injection, Injector};
use crate::scene::Scene;
use crate::time::Time;
use core::cell::RefCell;
use core::future::pending;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use firmware::camera::ParallelCapture;
use output::Output;
use registers::Registers;

/// The sensor's address.
const ADDRESS: u8 = 0x30;
/// A frame in SVGA at a clock that is not divided: 30 a second at 24 MHz.
const FRAME_NS: u64 = 33_333_333;

/// What goes wrong while a transaction is under way; on the parallel port, a frame is one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sensor does not acknowledge, and nothing happens.
    Nack,
    /// Another bus error, and nothing happens.
    Bus,
    /// The transaction or frame never ends.
    Hang,
    /// A write is acknowledged and has no effect.
    LostWrite,
    /// A byte that is read has a bit that is wrong.
    FlippedRead,
    /// The supply breaks down: all registers are as after a reset.
    BrownOut,
    /// The sensor says that it is another one.
    WrongProduct,
    /// Pixels are lost.
    Overrun,
    /// A frame ends a row too early.
    ShortFrame,
    /// A frame ends a row too late.
    LongFrame,
    /// A frame's pixels are all the same.
    Blank,
    /// A frame is the one before once more.
    Frozen,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::Nack,
        Self::Bus,
        Self::Hang,
        Self::LostWrite,
        Self::FlippedRead,
        Self::BrownOut,
        Self::WrongProduct,
        Self::Overrun,
        Self::ShortFrame,
        Self::LongFrame,
        Self::Blank,
        Self::Frozen,
    ];
}

/// A sensor before a scene.
pub struct Ov2640<'t, S> {
    inner: RefCell<Inner<S>>,
    time: &'t Time,
}

struct Inner<S> {
    registers: Registers,
    scene: S,
    has_exposed: bool,
    injector: Injector<Fault>,
}

impl<'t, S: Scene> Ov2640<'t, S> {
    /// A sensor with power and clock.
    pub const fn new(time: &'t Time, scene: S) -> Self {
        Self {
            inner: RefCell::new(Inner {
                registers: Registers::new(),
                scene,
                has_exposed: false,
                injector: Injector::new(),
            }),
            time,
        }
    }

    /// The sensor's end of the control bus.
    pub const fn sccb(&self) -> Sccb<'_, 't, S> {
        Sccb { sensor: self }
    }

    /// A port that the sensor's pixels come to.
    pub const fn port(&self) -> Port<'_, 't, S> {
        Port { sensor: self }
    }

    /// A register's content, from bank 0 (signal processor) or 1 (sensor).
    pub fn register(&self, bank: u8, address: u8) -> u8 {
        self.inner.borrow().registers.get(bank, address)
    }

    /// Makes transactions fail.
    pub fn inject(&self, injection: Injection<Fault>) {
        self.inner.borrow_mut().injector.inject(injection);
    }

    /// Transactions so far, of bus and port together.
    pub fn transactions(&self) -> u32 {
        self.inner.borrow().injector.transactions()
    }

    /// Whether no later transaction fails.
    pub fn is_fault_over(&self) -> bool {
        self.inner.borrow().injector.is_over()
    }

    /// Looks at the scene, or changes it.
    pub fn with_scene<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.inner.borrow_mut().scene)
    }

    /// Begins a transaction of either kind.
    fn begin(&self) -> Option<Fault> {
        let inner = &mut *self.inner.borrow_mut();
        let fault = inner.injector.begin();
        if fault == Some(Fault::BrownOut) {
            inner.registers.reset();
        }
        fault
    }
}

/// The control bus: I²C with a sensor on it.
pub struct Sccb<'c, 't, S> {
    sensor: &'c Ov2640<'t, S>,
}

impl<S> ErrorType for Sccb<'_, '_, S> {
    type Error = ErrorKind;
}

impl<S: Scene> I2c for Sccb<'_, '_, S> {
    async fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), ErrorKind> {
        let fault = self.sensor.begin();
        match fault {
            Some(Fault::Nack) => {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown));
            }
            Some(Fault::Bus) => return Err(ErrorKind::ArbitrationLoss),
            Some(Fault::Hang) => pending().await,
            _ if address != ADDRESS => {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            _ => {}
        }
        // SCCB has no repeated start.
        let [operation] = operations else {
            return Err(ErrorKind::Other);
        };
        let registers = &mut self.sensor.inner.borrow_mut().registers;
        match operation {
            Operation::Write(bytes) => {
                registers.write_phase(bytes, fault == Some(Fault::LostWrite))
            }
            Operation::Read(bytes) => {
                for byte in bytes.iter_mut() {
                    *byte = match fault {
                        Some(Fault::WrongProduct) if registers.is_product_selected() => 0x77,
                        Some(Fault::FlippedRead) => registers.read() ^ 0x10,
                        _ => registers.read(),
                    };
                }
            }
        }
        Ok(())
    }
}

/// The parallel port: pixels of a sensor.
pub struct Port<'c, 't, S> {
    sensor: &'c Ov2640<'t, S>,
}

impl<S: Scene> ParallelCapture for Port<'_, '_, S> {
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<usize, firmware::fault::Fault> {
        let fault = self.sensor.begin();
        let output = Output::new(&self.sensor.inner.borrow().registers);
        let Some(output) = output.filter(|_| fault != Some(Fault::Hang)) else {
            return pending().await;
        };
        self.sensor
            .time
            .advance(FRAME_NS * u64::from(output.clock_divider));
        let inner = &mut *self.sensor.inner.borrow_mut();
        let scene = &mut inner.scene;
        if fault != Some(Fault::Frozen) || !inner.has_exposed {
            scene.expose();
            inner.has_exposed = true;
        }
        let row_len = output.len() / usize::from(output.height);
        let len = match fault {
            Some(Fault::Overrun) => return Err(firmware::fault::Fault::Overrun),
            Some(Fault::ShortFrame) => output.len() - row_len,
            Some(Fault::LongFrame) => output.len() + row_len,
            _ => output.len(),
        };
        for (index, byte) in bytes.iter_mut().take(len).enumerate() {
            *byte = if fault == Some(Fault::Blank) {
                0
            } else {
                output.byte(index, scene)
            };
        }
        Ok(len)
    }
}
