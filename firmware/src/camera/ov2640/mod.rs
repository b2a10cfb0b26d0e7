//! The OmniVision OV2640: configured over SCCB, which is I²C without repeated starts, its pixels on a parallel port.
//!
//! Set up for QQVGA (160×120) RGB565, the byte with the red bits first, of the whole field of view at half the frame rate:
//! with an input clock of 24 MHz about 15 frames a second. With the signal processor in use VSYNC is high while a frame is sent
//! and HREF while a row is, and data are to be latched at the rising edge of PCLK (as the drivers of OpenMV, `ov2640.c`, and
//! Espressif, `esp32-camera`, take them; the datasheet draws VSYNC for the sensor alone).
//!
//! The sensor sometimes does not acknowledge, and answers a second or third time (`ov2640_read_reg` of Zephyr's
//! `drivers/video/ov2640.c`). Exposure and white balance take seconds to settle: the supervisor marks such frames.

mod registers;

use super::{ByteOrder, Frame, FrameFormat, FrameSource, ParallelCapture, Pattern, View, is_configured, timeout};
use crate::fault::{Fault, Wait};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
use protocol::Finding;
use registers::{
    BANK_SELECT, COM7, COM7_COLOR_BAR, COM7_RESET, COM7_SVGA, HEIGHT, PIDH, PIDL, PRODUCT, SCCB_ADDRESS, WIDTH,
};

pub use registers::{Bank, CONFIGURATION, Register};

/// Three bytes take 0.3 ms at 100 kHz; the sensor may not stretch the clock.
const TRANSACTION_LIMIT_MS: u32 = 20;
/// From the software reset until the registers can be written (esp32-camera waits as long).
const RESET_MS: u32 = 10;
/// An access that is not acknowledged, and a configuration that does not read back, are tried so often.
const TRIES: usize = 3;
/// Before another access (Zephyr's driver waits as long).
const ACCESS_PAUSE_MS: u32 = 5;
/// Before another configuration.
const CONFIGURATION_PAUSE_MS: u32 = 50;
/// Two frames at 15 a second, the first of which may already have begun, and twice that for a slower input clock.
const FRAME_LIMIT_MS: u32 = 500;

/// Size and byte order of a frame.
pub const FORMAT: FrameFormat = FrameFormat { width: WIDTH, height: HEIGHT, order: ByteOrder::BigEndian };

/// Everything that is written after the reset.
fn registers_of(view: View) -> impl Iterator<Item = (Register, u8)> {
    let bars = match view {
        View::Scene => 0,
        View::ColorBars => COM7_COLOR_BAR,
    };
    let others = CONFIGURATION.iter().flat_map(|table| *table);
    [(COM7, COM7_SVGA | bars)].into_iter().chain(others.copied())
}

/// An OV2640 on an I²C bus and a parallel port.
#[derive(Debug)]
pub struct Ov2640<I, P, D> {
    i2c: I,
    port: P,
    delay: D,
    view: View,
    /// Which the sensor has selected, if that is known.
    bank: Option<Bank>,
}

impl<I: I2c, P: ParallelCapture, D: DelayNs> Ov2640<I, P, D> {
    /// A sensor in any state. The board gives it its clock.
    pub const fn new(i2c: I, port: P, delay: D, view: View) -> Self {
        Self { i2c, port, delay, view, bank: None }
    }

    /// Does what `operation` does with the bus, but not for ever, and again if it is not acknowledged. Other faults may come in the
    /// middle of an access that has an effect twice.
    async fn access<T>(&mut self, mut operation: impl AsyncFnMut(&mut I) -> Result<T, I::Error>) -> Result<T, Fault> {
        for _ in 1..TRIES {
            match self.access_once(&mut operation).await {
                Err(Fault::Nack) => self.delay.delay_ms(ACCESS_PAUSE_MS).await,
                outcome => return outcome,
            }
        }
        self.access_once(&mut operation).await
    }

    async fn access_once<T>(
        &mut self,
        operation: &mut impl AsyncFnMut(&mut I) -> Result<T, I::Error>,
    ) -> Result<T, Fault> {
        let named = async { operation(&mut self.i2c).await.map_err(|error| Fault::from_i2c(&error)) };
        timeout(&mut self.delay, TRANSACTION_LIMIT_MS, Wait::Transaction, named).await
    }

