//! The ArduCAM Mega series: a sensor with a controller of its own that keeps a whole frame and gives it out over SPI.
//!
//! SPI mode 0, at most 8 MHz; chip select frames a transaction. Write: address with bit 7 set, value. Read: address, a byte
//! that means nothing, value.
//!
//! Source of every address, bit and value: the manufacturer's SDK for the Mega series, version 3.0.0 of 2025-02-28
//! (github.com/ArduCAM/Arducam_Mega, `src/Arducam/ArducamCamera.c` and `.h`); the name that it has there stands at each. The
//! timing of a transaction comes from the functions `cameraBusWrite`, `cameraBusRead` and `cameraReadBuff` of that file.
//!
//! What the SDK does not tell was measured by github.com/kazunori279/fpga-open-vocab (`firmware/`: a 3 MP camera on an RP2350), and
//! agrees with Zephyr's `drivers/video/video_arducam_mega.c`, which waits for a second after a reset and drops three frames:
//!
//! * After the last setting the camera must be left alone, for the longer the less light there is: up to 400 ms. Triggered earlier it
//!   delivers bytes 08 01, right in number, until its next reset.
//! * Some resets leave exposure, gain or white balance switched off: dark pictures, or pictures without blue.
//! * A capture that is triggered once more while it is under way is blank.
//!
//! The square resolutions are the whole view of 4:3, squeezed to a square and not cropped: things look 3/4 as wide as they are. A
//! model trained with pictures of this camera knows them so.

use super::{ByteOrder, Frame, FrameFormat, FrameSource, timeout};
use crate::fault::{Fault, Wait};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::spi::{Operation, SpiDevice};
use protocol::Finding;

/// A register of the camera's controller, 7 bits of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Register {
    /// `ARDUCHIP_FIFO`: starts a capture and clears its flag.
    FifoControl = 0x04,
    /// `CAM_REG_SENSOR_RESET`.
    Reset = 0x07,
    /// `CAM_REG_DEBUG_DEVICE_ADDRESS`: where the controller finds its sensor.
    DeviceAddress = 0x0A,
    /// `CAM_REG_FORMAT`.
    Format = 0x20,
    /// `CAM_REG_CAPTURE_RESOLUTION`.
    Resolution = 0x21,
    /// `CAM_REG_WHITEBALANCE_MODE_CONTROL`.
    WhiteBalanceMode = 0x26,
    /// `CAM_REG_EXPOSURE_GAIN_WHITEBALANCE_CONTROL`.
    Loops = 0x30,
    /// `CAM_REG_SENSOR_ID`.
    SensorId = 0x40,
    /// `CAM_REG_SENSOR_STATE` and `ARDUCHIP_TRIG`: [`STATE_MASK`] and [`CAPTURE_DONE`].
    State = 0x44,
    /// `FIFO_SIZE1`: bits 0 … 7 of the number of bytes in the FIFO.
    FifoLength0 = 0x45,
    /// `FIFO_SIZE2`: bits 8 … 15.
    FifoLength1 = 0x46,
    /// `FIFO_SIZE3`: bits 16 … 23.
    FifoLength2 = 0x47,
}

/// Set in the address byte of a write (`cameraWriteReg`).
const WRITE: u8 = 0x80;
/// `BURST_FIFO_READ`: the command that reads the FIFO until the chip select is released.
const BURST_READ: u8 = 0x3C;
/// `CAM_SENSOR_RESET_ENABLE`, in [`Register::Reset`]: resets controller and sensor.
const RESET_ALL: u8 = 1 << 6;
/// `FIFO_CLEAR_ID_MASK`, in [`Register::FifoControl`]: forgets the last capture.
const FIFO_CLEAR: u8 = 0x01;
/// `FIFO_START_MASK`, in [`Register::FifoControl`]: captures one frame.
const FIFO_START: u8 = 0x02;
/// Bits of [`Register::State`] that say what the controller does (`cameraWaitI2cIdle`).
const STATE_MASK: u8 = 0x03;
/// `CAM_REG_SENSOR_STATE_IDLE`: the controller takes commands.
const STATE_IDLE: u8 = 1 << 1;
/// `CAP_DONE_MASK`, in [`Register::State`]: the frame is in the FIFO.
const CAPTURE_DONE: u8 = 0x04;
/// `deviceAddress` of every sensor of the series: the sensor's own bus address.
const SENSOR_ADDRESS: u8 = 0x78;
/// `CAM_IMAGE_PIX_FMT_RGB565`, in [`Register::Format`].
const FORMAT_RGB565: u8 = 0x02;
/// In [`Register::Loops`]: `SET_EXPOSURE`, `SET_GAIN` and `SET_WHITEBALANCE`, each with the bit that switches it on.
const LOOPS_ON: [u8; 3] = [0x81, 0x80, 0x82];
/// `CAM_WHITE_BALANCE_MODE_DEFAULT`: automatic.
const WHITE_BALANCE_AUTOMATIC: u8 = 0;
/// `SENSOR_5MP_1` … `SENSOR_2MP`: what [`Register::SensorId`] may hold.
const SENSOR_IDS: core::ops::RangeInclusive<u8> = 0x81..=0x87;
/// `SENSOR_5MP`: sensors from this one on number their resolutions anew (`legacyMode`).
const FIRST_RENUMBERED: u8 = 0x85;

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
    /// 128×128 pixels: exactly 4×4 for each of 32×32 that a network sees.
    Square128,
}

