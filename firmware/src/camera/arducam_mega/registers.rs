//! The register map, as far as the driver uses it.
//!
//! Source of every address, bit and value: the manufacturer's SDK for the Mega series, version 3.0.0 of 2025-02-28
//! (github.com/ArduCAM/Arducam_Mega, `src/Arducam/ArducamCamera.c` and `.h`); the name that it has there stands at each. The
//! timing of a transaction comes from the functions `cameraBusWrite`, `cameraBusRead` and `cameraReadBuff` of that file.

/// A register of the camera's controller, 7 bits of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Register {
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
pub(super) const WRITE: u8 = 0x80;
/// `BURST_FIFO_READ`: the command that reads the FIFO until the chip select is released.
pub(super) const BURST_READ: u8 = 0x3C;
/// `CAM_SENSOR_RESET_ENABLE`, in [`Register::Reset`]: resets controller and sensor.
pub(super) const RESET_ALL: u8 = 1 << 6;
/// `FIFO_CLEAR_ID_MASK`, in [`Register::FifoControl`]: forgets the last capture.
pub(super) const FIFO_CLEAR: u8 = 0x01;
/// `FIFO_START_MASK`, in [`Register::FifoControl`]: captures one frame.
pub(super) const FIFO_START: u8 = 0x02;
/// Bits of [`Register::State`] that say what the controller does (`cameraWaitI2cIdle`).
pub(super) const STATE_MASK: u8 = 0x03;
/// `CAM_REG_SENSOR_STATE_IDLE`: the controller takes commands.
pub(super) const STATE_IDLE: u8 = 1 << 1;
/// `CAP_DONE_MASK`, in [`Register::State`]: the frame is in the FIFO.
pub(super) const CAPTURE_DONE: u8 = 0x04;
/// `deviceAddress` of every sensor of the series: the sensor's own bus address.
pub(super) const SENSOR_ADDRESS: u8 = 0x78;
/// `CAM_IMAGE_PIX_FMT_RGB565`, in [`Register::Format`].
pub(super) const FORMAT_RGB565: u8 = 0x02;
/// `SENSOR_5MP_1` … `SENSOR_2MP`: what [`Register::SensorId`] may hold.
pub(super) const SENSOR_IDS: core::ops::RangeInclusive<u8> = 0x81..=0x87;
/// `SENSOR_5MP`: sensors from this one on number their resolutions anew (`legacyMode`).
pub(super) const FIRST_RENUMBERED: u8 = 0x85;
