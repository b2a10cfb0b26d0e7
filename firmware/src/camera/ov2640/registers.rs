//! The registers that the driver uses, where they are described, and what the driver writes.
//!
//! "Datasheet" is OmniVision's *OV2640 Color CMOS UXGA CameraChip Sensor*, preliminary datasheet 1.6: its register set, table 12
//! for the DSP's bank and table 13 for the sensor's.

use core::ops::RangeInclusive;

/// 0x60 for writing and 0x61 for reading with the direction bit (datasheet, register set).
pub(super) const SCCB_ADDRESS: u8 = 0x30;

/// Selects the bank of every other address; in both banks (datasheet, table 12: RA_DLMT).
pub(super) const BANK_SELECT: u8 = 0xFF;

/// A set of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bank {
    /// The signal processor behind the sensor: size, format, colours.
    Dsp = 0,
    /// The sensor: timing, window, exposure.
    Sensor = 1,
}

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// The bank that it belongs to.
    pub bank: Bank,
    /// Its address in the bank.
    pub address: u8,
    /// The bits that surely hold what was written to them: the datasheet describes them, and writing starts nothing.
    pub compared: u8,
}

const fn readable(bank: Bank, address: u8) -> Register {
    Register { bank, address, compared: 0xFF }
}

/// A register in which the datasheet calls all bits but `compared` reserved: they may read back otherwise.
const fn partly(bank: Bank, address: u8, compared: u8) -> Register {
    Register { bank, address, compared }
}

/// A register that is reserved, or whose writing starts something.
const fn opaque(bank: Bank, address: u8) -> Register {
    Register { bank, address, compared: 0 }
}

// Datasheet, table 12.
/// Bit 0: the sensor's data bypass the signal processor.
const R_BYPASS: Register = partly(Bank::Dsp, 0x05, 0x01);
/// Bit 7: LP_DP; bits 5 … 3 and 2 … 0: how often height and width are halved before the zoom.
const CTRLI: Register = readable(Bank::Dsp, 0x50);
/// Width of the window / 4, bits 7 … 0.
const HSIZE: Register = readable(Bank::Dsp, 0x51);
/// Height of the window / 4, bits 7 … 0.
const VSIZE: Register = readable(Bank::Dsp, 0x52);
/// Left edge of the window, bits 7 … 0.
const XOFFL: Register = readable(Bank::Dsp, 0x53);
/// Top edge of the window, bits 7 … 0.
const YOFFL: Register = readable(Bank::Dsp, 0x54);
/// High bits of the four registers before.
const VHYX: Register = readable(Bank::Dsp, 0x55);
/// Bit 7: bit 9 of HSIZE.
const TEST: Register = partly(Bank::Dsp, 0x57, 0x80);
/// Width of the output / 4, bits 7 … 0.
const ZMOW: Register = readable(Bank::Dsp, 0x5A);
/// Height of the output / 4, bits 7 … 0.
const ZMOH: Register = readable(Bank::Dsp, 0x5B);
/// Bits 7 … 4: speed of the zoom; bit 2: bit 8 of ZMOH; bits 1 … 0: bits 9 … 8 of ZMOW.
const ZMHH: Register = partly(Bank::Dsp, 0x5C, 0xF7);
/// Address of a register of the special digital effects, which counts up with each access to BPDATA.
const BPADDR: Register = opaque(Bank::Dsp, 0x7C);
/// Data of that register.
const BPDATA: Register = opaque(Bank::Dsp, 0x7D);
/// Bit 5: down-sampling (DCW), 4: special effects (SDE), 3: UV_ADJ, 2: UV_AVG, 0: colour matrix (CMX).
const CTRL2: Register = partly(Bank::Dsp, 0x86, 0x3D);
/// Bit 7: black pixel correction, 6: white pixel correction.
const CTRL3: Register = partly(Bank::Dsp, 0x87, 0xC0);
/// Low bits of HSIZE8 (5 … 3) and VSIZE8 (2 … 0); bit 6: bit 11 of HSIZE8.
const SIZEL: Register = partly(Bank::Dsp, 0x8C, 0x7F);
/// Width of the sensor's image / 8.
const HSIZE8: Register = readable(Bank::Dsp, 0xC0);
/// Height of the sensor's image / 8.
const VSIZE8: Register = readable(Bank::Dsp, 0xC1);
/// Bit 7: CIP, 6: DMY, 5: RAW_GMA, 4: DG, 3: AWB, 2: AWB_GAIN, 1: LENC, 0: PRE.
const CTRL1: Register = readable(Bank::Dsp, 0xC3);
/// Bit 7: automatic; bits 6 … 0: divider of the pixel clock.
/// Not compared, since the automatic may change it.
const R_DVP_SP: Register = opaque(Bank::Dsp, 0xD3);
/// Bits 3 … 2: format (2: RGB565); bit 0: low byte first.
const IMAGE_MODE: Register = partly(Bank::Dsp, 0xDA, 0x5F);
/// Holds parts in reset: bit 4 the JPEG encoder, bit 2 the parallel port.
const RESET: Register = opaque(Bank::Dsp, 0xE0);
/// Bit 7: microcontroller in reset; bit 6: boots from ROM.
const MC_BIST: Register = opaque(Bank::Dsp, 0xF9);

