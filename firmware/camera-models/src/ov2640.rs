//! A model of the OV2640.
//!
//! Registers, their defaults and what they do are those of OmniVision's preliminary datasheet 1.6, tables 12 and 13. Size and
//! format of a frame follow from the registers alone, so that a driver's wrong value gives a wrong frame here as it does there.

use crate::injection::Injector;
use crate::scene::{Exposure, Scene};
use crate::time::Time;
use core::cell::RefCell;
use core::future::pending;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use firmware::camera::ParallelCapture;

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

/// A sensor before a scene; a reference to it is its end of the control bus, and the port that its pixels come to.
pub struct Ov2640<'t, S> {
    /// Makes transactions fail, those of bus and port together.
    pub faults: Injector<Fault>,
    time: &'t Time,
    registers: RefCell<Registers>,
    exposure: RefCell<Exposure<S>>,
}

impl<'t, S: Scene> Ov2640<'t, S> {
    /// A sensor with power and clock.
    pub const fn new(time: &'t Time, scene: S) -> Self {
        Self {
            faults: Injector::new(),
            time,
            registers: RefCell::new(Registers::new()),
            exposure: RefCell::new(Exposure::new(scene)),
        }
    }

    /// A register's content, from bank 0 (signal processor) or 1 (sensor).
    pub fn register(&self, bank: u8, address: u8) -> u8 {
        self.registers.borrow().get(bank, address)
    }

    /// Begins a transaction of either kind.
    fn begin(&self) -> Option<Fault> {
        let fault = self.faults.begin();
        if fault == Some(Fault::BrownOut) {
            self.registers.replace(Registers::new());
        }
        fault
    }
}

impl<S> ErrorType for &Ov2640<'_, S> {
    type Error = ErrorKind;
}

impl<S: Scene> I2c for &Ov2640<'_, S> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let fault = self.begin();
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
        let registers = &mut *self.registers.borrow_mut();
        match operation {
            Operation::Write(bytes) => registers.write_phase(bytes, fault == Some(Fault::LostWrite)),
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

impl<S: Scene> ParallelCapture for &Ov2640<'_, S> {
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<usize, firmware::fault::Fault> {
        let fault = self.begin();
        let output = Output::new(&self.registers.borrow());
        let Some(output) = output.filter(|_| fault != Some(Fault::Hang)) else {
            return pending().await;
        };
        self.time.advance(FRAME_NS * u64::from(output.clock_divider));
        let exposure = &mut *self.exposure.borrow_mut();
        exposure.begin(fault == Some(Fault::Frozen));
        let row_len = output.len() / usize::from(output.height);
        let len = match fault {
            Some(Fault::Overrun) => return Err(firmware::fault::Fault::Overrun),
            Some(Fault::ShortFrame) => output.len() - row_len,
            Some(Fault::LongFrame) => output.len() + row_len,
            _ => output.len(),
        };
        for (index, byte) in bytes.iter_mut().take(len).enumerate() {
            *byte = if fault == Some(Fault::Blank) { 0 } else { output.byte(index, &exposure.scene) };
        }
        Ok(len)
    }
}

/// Bank 0.
const DSP: u8 = 0;
/// Bank 1.
const SENSOR: u8 = 1;

const BANK_SELECT: u8 = 0xFF;
const COM7: u8 = 0x12;
const PIDH: u8 = 0x0A;
const PIDL: u8 = 0x0B;
const MIDH: u8 = 0x1C;
const MIDL: u8 = 0x1D;

