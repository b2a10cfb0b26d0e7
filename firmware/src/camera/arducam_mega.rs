//! The ArduCAM Mega series: a sensor with a controller of its own that keeps a whole frame and gives it out over SPI.
//!
//! SPI mode 0, at most 8 MHz; chip select frames a transaction. Write: address with bit 7 set, value. Read: address, a byte
//! that means nothing, value. The registers and their source are in `registers.rs`.

mod registers;

use super::{ByteOrder, Frame, FrameFormat, FrameSource, timeout};
use crate::fault::{Fault, Wait};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::{Operation, SpiDevice};
use registers::{
    BURST_READ, CAPTURE_DONE, FIFO_CLEAR, FIFO_START, FIRST_RENUMBERED, FORMAT_RGB565, RESET_ALL,
    Register, SENSOR_ADDRESS, SENSOR_IDS, STATE_IDLE, STATE_MASK, WRITE,
};

/// The longest transaction of registers takes 3 bytes, the longest burst 32 KiB: 33 ms at 8 MHz, 262 ms at 1 MHz.
const TRANSACTION_LIMIT_MS: u32 = 500;
/// The controller configures the sensor over a slow bus of its own, and after a reset waits for it.
const IDLE_LIMIT_MS: u32 = 3_000;
/// A frame of the slowest sensor in the dark takes below a second.
const CAPTURE_LIMIT_MS: u32 = 2_000;
/// Between two looks at the state.
const POLL_MS: u32 = 1;

/// Size of the frames, which all sensors of the series have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// 96×96 pixels.
    Square96,
    /// 128×128 pixels: exactly 4×4 for each of the network's.
    Square128,
}

impl Resolution {
    /// Size and byte order of a frame.
    pub const fn format(self) -> FrameFormat {
        let side = match self {
            Self::Square96 => 96,
            Self::Square128 => 128,
        };
        FrameFormat {
            width: side,
            height: side,
            order: ByteOrder::BigEndian,
        }
    }

    /// `CAM_IMAGE_MODE_96X96` and `CAM_IMAGE_MODE_128X128`; in `legacyMode` their numbers for older sensors.
    const fn code(self, sensor_id: u8) -> u8 {
        match (self, sensor_id >= FIRST_RENUMBERED) {
            (Self::Square96, true) => 0x00,
            (Self::Square128, true) => 0x01,
            (Self::Square96, false) => 0x0A,
            (Self::Square128, false) => 0x0B,
        }
    }
}

/// A camera of the ArduCAM Mega series.
#[derive(Debug)]
pub struct ArducamMega<S, D> {
    spi: S,
    delay: D,
    resolution: Resolution,
}

impl<S: SpiDevice, D: DelayNs> ArducamMega<S, D> {
    /// A camera in any state.
    pub const fn new(spi: S, delay: D, resolution: Resolution) -> Self {
        Self {
            spi,
            delay,
            resolution,
        }
    }

    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Fault> {
        let transaction = async {
            self.spi
                .transaction(operations)
                .await
                .map_err(|_| Fault::Bus)
        };
        timeout(
            &mut self.delay,
            TRANSACTION_LIMIT_MS,
            Wait::Transaction,
            transaction,
        )
        .await
    }

    async fn write(&mut self, register: Register, value: u8) -> Result<(), Fault> {
        let bytes = [register as u8 | WRITE, value];
        self.transaction(&mut [Operation::Write(&bytes)]).await
    }

    async fn read(&mut self, register: Register) -> Result<u8, Fault> {
        let mut answer = [0; 2];
        self.transaction(&mut [
            Operation::Write(&[register as u8]),
            Operation::Read(&mut answer),
        ])
        .await?;
        let [_, value] = answer;
        Ok(value)
    }

    /// Looks at the state until `is_reached` says yes of it.
    async fn wait(
        &mut self,
        is_reached: impl Fn(u8) -> bool,
        limit_ms: u32,
        fault: Fault,
    ) -> Result<(), Fault> {
        for _ in 0..limit_ms / POLL_MS {
            if is_reached(self.read(Register::State).await?) {
                return Ok(());
            }
            self.delay.delay_ms(POLL_MS).await;
        }
        Err(fault)
    }

    /// Writes a register whose value the controller passes on to the sensor, and waits until it has.
    async fn configure(&mut self, register: Register, value: u8) -> Result<(), Fault> {
        self.write(register, value).await?;
        self.wait(
            |state| state & STATE_MASK == STATE_IDLE,
            IDLE_LIMIT_MS,
            Fault::Timeout(Wait::Idle),
        )
        .await
    }

    async fn fifo_len(&mut self) -> Result<u32, Fault> {
        let low = self.read(Register::FifoLength0).await?;
        let middle = self.read(Register::FifoLength1).await?;
        let high = self.read(Register::FifoLength2).await?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }
}

impl<S: SpiDevice, D: DelayNs> FrameSource for ArducamMega<S, D> {
    fn format(&self) -> FrameFormat {
        self.resolution.format()
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.configure(Register::Reset, RESET_ALL).await?;
        let sensor_id = self.read(Register::SensorId).await?;
        if !SENSOR_IDS.contains(&sensor_id) {
            return Err(Fault::WrongProduct {
                expected: u16::from(*SENSOR_IDS.start()),
                found: u16::from(sensor_id),
            });
        }
        self.configure(Register::DeviceAddress, SENSOR_ADDRESS)
            .await?;
        self.configure(Register::Format, FORMAT_RGB565).await?;
        self.configure(Register::Resolution, self.resolution.code(sensor_id))
            .await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let format = self.format();
        let bytes = frame.begin(format)?;
        self.write(Register::FifoControl, FIFO_CLEAR).await?;
        self.write(Register::FifoControl, FIFO_START).await?;
        self.wait(
            |state| state & CAPTURE_DONE != 0,
            CAPTURE_LIMIT_MS,
            Fault::StuckFifo,
        )
        .await?;
        let expected = bytes.len() as u32;
        match self.fifo_len().await? {
            0 => return Err(Fault::StuckFifo),
            found if found != expected => return Err(Fault::WrongLength { expected, found }),
            _ => {}
        }
        let command = [BURST_READ, 0];
        self.transaction(&mut [Operation::Write(&command), Operation::Read(bytes)])
            .await?;
        frame.complete(format);
        Ok(())
    }
}