// Datasheet, table 13.
/// Low bits of the vertical window: 3 … 2 of the end, 1 … 0 of the start.
const COM1: Register = partly(Bank::Sensor, 0x03, 0xCF);
/// Bit 7: mirror, 6: flip, 4: bit 0 of VREF, 3: bit 0 of HREF; bit 5 is set from the factory. Its low bits belong to the
/// automatic exposure.
const REG04: Register = partly(Bank::Sensor, 0x04, 0xC0);
/// Bits 1 … 0: strength of the outputs (0: 1×, 1: 3×, 2: 2×, 3: 4×).
const COM2: Register = partly(Bank::Sensor, 0x09, 0x17);
/// Banding filter, which makes exposures multiples of the time in which lamps flicker: bit 2: for 50 Hz, else 60 Hz; bit 1: automatic;
/// bit 0: snapshot.
const COM3: Register = partly(Bank::Sensor, 0x0C, 0x07);
/// High byte of the product.
pub(super) const PIDH: Register = readable(Bank::Sensor, 0x0A);
/// Low byte of the product.
pub(super) const PIDL: Register = readable(Bank::Sensor, 0x0B);
/// Bits 5 … 0: the input clock is divided by this and one.
const CLKRC: Register = partly(Bank::Sensor, 0x11, 0xBF);
/// Bit 7: reset; bits 6 … 4: resolution; bit 1: colour bars.
pub(super) const COM7: Register = partly(Bank::Sensor, 0x12, 0xF6);
/// Bit 5: banding filter, 2: automatic gain, 0: automatic exposure.
const COM8: Register = partly(Bank::Sensor, 0x13, 0x25);
/// Bits 7 … 5: the most gain, 2^(1 + n).
const COM9: Register = partly(Bank::Sensor, 0x14, 0xE0);
/// Horizontal window, start / 8.
const HREFST: Register = readable(Bank::Sensor, 0x17);
/// Horizontal window, end / 8.
const HREFEND: Register = readable(Bank::Sensor, 0x18);
/// Vertical window, start / 4.
const VSTRT: Register = readable(Bank::Sensor, 0x19);
/// Vertical window, end / 4.
const VEND: Register = readable(Bank::Sensor, 0x1A);
/// Brightness above which exposure falls.
const AEW: Register = readable(Bank::Sensor, 0x24);
/// Brightness below which exposure rises.
const AEB: Register = readable(Bank::Sensor, 0x25);
/// Brightness outside of which exposure changes fast: bits 7 … 4 above, 3 … 0 below.
const VV: Register = readable(Bank::Sensor, 0x26);
/// Low bits of the horizontal window: 5 … 3 of the end, 2 … 0 of the start.
const REG32: Register = readable(Bank::Sensor, 0x32);
/// Exposure step against flicker at 50 Hz.
const BD50: Register = readable(Bank::Sensor, 0x4F);
/// Exposure step against flicker at 60 Hz.
const BD60: Register = readable(Bank::Sensor, 0x50);
/// Low level of the histogram.
const HISTO_LOW: Register = readable(Bank::Sensor, 0x61);
/// High level of the histogram.
const HISTO_HIGH: Register = readable(Bank::Sensor, 0x62);

/// PIDH and PIDL: 0x2641 in the datasheet, 0x2642 in later chips (PID_OV2640 of the Linux driver).
pub(super) const PRODUCT: RangeInclusive<u16> = 0x2641..=0x2642;
/// SRST: all registers take their defaults.
pub(super) const COM7_RESET: u8 = 0x80;
/// SVGA: every second pixel of every second row.
pub(super) const COM7_SVGA: u8 = 0x40;
/// Colour bars.
pub(super) const COM7_COLOR_BAR: u8 = 0x02;

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
///
/// Values of documented registers follow from the datasheet, and the reason stands at each. The registers
/// that the datasheet calls reserved need other values than those after a reset for a good picture; nobody but OmniVision
/// can say why. Theirs are the values of the reference settings in OmniVision's *OV2640 Camera Module Software Application
/// Notes* (1.03), as the drivers of Linux (`drivers/media/i2c/ov2640.c`) and of Espressif (`esp32-camera`,
/// `ov2640_settings.h`: SVGA) have them.
pub const CONFIGURATION: [&[(Register, u8)]; 6] = [&SENSOR, &SENSOR_RESERVED, &DSP, &DSP_RESERVED, &WINDOW, &OUTPUT];