/// Bank, address and value of what a reset does not leave at zero (tables 12 and 13; PIDL as later chips have it).
#[rustfmt::skip]
const DEFAULTS: [(u8, u8, u8); 37] = [
    (DSP, 0x05, 0x01), (DSP, 0x44, 0x0C), (DSP, 0x51, 0x40), (DSP, 0x52, 0xF0), (DSP, 0x55, 0x08), (DSP, 0x5A, 0x58),
    (DSP, 0x5B, 0x48), (DSP, 0x86, 0x0D), (DSP, 0x87, 0x50), (DSP, 0xC0, 0x80), (DSP, 0xC1, 0x60), (DSP, 0xC2, 0x0C),
    (DSP, 0xC3, 0xFF), (DSP, 0xD3, 0x82), (DSP, 0xE0, 0x04), (DSP, 0xED, 0x1F), (SENSOR, 0x03, 0x0F), (SENSOR, 0x04, 0x20),
    (SENSOR, 0x08, 0x40), (SENSOR, PIDH, 0x26), (SENSOR, PIDL, 0x42), (SENSOR, 0x0C, 0x38), (SENSOR, 0x10, 0x33),
    (SENSOR, 0x13, 0xC7), (SENSOR, 0x14, 0x50), (SENSOR, 0x17, 0x11), (SENSOR, 0x18, 0x75), (SENSOR, 0x19, 0x01),
    (SENSOR, 0x1A, 0x97), (SENSOR, MIDH, 0x7F), (SENSOR, MIDL, 0xA2), (SENSOR, 0x24, 0x78), (SENSOR, 0x25, 0x68),
    (SENSOR, 0x26, 0xD4), (SENSOR, 0x32, 0x36), (SENSOR, 0x61, 0x80), (SENSOR, 0x62, 0x90),
];

/// What the sensor holds.
struct Registers {
    banks: [[u8; 256]; 2],
    /// RA_DLMT; its bit 0 counts.
    selected: u8,
    /// The register of the next read.
    address: u8,
}

impl Registers {
    const fn new() -> Self {
        let mut banks = [[0; 256]; 2];
        let mut index = 0;
        while index < DEFAULTS.len() {
            let (bank, address, value) = DEFAULTS[index];
            banks[bank as usize][address as usize] = value;
            index += 1;
        }
        Self { banks, selected: 0x7F, address: 0 }
    }

    const fn get(&self, bank: u8, address: u8) -> u8 {
        self.banks[(bank & 1) as usize][address as usize]
    }

    /// One byte selects a register to read, two write one; more are ignored.
    fn write_phase(&mut self, bytes: &[u8], is_lost: bool) {
        match *bytes {
            [address] => self.address = address,
            [address, value, ..] if !is_lost => self.write(address, value),
            _ => {}
        }
    }

    fn write(&mut self, address: u8, value: u8) {
        let bank = self.selected & 1;
        match (bank, address) {
            (_, BANK_SELECT) => self.selected = value,
            (SENSOR, COM7) if value & 0x80 != 0 => *self = Self::new(),
            (SENSOR, PIDH | PIDL | MIDH | MIDL) => {}
            _ => self.banks[usize::from(bank)][usize::from(address)] = value,
        }
    }

    const fn read(&self) -> u8 {
        match self.address {
            BANK_SELECT => self.selected,
            address => self.get(self.selected & 1, address),
        }
    }

    const fn is_product_selected(&self) -> bool {
        self.selected & 1 == SENSOR && matches!(self.address, PIDH | PIDL)
    }
}

/// How a pixel is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Rgb565 {
        is_low_byte_first: bool,
    },
    /// Two bytes as well, of which the model sends the brightness and a neutral colour.
    Yuv422,
    /// One byte, the upper eight bits.
    Raw,
}

/// Size, format and rate of the frames.
struct Output {
    width: u16,
    height: u16,
    clock_divider: u8,
    format: Format,
    has_color_bars: bool,
    is_mirrored: bool,
    is_flipped: bool,
}

/// White, yellow, cyan, green, magenta, red, blue, black.
const COLOR_BARS: [u16; 8] = [0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000];

