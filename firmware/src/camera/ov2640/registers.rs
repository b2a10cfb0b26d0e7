//! The registers that the driver uses, and where they are described.
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
    /// The datasheet's name; empty for registers that it calls reserved.
    pub name: &'static str,
    /// The bank that it belongs to.
    pub bank: Bank,
    /// Its address in the bank.
    pub address: u8,
    /// Whether it surely holds what was written to it: the datasheet says that it can be read, and writing starts nothing.
    pub is_readable: bool,
}

const fn dsp(name: &'static str, address: u8) -> Register {
    Register {
        name,
        bank: Bank::Dsp,
        address,
        is_readable: true,
    }
}

const fn sensor(name: &'static str, address: u8) -> Register {
    Register {
        name,
        bank: Bank::Sensor,
        address,
        is_readable: true,
    }
}

/// A register that is reserved, or whose writing starts something.
pub(super) const fn opaque(name: &'static str, bank: Bank, address: u8) -> Register {
    Register {
        name,
        bank,
        address,
        is_readable: false,
    }
}

// Datasheet, table 12.
/// Bit 0: the sensor's data bypass the signal processor.
pub(super) const R_BYPASS: Register = dsp("R_BYPASS", 0x05);
/// Bit 7: LP_DP; bits 5 … 3 and 2 … 0: how often height and width are halved before the zoom.
pub(super) const CTRLI: Register = dsp("CTRLI", 0x50);
/// Width of the window / 4, bits 7 … 0.
pub(super) const HSIZE: Register = dsp("HSIZE", 0x51);
/// Height of the window / 4, bits 7 … 0.
pub(super) const VSIZE: Register = dsp("VSIZE", 0x52);
/// Left edge of the window, bits 7 … 0.
pub(super) const XOFFL: Register = dsp("XOFFL", 0x53);
/// Top edge of the window, bits 7 … 0.
pub(super) const YOFFL: Register = dsp("YOFFL", 0x54);
/// High bits of the four registers before.
pub(super) const VHYX: Register = dsp("VHYX", 0x55);
/// Bit 7: bit 9 of HSIZE.
pub(super) const TEST: Register = dsp("TEST", 0x57);
/// Width of the output / 4, bits 7 … 0.
pub(super) const ZMOW: Register = dsp("ZMOW", 0x5A);
/// Height of the output / 4, bits 7 … 0.
pub(super) const ZMOH: Register = dsp("ZMOH", 0x5B);
/// Bits 7 … 4: speed of the zoom; bit 2: bit 8 of ZMOH; bits 1 … 0: bits 9 … 8 of ZMOW.
pub(super) const ZMHH: Register = dsp("ZMHH", 0x5C);
/// Address of a register of the special digital effects, which counts up with each access to BPDATA.
pub(super) const BPADDR: Register = opaque("BPADDR", Bank::Dsp, 0x7C);
/// Data of that register.
pub(super) const BPDATA: Register = opaque("BPDATA", Bank::Dsp, 0x7D);
/// Bit 5: down-sampling (DCW), 4: special effects (SDE), 3: UV_ADJ, 2: UV_AVG, 0: colour matrix (CMX).
pub(super) const CTRL2: Register = dsp("CTRL2", 0x86);
/// Bit 7: black pixel correction, 6: white pixel correction.
pub(super) const CTRL3: Register = dsp("CTRL3", 0x87);
/// Low bits of HSIZE8 (5 … 3) and VSIZE8 (2 … 0); bit 6: bit 11 of HSIZE8.
pub(super) const SIZEL: Register = dsp("SIZEL", 0x8C);
/// Width of the sensor's image / 8.
pub(super) const HSIZE8: Register = dsp("HSIZE8", 0xC0);
/// Height of the sensor's image / 8.
pub(super) const VSIZE8: Register = dsp("VSIZE8", 0xC1);
/// Bit 7: CIP, 6: DMY, 5: RAW_GMA, 4: DG, 3: AWB, 2: AWB_GAIN, 1: LENC, 0: PRE.
pub(super) const CTRL1: Register = dsp("CTRL1", 0xC3);
/// Bit 7: automatic; bits 6 … 0: divider of the pixel clock.
/// Not compared, since the automatic may change it.
pub(super) const R_DVP_SP: Register = opaque("R_DVP_SP", Bank::Dsp, 0xD3);
/// Bits 3 … 2: format (2: RGB565); bit 0: low byte first.
pub(super) const IMAGE_MODE: Register = dsp("IMAGE_MODE", 0xDA);
/// Holds parts in reset: bit 4 the JPEG encoder, bit 2 the parallel port.
pub(super) const RESET: Register = opaque("RESET", Bank::Dsp, 0xE0);
/// Bit 7: microcontroller in reset; bit 6: boots from ROM.
pub(super) const MC_BIST: Register = opaque("MC_BIST", Bank::Dsp, 0xF9);

