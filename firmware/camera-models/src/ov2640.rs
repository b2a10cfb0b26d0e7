//! A model of the OV2640.
//!
//! Registers, their defaults and what they do are those of OmniVision's preliminary datasheet 1.6, tables 12 and 13. Size and
//! format of a frame follow from the registers alone, so that a driver's wrong value gives a wrong frame here as it does there.
//!
//! [`Habits`] are what drivers in use tell of the sensor beside its datasheet; each names its source. Its parallel port is one as the
//! DCMI of an STM32 is (RM0433), which does not count: it takes as many bytes as the buffer has, waits for the rest of
//! a frame that is shorter, and overruns behind the end of one that is longer. Control bus: nine bits a byte at 100 kHz.

use crate::injection::Injector;
use crate::scene::{Exposure, Scene, hash};
use crate::time::Time;
use core::cell::{Cell, RefCell};
use core::future::pending;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use firmware::camera::{ParallelCapture, Progress};

/// The sensor's address.
const ADDRESS: u8 = 0x30;
/// A frame in SVGA at a clock that is not divided: 30 a second at 24 MHz.
const FRAME_NS: u64 = 33_333_333;
/// A byte on the control bus.
const BYTE_NS: u64 = 90_000;

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
    /// Pixels are lost in the middle of a frame.
    Overrun,
    /// No frame begins: the port's VSYNC or the sensor's clock is missing.
    NoVsync,
    /// Frames begin and have no pixels.
    NoPixels,
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
    pub const ALL: [Self; 14] = [
        Self::Nack,
        Self::Bus,
        Self::Hang,
        Self::LostWrite,
        Self::FlippedRead,
        Self::BrownOut,
        Self::WrongProduct,
        Self::Overrun,
        Self::NoVsync,
        Self::NoPixels,
        Self::ShortFrame,
        Self::LongFrame,
        Self::Blank,
        Self::Frozen,
    ];
}

/// What a sensor and its surroundings are like that the datasheet does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// One in so many accesses is not acknowledged, at random; 0 is none. "It rarely happens that the camera does not respond with ACK
    /// signal", Zephyr's `drivers/video/ov2640.c`, which tries three times.
    pub nack_in: u32,
    /// Reserved bits of documented registers read back otherwise than they were written.
    pub are_reserved_bits_odd: bool,
    /// Bits of a documented register that read back otherwise, in the sensor's bank: address and bits.
    pub odd_register: Option<(u8, u8)>,
    /// Frames until exposure and white balance are stable: 1.2 … 4.8 s at SVGA, with a tint in the first ones (esp32-camera's and
    /// OpenMV's issues).
    pub settling_frames: u32,
    /// Lamps flicker with the mains of so many hertz: bands, unless COM3 chooses the filter for them (0x3A, automatic, in Linux's and
    /// OpenMV's drivers; 0x3C, 50 Hz, in WeAct's).
    pub mains_hz: Option<u8>,
    /// The first row is garbage where the window starts at the first row ("0x01 fixes issue with garbage pixels in the image",
    /// OpenMV's `ov2640.c` about VSTRT).
    pub has_garbage: bool,
    /// What the data lines between sensor and port are like.
    pub wiring: Wiring,
    /// The supply breaks down behind so many writes after each reset; 0 is never.
    pub sags_after: u32,
}

/// Data lines, D0 … D7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wiring {
    /// Each where it belongs.
    #[default]
    Right,
    /// This one is not connected, and low.
    OpenLine(u8),
    /// These two are exchanged.
    CrossedLines(u8, u8),
    /// All of them are in the opposite order.
    ReversedLines,
    /// A clock too many comes in front of each frame: all bytes are one late.
    LateByte,
}

impl Wiring {
    /// What arrives of a frame's bytes.
    fn apply(self, bytes: &mut [u8]) {
        match self {
            Self::Right => {}
            Self::OpenLine(line) => bytes.iter_mut().for_each(|byte| *byte &= !(1 << line)),
            Self::CrossedLines(first, second) => bytes.iter_mut().for_each(|byte| {
                let differ = (*byte >> first ^ *byte >> second) & 1;
                *byte ^= differ << first | differ << second;
            }),
            Self::ReversedLines => bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits()),
            Self::LateByte => bytes.rotate_right(1),
        }
    }
}