impl Output {
    /// `None` if no frames come: the port is held in reset, or sizes contradict each other.
    fn new(registers: &Registers) -> Option<Self> {
        let dsp = |address| registers.get(DSP, address);
        let sensor = |address| registers.get(SENSOR, address);
        let com7 = sensor(0x12);
        let resolution = match com7 >> 4 & 0x07 {
            0b000 => (1600, 1200),
            0b100 => (800, 600),
            0b010 => (400, 296),
            _ => return None,
        };
        let is_in_reset = dsp(0xE0) & 0x04 != 0;
        let is_bypassed = dsp(0x05) & 0x01 != 0;
        let (width, height) = match (is_bypassed, is_in_reset) {
            (true, _) => resolution,
            (false, true) => return None,
            (false, false) => scaled(registers, resolution)?,
        };
        let format = match (is_bypassed, dsp(0xDA) >> 2 & 0x03) {
            (true, _) | (_, 0b01) => Format::Raw,
            (_, 0b00) => Format::Yuv422,
            (_, 0b10) => Format::Rgb565 { is_low_byte_first: dsp(0xDA) & 0x01 != 0 },
            _ => return None,
        };
        Some(Self {
            width,
            height,
            clock_divider: (sensor(0x11) & 0x3F) + 1,
            format,
            has_color_bars: com7 & 0x02 != 0,
            is_mirrored: sensor(0x04) & 0x80 != 0,
            is_flipped: sensor(0x04) & 0x40 != 0,
        })
    }

    /// Bytes of a frame; it has rows.
    const fn len(&self) -> usize {
        let bytes = match self.format {
            Format::Raw => 1,
            Format::Rgb565 { .. } | Format::Yuv422 => 2,
        };
        self.width as usize * self.height as usize * bytes
    }

    /// The byte at `index`.
    fn byte(&self, index: usize, scene: &impl Scene) -> u8 {
        let width = usize::from(self.width);
        let pixel = |index: usize| self.color((index % width) as u16, (index / width) as u16, scene);
        let is_first = index.is_multiple_of(2);
        match self.format {
            Format::Raw => (pixel(index) >> 3) as u8,
            Format::Yuv422 if is_first => (pixel(index / 2) >> 3) as u8,
            Format::Yuv422 => 0x80,
            Format::Rgb565 { is_low_byte_first } => {
                let [high, low] = pixel(index / 2).to_be_bytes();
                if is_first == is_low_byte_first { low } else { high }
            }
        }
    }

    fn color(&self, x: u16, y: u16, scene: &impl Scene) -> u16 {
        let (width, height) = (self.width, self.height);
        if self.has_color_bars {
            let bar = usize::from(x) * COLOR_BARS.len() / usize::from(width);
            return COLOR_BARS[bar.min(COLOR_BARS.len() - 1)];
        }
        // Rows behind the last are those of a frame that is too long.
        let y = y.min(height - 1);
        let x = if self.is_mirrored { width - 1 - x } else { x };
        let y = if self.is_flipped { height - 1 - y } else { y };
        scene.rgb565(x, y, width, height)
    }
}

/// Size behind window, halving and zoom; none if one of them asks for more than comes in.
fn scaled(registers: &Registers, resolution: (u16, u16)) -> Option<(u16, u16)> {
    let dsp = |address| u16::from(registers.get(DSP, address));
    let sizel = dsp(0x8C);
    let image = ((sizel & 0x40) << 5 | dsp(0xC0) << 3 | sizel >> 3 & 0x07, dsp(0xC1) << 3 | sizel & 0x07);
    if image != resolution {
        return None;
    }
    let (vhyx, test, ctrli, zmhh) = (dsp(0x55), dsp(0x57), dsp(0x50), dsp(0x5C));
    let window = (4 * (dsp(0x51) | (vhyx & 0x08) << 5 | (test & 0x80) << 2), 4 * (dsp(0x52) | (vhyx & 0x80) << 1));
    let offset = (dsp(0x53) | (vhyx & 0x07) << 8, dsp(0x54) | (vhyx & 0x70) << 4);
    if window.0 + offset.0 > image.0 || window.1 + offset.1 > image.1 {
        return None;
    }
    let halved = (window.0 >> (ctrli & 0x07), window.1 >> (ctrli >> 3 & 0x07));
    let zoomed = (4 * (dsp(0x5A) | (zmhh & 0x03) << 8), 4 * (dsp(0x5B) | (zmhh & 0x04) << 6));
    let can_scale = dsp(0x86) & 0x20 != 0;
    let fits = zoomed.0 <= halved.0 && zoomed.1 <= halved.1 && zoomed.0 > 0 && zoomed.1 > 0;
    match (can_scale, fits) {
        (true, true) => Some(zoomed),
        (true, false) => None,
        (false, _) => Some(window),
    }
}
