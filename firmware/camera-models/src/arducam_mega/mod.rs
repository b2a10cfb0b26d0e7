//! A model of the ArduCAM Mega.
//!
//! Addresses and bits are those of the manufacturer's SDK (github.com/ArduCAM/Arducam_Mega, version 3.0.0,
//! `src/Arducam/ArducamCamera.c`). What a reset leaves in format and resolution is not documented there; the model takes JPEG
//! and 320×240, so that a driver which does not set them is found out.

mod registers;

use crate::injection::{Injection, Injector};
use crate::scene::Scene;
use crate::time::Time;
use core::cell::RefCell;
use core::future::pending;
use embedded_hal::spi::ErrorKind;
use embedded_hal_async::spi::{ErrorType, Operation, SpiDevice};
use registers::Controller;

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

/// How long the camera takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A reset, in milliseconds.
    pub reset_ms: u32,
    /// A change of a setting, in milliseconds.
    pub setting_ms: u32,
    /// A capture, in milliseconds.
    pub capture_ms: u32,
}

impl Default for Timing {
    /// Plausible, not measured.
    fn default() -> Self {
        Self {
            reset_ms: 100,
            setting_ms: 10,
            capture_ms: 60,
        }
    }
}

/// A camera before a scene.
pub struct ArducamMega<'t, S> {
    inner: RefCell<Inner<'t, S>>,
}

struct Inner<'t, S> {
    controller: Controller<'t, S>,
    injector: Injector<Fault>,
}

impl<'t, S: Scene> ArducamMega<'t, S> {
    /// A camera with power; `sensor_id` is 0x81 … 0x87.
    pub const fn new(time: &'t Time, scene: S, sensor_id: u8, timing: Timing) -> Self {
        Self {
            inner: RefCell::new(Inner {
                controller: Controller::new(time, scene, sensor_id, timing),
                injector: Injector::new(),
            }),
        }
    }

    /// The camera's end of the bus.
    pub const fn spi(&self) -> Spi<'_, 't, S> {
        Spi { camera: self }
    }

    /// Makes transactions fail.
    pub fn inject(&self, injection: Injection<Fault>) {
        self.inner.borrow_mut().injector.inject(injection);
    }

    /// Transactions so far.
    pub fn transactions(&self) -> u32 {
        self.inner.borrow().injector.transactions()
    }

    /// Whether no later transaction fails.
    pub fn is_fault_over(&self) -> bool {
        self.inner.borrow().injector.is_over()
    }

    /// Looks at the scene, or changes it.
    pub fn with_scene<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.inner.borrow_mut().controller.scene)
    }
}

/// The bus to a camera.
pub struct Spi<'c, 't, S> {
    camera: &'c ArducamMega<'t, S>,
}

impl<S> ErrorType for Spi<'_, '_, S> {
    type Error = ErrorKind;
}

impl<S: Scene> SpiDevice for Spi<'_, '_, S> {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let fault = self.camera.inner.borrow_mut().injector.begin();
        match fault {
            Some(Fault::Bus) => return Err(ErrorKind::Other),
            Some(Fault::Hang) => pending().await,
            _ => {}
        }
        let controller = &mut self.camera.inner.borrow_mut().controller;
        controller.select(fault);
        for operation in operations {
            match operation {
                Operation::Read(bytes) => bytes
                    .iter_mut()
                    .for_each(|byte| *byte = controller.exchange(0)),
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
                Operation::TransferInPlace(bytes) => bytes
                    .iter_mut()
                    .for_each(|byte| *byte = controller.exchange(*byte)),
                Operation::DelayNs(nanoseconds) => {
                    controller.time.advance(u64::from(*nanoseconds));
                }
            }
        }
        Ok(())
    }
}