/// A sensor before a scene; a reference to it is its end of the control bus, and the port that its pixels come to.
pub struct Ov2640<'t, S> {
    /// Makes transactions fail, those of bus and port together.
    pub faults: Injector<Fault>,
    time: &'t Time,
    habits: Habits,
    registers: RefCell<Registers>,
    exposure: RefCell<Exposure<S>>,
    progress: Cell<Progress>,
    /// Registers that were written since the last reset command.
    writes: Cell<u32>,
}

impl<'t, S: Scene> Ov2640<'t, S> {
    /// A sensor with power and clock.
    pub const fn new(time: &'t Time, scene: S, habits: Habits) -> Self {
        Self {
            faults: Injector::new(),
            time,
            habits,
            registers: RefCell::new(Registers::new()),
            exposure: RefCell::new(Exposure::new(scene)),
            progress: Cell::new(Progress { has_begun: false, bytes: 0, is_overrun: false }),
            writes: Cell::new(0),
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
            self.reset();
        }
        fault
    }

    fn reset(&self) {
        self.registers.replace(Registers::new());
        self.exposure.borrow_mut().restart();
    }

    /// Whether the access that has begun is one of those that are not acknowledged.
    fn is_ignored(&self) -> bool {
        let chance = self.habits.nack_in;
        chance != 0 && hash(self.faults.transactions()).is_multiple_of(chance)
    }

    /// What is read in place of `value`.
    fn readable(&self, value: u8, registers: &Registers) -> u8 {
        let bank = registers.selected & 1;
        let mut odd = 0;
        if self.habits.are_reserved_bits_odd {
            let documented = DOCUMENTED.iter().find(|(of, address, _)| (*of, *address) == (bank, registers.address));
            odd |= documented.map_or(0, |(_, _, bits)| !bits);
        }
        if let Some((address, bits)) = self.habits.odd_register
            && (bank, registers.address) == (SENSOR, address)
        {
            odd |= bits;
        }
        value ^ odd
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
            _ if address != ADDRESS || self.is_ignored() => {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            _ => {}
        }
        // SCCB has no repeated start.
        let [operation] = operations else {
            return Err(ErrorKind::Other);
        };
        match operation {
            Operation::Write(bytes) => {
                self.time.advance((1 + bytes.len() as u64) * BYTE_NS);
                let is_reset = self.registers.borrow_mut().write_phase(bytes, fault == Some(Fault::LostWrite));
                let writes = self.writes.get() + u32::from(bytes.len() > 1);
                self.writes.set(if is_reset { 0 } else { writes });
                if is_reset || bytes.len() > 1 && self.habits.sags_after == writes {
                    self.reset();
                }
            }
            Operation::Read(bytes) => {
                self.time.advance((1 + bytes.len() as u64) * BYTE_NS);
                let registers = &*self.registers.borrow();
                for byte in bytes.iter_mut() {
                    *byte = match fault {
                        Some(Fault::WrongProduct) if registers.is_product_selected() => 0x77,
                        Some(Fault::FlippedRead) => registers.read() ^ 0x10,
                        _ => self.readable(registers.read(), registers),
                    };
                }
            }
        }
        Ok(())
    }
}

