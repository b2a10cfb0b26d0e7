//! The sensor's control bus: I2C1, which frees itself.

use embassy_stm32::Peri;
use embassy_stm32::gpio::{Level, OutputOpenDrain, Speed};
use embassy_stm32::i2c::{Config, Error, I2c};
use embassy_stm32::peripherals::{I2C1, PB8, PB9};
use embassy_stm32::time::Hertz;
use embassy_time::{Delay, Duration};
use embedded_hal_async::i2c::{self, ErrorType, Operation};
use firmware::camera::free_bus;

/// Standard mode, which the board's pull-ups of 4.7 kΩ drive with ease; the sensor takes four times as much.
const RATE: Hertz = Hertz(100_000);
/// Three bytes take 0.3 ms.
const LIMIT: Duration = Duration::from_millis(10);

/// The peripheral and its pins, which belong to it for the time of a transaction.
pub struct Sccb {
    i2c: Peri<'static, I2C1>,
    clock: Peri<'static, PB8>,
    data: Peri<'static, PB9>,
}

impl Sccb {
    /// A bus that is free, whatever the sensor was doing when the processor was reset.
    pub fn new(i2c: Peri<'static, I2C1>, clock: Peri<'static, PB8>, data: Peri<'static, PB9>) -> Self {
        let mut sccb = Self { i2c, clock, data };
        sccb.free();
        sccb
    }

    fn free(&mut self) {
        let mut clock = OutputOpenDrain::new(self.clock.reborrow(), Level::High, Speed::Low);
        let mut data = OutputOpenDrain::new(self.data.reborrow(), Level::High, Speed::Low);
        let Ok(is_free) = free_bus(&mut clock, &mut data, &mut Delay);
        if !is_free {
            defmt::warn!("the camera's SDA stays low: is it short to ground?");
        }
    }
}

impl ErrorType for Sccb {
    type Error = Error;
}

impl i2c::I2c for Sccb {
    /// Without DMA, which could not reach the driver's variables (see memory.x), for two or three bytes at a time.
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Error> {
        let mut config = Config::default();
        config.frequency = RATE;
        config.timeout = LIMIT;
        let mut bus = I2c::new_blocking(self.i2c.reborrow(), self.clock.reborrow(), self.data.reborrow(), config);
        let result = bus.blocking_transaction(address, operations);
        drop(bus);
        if !matches!(result, Ok(()) | Err(Error::Nack)) {
            self.free();
        }
        result
    }
}
