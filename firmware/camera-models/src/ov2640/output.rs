//! What comes out of the parallel port, as the registers say.

use super::registers::{DSP, Registers, SENSOR};
use crate::scene::Scene;

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
pub(super) struct Output {
    pub width: u16,
    pub height: u16,
    pub clock_divider: u8,
    format: Format,
    has_color_bars: bool,
    is_mirrored: bool,
    is_flipped: bool,
}

/// White, yellow, cyan, green, magenta, red, blue, black.
const COLOR_BARS: [u16; 8] = [
    0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000,
];

impl Output {
    /// `None` if no frames come: the port is held in reset, or sizes contradict each other.
    pub fn new(registers: &Registers) -> Option<Self> {
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
            (_, 0b10) => Format::Rgb565 {
                is_low_byte_first: dsp(0xDA) & 0x01 != 0,
            },
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
    pub const fn len(&self) -> usize {
        let bytes = match self.format {
            Format::Raw => 1,
            Format::Rgb565 { .. } | Format::Yuv422 => 2,
        };
        self.width as usize * self.height as usize * bytes
    }

    /// The byte at `index`.
    pub fn byte(&self, index: usize, scene: &impl Scene) -> u8 {
        let width = usize::from(self.width);
        let pixel =
            |index: usize| self.color((index % width) as u16, (index / width) as u16, scene);
        let is_first = index.is_multiple_of(2);
        match self.format {
            Format::Raw => (pixel(index) >> 3) as u8,
            Format::Yuv422 if is_first => (pixel(index / 2) >> 3) as u8,
            Format::Yuv422 => 0x80,
            Format::Rgb565 { is_low_byte_first } => {
                let [high, low] = pixel(index / 2).to_be_bytes();
                if is_first == is_low_byte_first {
                    low
                } else {
                    high
                }
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
    let image = (
        (sizel & 0x40) << 5 | dsp(0xC0) << 3 | sizel >> 3 & 0x07,
        dsp(0xC1) << 3 | sizel & 0x07,
    );
    if image != resolution {
        return None;
    }
    let (vhyx, test, ctrli, zmhh) = (dsp(0x55), dsp(0x57), dsp(0x50), dsp(0x5C));
    let window = (
        4 * (dsp(0x51) | (vhyx & 0x08) << 5 | (test & 0x80) << 2),
        4 * (dsp(0x52) | (vhyx & 0x80) << 1),
    );
    let offset = (
        dsp(0x53) | (vhyx & 0x07) << 8,
        dsp(0x54) | (vhyx & 0x70) << 4,
    );
    if window.0 + offset.0 > image.0 || window.1 + offset.1 > image.1 {
        return None;
    }
    let halved = (window.0 >> (ctrli & 0x07), window.1 >> (ctrli >> 3 & 0x07));
    let zoomed = (
        4 * (dsp(0x5A) | (zmhh & 0x03) << 8),
        4 * (dsp(0x5B) | (zmhh & 0x04) << 6),
    );
    let can_scale = dsp(0x86) & 0x20 != 0;
    let fits = zoomed.0 <= halved.0 && zoomed.1 <= halved.1 && zoomed.0 > 0 && zoomed.1 > 0;
    match (can_scale, fits) {
        (true, true) => Some(zoomed),
        (true, false) => None,
        (false, _) => Some(window),
    }
}