impl<S: Scene> ParallelCapture for &Ov2640<'_, S> {
    async fn capture(&mut self, bytes: &mut [u8]) -> Result<(), firmware::fault::Fault> {
        let fault = self.begin();
        let mut progress = Progress { has_begun: false, bytes: 0, is_overrun: false };
        self.progress.set(progress);
        let output = Output::new(&self.registers.borrow());
        let Some(output) = output.filter(|_| !matches!(fault, Some(Fault::Hang | Fault::NoVsync))) else {
            return pending().await;
        };
        self.exposure.borrow_mut().begin(fault == Some(Fault::Frozen));
        progress.has_begun = true;
        let row_len = output.len() / usize::from(output.height);
        let len = match fault {
            Some(Fault::NoPixels) => 0,
            Some(Fault::Overrun) => output.len() / 2,
            Some(Fault::ShortFrame) => output.len() - row_len,
            Some(Fault::LongFrame) => output.len() + row_len,
            _ => output.len(),
        };
        let taken = len.min(bytes.len());
        if let Some(bytes) = bytes.get_mut(..taken) {
            output.write(bytes, &self.exposure.borrow(), &self.habits);
            if fault == Some(Fault::Blank) {
                bytes.fill(0);
            }
            self.habits.wiring.apply(bytes);
        }
        progress.bytes = taken as u32;
        progress.is_overrun = len > bytes.len() || fault == Some(Fault::Overrun);
        self.progress.set(progress);
        if len < bytes.len() {
            return pending().await;
        }
        self.time.advance(FRAME_NS * u64::from(output.clock_divider));
        if progress.is_overrun { Err(firmware::fault::Fault::Bus) } else { Ok(()) }
    }

    fn progress(&self) -> Progress {
        self.progress.get()
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

/// Bank, address and the bits that the datasheet describes, of the registers in which it calls others reserved (tables 12 and 13).
#[rustfmt::skip]
const DOCUMENTED: [(u8, u8, u8); 14] = [
    (DSP, 0x05, 0x01), (DSP, 0x57, 0x80), (DSP, 0x5C, 0xF7), (DSP, 0x86, 0x3D), (DSP, 0x87, 0xC0), (DSP, 0x8C, 0x7F),
    (DSP, 0xDA, 0x5F), (SENSOR, 0x03, 0xCF), (SENSOR, 0x09, 0x17), (SENSOR, 0x0C, 0x07), (SENSOR, 0x11, 0xBF),
    (SENSOR, COM7, 0xF6), (SENSOR, 0x13, 0x25), (SENSOR, 0x14, 0xE0),
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

    /// One byte selects a register to read, two write one; more are ignored. Says whether it is a reset.
    fn write_phase(&mut self, bytes: &[u8], is_lost: bool) -> bool {
        match *bytes {
            [address] => self.address = address,
            [address, value, ..] if !is_lost => return self.write(address, value),
            _ => {}
        }
        false
    }

    fn write(&mut self, address: u8, value: u8) -> bool {
        let bank = self.selected & 1;
        match (bank, address) {
            (_, BANK_SELECT) => self.selected = value,
            (SENSOR, COM7) if value & 0x80 != 0 => return true,
            (SENSOR, PIDH | PIDL | MIDH | MIDL) => {}
            _ => self.banks[usize::from(bank)][usize::from(address)] = value,
        }
        false
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
    starts_at_first_row: bool,
    /// COM3: the frequency that the banding filter is for, none where it finds out by itself.
    banding_hz: Option<u8>,
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
            starts_at_first_row: sensor(0x19) == 0,
            banding_hz: match sensor(0x0C) & 0x06 {
                0x00 => Some(60),
                0x04 => Some(50),
                _ => None,
            },
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

    /// Writes a frame from its start on, as many bytes as there are.
    fn write(&self, bytes: &mut [u8], exposure: &Exposure<impl Scene>, habits: &Habits) {
        let width = usize::from(self.width);
        let pixel = |index: usize| self.color((index % width) as u16, (index / width) as u16, exposure, habits);
        for (index, pair) in bytes.chunks_mut(2).enumerate() {
            let both = match self.format {
                Format::Raw => [(pixel(2 * index) >> 3) as u8, (pixel(2 * index + 1) >> 3) as u8],
                Format::Yuv422 => [(pixel(index) >> 3) as u8, 0x80],
                Format::Rgb565 { is_low_byte_first: true } => pixel(index).to_le_bytes(),
                Format::Rgb565 { is_low_byte_first: false } => pixel(index).to_be_bytes(),
            };
            pair.iter_mut().zip(both).for_each(|(byte, value)| *byte = value);
        }
    }

    fn color(&self, x: u16, y: u16, exposure: &Exposure<impl Scene>, habits: &Habits) -> u16 {
        let (width, height) = (self.width, self.height);
        if self.has_color_bars {
            let bar = usize::from(x) * COLOR_BARS.len() / usize::from(width);
            return COLOR_BARS[bar.min(COLOR_BARS.len() - 1)];
        }
        if y == 0 && self.starts_at_first_row && habits.has_garbage {
            return hash(u32::from(x)) as u16;
        }
        // Rows behind the last are those of a frame that is too long.
        let y = y.min(height - 1);
        let x = if self.is_mirrored { width - 1 - x } else { x };
        let row = y;
        let y = if self.is_flipped { height - 1 - y } else { y };
        let color = exposure.rgb565([x, y, width, height], habits.settling_frames, true, true);
        let is_banded = habits.mains_hz.is_some_and(|mains| self.banding_hz.is_some_and(|filter| filter != mains));
        // Half the light in every second band of eight rows.
        if is_banded && row & 8 != 0 { color >> 1 & 0x7BEF } else { color }
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