// Datasheet, table 13.
/// Low bits of the vertical window: 3 … 2 of the end, 1 … 0 of the start.
pub(super) const COM1: Register = sensor("COM1", 0x03);
/// Bit 7: mirror, 6: flip, 4: bit 0 of VREF, 3: bit 0 of HREF; bit 5 is set from the factory. Its low bits belong to the
/// automatic exposure.
pub(super) const REG04: Register = opaque("REG04", Bank::Sensor, 0x04);
/// Bits 1 … 0: strength of the outputs (0: 1×, 1: 3×, 2: 2×, 3: 4×).
pub(super) const COM2: Register = sensor("COM2", 0x09);
/// High byte of the product.
pub(super) const PIDH: Register = sensor("PIDH", 0x0A);
/// Low byte of the product.
pub(super) const PIDL: Register = sensor("PIDL", 0x0B);
/// Bits 5 … 0: the input clock is divided by this and one.
pub(super) const CLKRC: Register = sensor("CLKRC", 0x11);
/// Bit 7: reset; bits 6 … 4: resolution; bit 1: colour bars.
pub(super) const COM7: Register = sensor("COM7", 0x12);
/// Bit 5: banding filter, 2: automatic gain, 0: automatic exposure.
pub(super) const COM8: Register = sensor("COM8", 0x13);
/// Bits 7 … 5: the most gain, 2^(1 + n).
pub(super) const COM9: Register = sensor("COM9", 0x14);
/// Horizontal window, start / 8.
pub(super) const HREFST: Register = sensor("HREFST", 0x17);
/// Horizontal window, end / 8.
pub(super) const HREFEND: Register = sensor("HREFEND", 0x18);
/// Vertical window, start / 4.
pub(super) const VSTRT: Register = sensor("VSTRT", 0x19);
/// Vertical window, end / 4.
pub(super) const VEND: Register = sensor("VEND", 0x1A);
/// Brightness above which exposure falls.
pub(super) const AEW: Register = sensor("AEW", 0x24);
/// Brightness below which exposure rises.
pub(super) const AEB: Register = sensor("AEB", 0x25);
/// Brightness outside of which exposure changes fast: bits 7 … 4 above, 3 … 0 below.
pub(super) const VV: Register = sensor("VV", 0x26);
/// Low bits of the horizontal window: 5 … 3 of the end, 2 … 0 of the start.
pub(super) const REG32: Register = sensor("REG32", 0x32);
/// Exposure step against flicker at 50 Hz.
pub(super) const BD50: Register = sensor("BD50", 0x4F);
/// Exposure step against flicker at 60 Hz.
pub(super) const BD60: Register = sensor("BD60", 0x50);
/// Low level of the histogram.
pub(super) const HISTO_LOW: Register = sensor("HISTO_LOW", 0x61);
/// High level of the histogram.
pub(super) const HISTO_HIGH: Register = sensor("HISTO_HIGH", 0x62);

/// PIDH and PIDL: 0x2641 in the datasheet, 0x2642 in later chips (PID_OV2640 of the Linux driver).
pub(super) const PRODUCT: RangeInclusive<u16> = 0x2641..=0x2642;
/// SRST: all registers take their defaults.
pub(super) const COM7_RESET: u8 = 0x80;
/// SVGA: every second pixel of every second row.
pub(super) const COM7_SVGA: u8 = 0x40;
/// Colour bars.
pub(super) const COM7_COLOR_BAR: u8 = 0x02;
