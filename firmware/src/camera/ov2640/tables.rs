//! What the driver writes, in this order.
//!
//! Values of documented registers follow from the datasheet (see `registers.rs`), and the reason stands at each. The registers
//! that the datasheet calls reserved need other values than those after a reset for a good picture; nobody but OmniVision
//! can say why. Theirs are the values of the reference settings in OmniVision's *OV2640 Camera Module Software Application
//! Notes* (1.03), as the drivers of Linux (`drivers/media/i2c/ov2640.c`) and of Espressif (`esp32-camera`,
//! `ov2640_settings.h`: SVGA) have them.

use super::registers::{
    AEB, AEW, BD50, BD60, BPADDR, BPDATA, Bank, CLKRC, COM1, COM2, COM8, COM9, CTRL1, CTRL2, CTRL3,
    CTRLI, HISTO_HIGH, HISTO_LOW, HREFEND, HREFST, HSIZE, HSIZE8, IMAGE_MODE, MC_BIST, R_BYPASS,
    R_DVP_SP, REG04, REG32, RESET, Register, SIZEL, TEST, VEND, VHYX, VSIZE, VSIZE8, VSTRT, VV,
    XOFFL, YOFFL, ZMHH, ZMOH, ZMOW, opaque,
};

/// One register's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where.
    pub register: Register,
    /// What.
    pub value: u8,
    /// Why, for whoever reads or prints a table.
    pub reason: &'static str,
}

const fn set(register: Register, value: u8, reason: &'static str) -> Setting {
    Setting {
        register,
        value,
        reason,
    }
}

/// Width of the frames in pixels: QQVGA.
pub(super) const WIDTH: u16 = 160;
/// Height of the frames in pixels.
pub(super) const HEIGHT: u16 = 120;
/// Size of the image that the sensor hands to its signal processor: SVGA.
const SENSOR_WIDTH: u16 = 800;
const SENSOR_HEIGHT: u16 = 600;
/// The signal processor halves so often, to 200×150, before it zooms the rest: the zoom is best below a factor of two.
const HALVINGS: u8 = 2;

/// Everything that the driver writes after the reset and COM7, in this order.
pub const CONFIGURATION: [&[Setting]; 6] = [
    &SENSOR,
    &SENSOR_RESERVED,
    &DSP,
    &DSP_RESERVED,
    &WINDOW,
    &OUTPUT,
];

const SENSOR: [Setting; 18] = [
    set(
        CLKRC,
        0x01,
        "half the input clock: 15 frames a second at 24 MHz",
    ),
    set(COM2, 0x02, "outputs of double strength, for a cable"),
    set(
        REG04,
        0x28,
        "neither mirrored nor flipped; HREF starts on an odd pixel",
    ),
    set(
        COM8,
        0xE5,
        "exposure and gain automatic, filtered against flicker",
    ),
    set(COM9, 0x48, "gain up to 8x, above which noise wins"),
    set(COM1, 0x0A, "vertical window of SVGA, low bits"),
    set(HREFST, 0x11, "horizontal window of SVGA"),
    set(HREFEND, 0x43, "horizontal window of SVGA"),
    set(VSTRT, 0x00, "vertical window of SVGA"),
    set(VEND, 0x4B, "vertical window of SVGA: 600 rows"),
    set(REG32, 0x09, "horizontal window of SVGA, low bits"),
    set(AEW, 0x40, "a stable exposure between 0x38 and 0x40"),
    set(AEB, 0x38, "a stable exposure between 0x38 and 0x40"),
    set(VV, 0x82, "fast changes outside of 0x20 and 0x80"),
    set(BD50, 0xCA, "flicker of lamps at 50 Hz"),
    set(BD60, 0xA8, "flicker of lamps at 60 Hz"),
    set(HISTO_LOW, 0x70, "levels of the histogram"),
    set(HISTO_HIGH, 0x80, "levels of the histogram"),
];

/// `{address, value}` pairs of reserved registers as settings.
const fn reserved<const N: usize>(bank: Bank, values: [(u8, u8); N]) -> [Setting; N] {
    let mut settings = [set(opaque("", bank, 0), 0, "reference setting"); N];
    let mut index = 0;
    while index < N {
        let (address, value) = values[index];
        settings[index] = set(opaque("", bank, address), value, "reference setting");
        index += 1;
    }
    settings
}

#[rustfmt::skip]
const SENSOR_RESERVED: [Setting; 35] = reserved(Bank::Sensor, [
    (0x3C, 0x32), (0x2C, 0x0C), (0x33, 0x78), (0x3A, 0x33), (0x3B, 0xFB), (0x3E, 0x00), (0x43, 0x11), (0x16, 0x10),
    (0x4A, 0x81), (0x21, 0x99), (0x5C, 0x00), (0x63, 0x00), (0x7C, 0x05), (0x20, 0x80), (0x28, 0x30), (0x6C, 0x00),
    (0x6E, 0x00), (0x70, 0x02), (0x71, 0x94), (0x73, 0xC1),
    // Those that depend on the resolution, for SVGA.
    (0x3D, 0x38), (0x39, 0x92), (0x35, 0xDA), (0x22, 0x1A), (0x37, 0xC3), (0x23, 0x00), (0x34, 0xC0), (0x06, 0x88),
    (0x07, 0xC0), (0x0D, 0x87), (0x0E, 0x41), (0x42, 0x03), (0x4C, 0x00), (0x5A, 0x23), (0x6D, 0x00),
]);