    async fn write_byte(&mut self, address: u8, value: u8) -> Result<(), Fault> {
        self.access(async |i2c| i2c.write(SCCB_ADDRESS, &[address, value]).await).await
    }

    async fn select(&mut self, bank: Bank) -> Result<(), Fault> {
        if self.bank != Some(bank) {
            self.bank = None;
            self.write_byte(BANK_SELECT, bank as u8).await?;
            self.bank = Some(bank);
        }
        Ok(())
    }

    async fn write(&mut self, register: Register, value: u8) -> Result<(), Fault> {
        self.select(register.bank).await?;
        self.write_byte(register.address, value).await
    }

    /// SCCB has no repeated start: the address is written in a transaction of its own.
    async fn read(&mut self, register: Register) -> Result<u8, Fault> {
        self.select(register.bank).await?;
        let mut value = [0];
        self.access(async |i2c| {
            i2c.write(SCCB_ADDRESS, &[register.address]).await?;
            i2c.read(SCCB_ADDRESS, &mut value).await
        })
        .await?;
        let [value] = value;
        Ok(value)
    }

    async fn product(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes([self.read(PIDH).await?, self.read(PIDL).await?]))
    }

    async fn identify(&mut self) -> Result<(), Fault> {
        let found = self.product().await?;
        if PRODUCT.contains(&found) { Ok(()) } else { Err(Fault::WrongProduct { expected: *PRODUCT.end(), found }) }
    }

    async fn configure(&mut self, view: View) -> Result<(), Fault> {
        self.bank = None;
        self.write(COM7, COM7_RESET).await?;
        // The bank that a reset selects is not documented.
        self.bank = None;
        self.delay.delay_ms(RESET_MS).await;
        self.identify().await?;
        for (register, value) in registers_of(view) {
            self.write(register, value).await?;
        }
        Ok(())
    }

    /// Finds a write that was lost, or everything that was lost when the supply broke down meanwhile.
    ///
    /// # Errors
    ///
    /// [`Fault::RegisterLost`] with the first difference, or what stopped the comparison.
    async fn verify(&mut self, view: View) -> Result<(), Fault> {
        for (register, written) in registers_of(view) {
            if register.compared != 0 {
                let found = self.read(register).await?;
                if (found ^ written) & register.compared != 0 {
                    return Err(Fault::RegisterLost { address: register.address, written, found });
                }
            }
        }
        Ok(())
    }

    async fn start(&mut self, view: View) -> Result<(), Fault> {
        for _ in 1..TRIES {
            self.configure(view).await?;
            match self.verify(view).await {
                Err(Fault::RegisterLost { .. }) => self.delay.delay_ms(CONFIGURATION_PAUSE_MS).await,
                outcome => return outcome,
            }
        }
        self.configure(view).await?;
        self.verify(view).await
    }
}

impl<I: I2c, P: ParallelCapture, D: DelayNs> FrameSource for Ov2640<I, P, D> {
    /// Exposure, gain and white balance come near their values.
    const QUIET_MS: u32 = 300;

    fn format(&self) -> FrameFormat {
        FORMAT
    }

    fn view(&self) -> Option<View> {
        Some(self.view)
    }

    fn set_view(&mut self, view: View) {
        self.view = view;
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.start(self.view).await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let format = self.format();
        let bytes = frame.begin(format)?;
        let expected = bytes.len() as u32;
        let capture = timeout(&mut self.delay, FRAME_LIMIT_MS, Wait::Frame, self.port.capture(bytes)).await;
        capture.map_err(|fault| self.port.progress().name(fault, expected))?;
        frame.complete(format);
        Ok(())
    }

    async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        let found = self.product().await?;
        tell(Finding::Product { found, is_known: PRODUCT.contains(&found) }).await;
        let mut registers = 0;
        for (register, written) in registers_of(self.view) {
            if register.compared != 0 {
                let found = self.read(register).await?;
                if (found ^ written) & register.compared != 0 {
                    let (bank, address) = (register.bank as u8, register.address);
                    tell(Finding::Register { bank, address, written, found }).await;
                }
                registers += 1;
            }
        }
        tell(Finding::Compared { registers }).await;
        Ok(())
    }

    async fn capture_test_pattern(&mut self, frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        let outcome = self.start(View::ColorBars).await;
        if !is_configured(&outcome) {
            outcome?;
        }
        self.delay.delay_ms(Self::QUIET_MS).await;
        self.capture(frame).await?;
        Ok(Pattern::Taken)
    }
}