impl Resolution {
    /// Size and byte order of a frame.
    pub const fn format(self) -> FrameFormat {
        let side = match self {
            Self::Square96 => 96,
            Self::Square128 => 128,
        };
        FrameFormat { width: side, height: side, order: ByteOrder::BigEndian }
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
        Self { spi, delay, resolution }
    }

    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Fault> {
        let transaction = async { self.spi.transaction(operations).await.map_err(|_| Fault::Bus) };
        timeout(&mut self.delay, TRANSACTION_LIMIT_MS, Wait::Transaction, transaction).await
    }

    async fn write(&mut self, register: Register, value: u8) -> Result<(), Fault> {
        let bytes = [register as u8 | WRITE, value];
        self.transaction(&mut [Operation::Write(&bytes)]).await
    }

    async fn read(&mut self, register: Register) -> Result<u8, Fault> {
        let mut answer = [0; 2];
        self.transaction(&mut [Operation::Write(&[register as u8]), Operation::Read(&mut answer)]).await?;
        let [_, value] = answer;
        Ok(value)
    }

    /// Looks at the state until `is_reached` says yes of it.
    async fn wait(&mut self, is_reached: impl Fn(u8) -> bool, limit_ms: u32, fault: Fault) -> Result<(), Fault> {
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
        self.wait(|state| state & STATE_MASK == STATE_IDLE, IDLE_LIMIT_MS, Fault::Timeout(Wait::Idle)).await
    }

    async fn fifo_len(&mut self) -> Result<u32, Fault> {
        let low = self.read(Register::FifoLength0).await?;
        let middle = self.read(Register::FifoLength1).await?;
        let high = self.read(Register::FifoLength2).await?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }
}

impl<S: SpiDevice, D: DelayNs> FrameSource for ArducamMega<S, D> {
    /// More than was ever needed, behind a covered lens.
    const QUIET_MS: u32 = 500;

    fn format(&self) -> FrameFormat {
        self.resolution.format()
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.configure(Register::Reset, RESET_ALL).await?;
        let sensor_id = self.read(Register::SensorId).await?;
        if !SENSOR_IDS.contains(&sensor_id) {
            return Err(Fault::WrongProduct { expected: u16::from(*SENSOR_IDS.start()), found: u16::from(sensor_id) });
        }
        self.configure(Register::DeviceAddress, SENSOR_ADDRESS).await?;
        self.configure(Register::Format, FORMAT_RGB565).await?;
        self.configure(Register::Resolution, self.resolution.code(sensor_id)).await?;
        for value in LOOPS_ON {
            self.configure(Register::Loops, value).await?;
        }
        self.configure(Register::WhiteBalanceMode, WHITE_BALANCE_AUTOMATIC).await
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let format = self.format();
        let bytes = frame.begin(format)?;
        self.write(Register::FifoControl, FIFO_CLEAR).await?;
        self.write(Register::FifoControl, FIFO_START).await?;
        self.wait(|state| state & CAPTURE_DONE != 0, CAPTURE_LIMIT_MS, Fault::StuckFifo).await?;
        let expected = bytes.len() as u32;
        match self.fifo_len().await? {
            0 => return Err(Fault::StuckFifo),
            found if found != expected => return Err(Fault::WrongLength { expected, found }),
            _ => {}
        }
        let command = [BURST_READ, 0];
        self.transaction(&mut [Operation::Write(&command), Operation::Read(bytes)]).await?;
        frame.complete(format);
        Ok(())
    }

    /// The SDK promises for none of its settings that it can be read back.
    async fn examine(&mut self, tell: &mut impl AsyncFnMut(Finding<'_>)) -> Result<(), Fault> {
        let sensor_id = self.read(Register::SensorId).await?;
        tell(Finding::Product { found: u16::from(sensor_id), is_known: SENSOR_IDS.contains(&sensor_id) }).await;
        let state = self.read(Register::State).await?;
        tell(Finding::Value { name: "state register of the camera", value: u32::from(state) }).await;
        let value = self.fifo_len().await?;
        tell(Finding::Value { name: "bytes in the camera's memory", value }).await;
        Ok(())
    }
}