const SENSOR: [(Register, u8); 19] = [
    (REG04, 0x28),      // neither mirrored nor flipped; HREF starts on an odd pixel
    (CLKRC, 0x01),      // half the input clock: 15 frames a second at 24 MHz
    (COM2, 0x02),       // outputs of double strength, for a cable
    (COM3, 0x3A), // filtered against the flicker that there is, 50 or 60 Hz, as Linux and OpenMV do; the others as after a reset
    (COM8, 0xE5), // exposure and gain automatic, filtered against flicker
    (COM9, 0x48), // gain up to 8x, above which noise wins
    (COM1, 0x0A), // vertical window of SVGA, low bits
    (HREFST, 0x11), // horizontal window of SVGA
    (HREFEND, 0x43), // horizontal window of SVGA
    (VSTRT, 0x01), // vertical window of SVGA; from row 0 the first pixels are garbage (OpenMV's driver)
    (VEND, 0x4C), // vertical window of SVGA: 600 rows
    (REG32, 0x09), // horizontal window of SVGA, low bits
    (AEW, 0x40),  // a stable exposure between 0x38 and 0x40
    (AEB, 0x38),  // a stable exposure between 0x38 and 0x40
    (VV, 0x82),   // fast changes outside of 0x20 and 0x80
    (BD50, 0xCA), // flicker of lamps at 50 Hz
    (BD60, 0xA8), // flicker of lamps at 60 Hz
    (HISTO_LOW, 0x70), // levels of the histogram
    (HISTO_HIGH, 0x80), // levels of the histogram
];

/// Addresses and values of reserved registers, by the reference settings.
const fn reserved<const N: usize>(bank: Bank, values: [(u8, u8); N]) -> [(Register, u8); N] {
    let mut settings = [(opaque(bank, 0), 0); N];
    let mut index = 0;
    while index < N {
        let (address, value) = values[index];
        settings[index] = (opaque(bank, address), value);
        index += 1;
    }
    settings
}

#[rustfmt::skip]
const SENSOR_RESERVED: [(Register, u8); 35] = reserved(Bank::Sensor, [
    (0x3C, 0x32), (0x2C, 0x0C), (0x33, 0x78), (0x3A, 0x33), (0x3B, 0xFB), (0x3E, 0x00), (0x43, 0x11), (0x16, 0x10),
    (0x4A, 0x81), (0x21, 0x99), (0x5C, 0x00), (0x63, 0x00), (0x7C, 0x05), (0x20, 0x80), (0x28, 0x30), (0x6C, 0x00),
    (0x6E, 0x00), (0x70, 0x02), (0x71, 0x94), (0x73, 0xC1),
    // Those that depend on the resolution, for SVGA.
    (0x3D, 0x38), (0x39, 0x92), (0x35, 0xDA), (0x22, 0x1A), (0x37, 0xC3), (0x23, 0x00), (0x34, 0xC0), (0x06, 0x88),
    (0x07, 0xC0), (0x0D, 0x87), (0x0E, 0x41), (0x42, 0x03), (0x4C, 0x00), (0x5A, 0x23), (0x6D, 0x00),
]);

#[rustfmt::skip]
const DSP_RESERVED: [(Register, u8); 80] = reserved(Bank::Dsp, [
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

const DSP: [(Register, u8); 10] = [
    (RESET, 0x14),   // encoder and port in reset while the rest changes
    (MC_BIST, 0xC0), // the microcontroller, which nobody needs, in reset
    (CTRL3, 0x50),   // white pixels corrected; bit 4 is set from the factory
    (CTRL1, 0xFD),   // everything but lens correction, which needs a table for the lens
    (BPADDR, 0x00),  // special effects:
    (BPDATA, 0x00),  // none
    (BPADDR, 0x03),  // saturation:
    (BPDATA, 0x48),  // of U
    (BPDATA, 0x48),  // of V, whose register follows
    (CTRL2, 0x3D),   // scaling, effects, UV filters and colour matrix
];

const WINDOW: [(Register, u8); 14] = [
    (HSIZE8, (SENSOR_WIDTH / 8) as u8),       // the sensor's image
    (VSIZE8, (SENSOR_HEIGHT / 8) as u8),      // the sensor's image
    (SIZEL, 0x00),                            // both are multiples of 8
    (HSIZE, (SENSOR_WIDTH / 4) as u8),        // all of it is used
    (VSIZE, (SENSOR_HEIGHT / 4) as u8),       // all of it is used
    (XOFFL, 0x00),                            // from its left edge
    (YOFFL, 0x00),                            // from its top edge
    (VHYX, 0x00),                             // all of these are below 256
    (TEST, 0x00),                             // all of these are below 256
    (CTRLI, 0x80 | HALVINGS << 3 | HALVINGS), // to 200x150
    (ZMOW, (WIDTH / 4) as u8),                // zoomed to the frame
    (ZMOH, (HEIGHT / 4) as u8),               // zoomed to the frame
    (ZMHH, 0x00),                             // both are below 256
    (R_DVP_SP, 0x88),                         // pixel clock as the size asks for
];

const OUTPUT: [(Register, u8); 3] = [
    (IMAGE_MODE, 0x08), // RGB565, high byte first
    (R_BYPASS, 0x00),   // through the signal processor
    (RESET, 0x00),      // the port starts
];

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_register_that_is_compared_is_written_once() {
        let mut seen = HashSet::new();
        for (register, _) in CONFIGURATION.iter().flat_map(|table| *table) {
            let is_new = seen.insert((register.bank as u8, register.address));
            assert!(is_new || register.compared == 0, "{register:?}");
        }
    }
}