#[rustfmt::skip]
const DSP_RESERVED: [Setting; 80] = reserved(Bank::Dsp, [
    (0x2C, 0xFF), (0x2E, 0xDF), (0xE5, 0x7F), (0x41, 0x24), (0x76, 0xFF), (0x33, 0xA0), (0x42, 0x20), (0x43, 0x18),
    (0x4C, 0x00), (0x88, 0x3F), (0xD9, 0x10), (0xC8, 0x08), (0xC9, 0x80),
    // The gamma curve, written through one address that counts by itself.
    (0x90, 0x00), (0x91, 0x0E), (0x91, 0x1A), (0x91, 0x31), (0x91, 0x5A), (0x91, 0x69), (0x91, 0x75), (0x91, 0x7E),
    (0x91, 0x88), (0x91, 0x8F), (0x91, 0x96), (0x91, 0xA3), (0x91, 0xAF), (0x91, 0xC4), (0x91, 0xD7), (0x91, 0xE8),
    (0x91, 0x20),
    // Sharpness and noise, likewise.
    (0x92, 0x00), (0x93, 0x06), (0x93, 0xE3), (0x93, 0x03), (0x93, 0x03), (0x93, 0x00), (0x93, 0x02), (0x93, 0x00),
    (0x93, 0x00), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00),
    // The colour matrix, likewise.
    (0x96, 0x00), (0x97, 0x08), (0x97, 0x19), (0x97, 0x02), (0x97, 0x0C), (0x97, 0x24), (0x97, 0x30), (0x97, 0x28),
    (0x97, 0x26), (0x97, 0x02), (0x97, 0x98), (0x97, 0x80), (0x97, 0x00), (0x97, 0x00),
    // White balance.
    (0xA4, 0x00), (0xA8, 0x00), (0xC5, 0x11), (0xC6, 0x51), (0xBF, 0x80), (0xC7, 0x10), (0xB6, 0x66), (0xB8, 0xA5),
    (0xB7, 0x64), (0xB9, 0x7C), (0xB3, 0xAF), (0xB4, 0x97), (0xB5, 0xFF), (0xB0, 0xC5), (0xB1, 0x94), (0xB2, 0x0F),
    (0xC4, 0x5C),
    // Output.
    (0x7F, 0x00), (0xE5, 0x1F), (0xE1, 0x77), (0xDD, 0x7F), (0xD7, 0x03),
]);

const DSP: [Setting; 10] = [
    set(
        RESET,
        0x14,
        "encoder and port in reset while the rest changes",
    ),
    set(
        MC_BIST,
        0xC0,
        "the microcontroller, which nobody needs, in reset",
    ),
    set(
        CTRL3,
        0x50,
        "white pixels corrected; bit 4 is set from the factory",
    ),
    set(
        CTRL1,
        0xFD,
        "everything but lens correction, which needs a table for the lens",
    ),
    set(BPADDR, 0x00, "special effects:"),
    set(BPDATA, 0x00, "none"),
    set(BPADDR, 0x03, "saturation:"),
    set(BPDATA, 0x48, "of U"),
    set(BPDATA, 0x48, "of V, whose register follows"),
    set(
        CTRL2,
        0x3D,
        "scaling, effects, UV filters and colour matrix",
    ),
];

const WINDOW: [Setting; 14] = [
    set(HSIZE8, (SENSOR_WIDTH / 8) as u8, "the sensor's image"),
    set(VSIZE8, (SENSOR_HEIGHT / 8) as u8, "the sensor's image"),
    set(SIZEL, 0x00, "both are multiples of 8"),
    set(HSIZE, (SENSOR_WIDTH / 4) as u8, "all of it is used"),
    set(VSIZE, (SENSOR_HEIGHT / 4) as u8, "all of it is used"),
    set(XOFFL, 0x00, "from its left edge"),
    set(YOFFL, 0x00, "from its top edge"),
    set(VHYX, 0x00, "all of these are below 256"),
    set(TEST, 0x00, "all of these are below 256"),
    set(CTRLI, 0x80 | HALVINGS << 3 | HALVINGS, "to 200x150"),
    set(ZMOW, (WIDTH / 4) as u8, "zoomed to the frame"),
    set(ZMOH, (HEIGHT / 4) as u8, "zoomed to the frame"),
    set(ZMHH, 0x00, "both are below 256"),
    set(R_DVP_SP, 0x88, "pixel clock as the size asks for"),
];

const OUTPUT: [Setting; 3] = [
    set(IMAGE_MODE, 0x08, "RGB565, high byte first"),
    set(R_BYPASS, 0x00, "through the signal processor"),
    set(RESET, 0x00, "the port starts"),
];

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_register_that_is_compared_is_written_once() {
        let mut seen = HashSet::new();
        for setting in CONFIGURATION.iter().flat_map(|table| *table) {
            let Register { bank, address, .. } = setting.register;
            let is_new = seen.insert((bank as u8, address));
            assert!(is_new || !setting.register.is_readable, "{setting:?}");
        }
    }

    #[test]
    fn documented_registers_have_names_and_all_values_have_reasons() {
        for setting in CONFIGURATION.iter().flat_map(|table| *table) {
            assert!(!setting.reason.is_empty(), "{setting:?}");
            assert!(
                !setting.register.is_readable || !setting.register.name.is_empty(),
                "{setting:?}"
            );
        }
    }
}
