//! Both banks of registers, and how the control bus reaches them.

/// Bank 0.
pub(super) const DSP: u8 = 0;
/// Bank 1.
pub(super) const SENSOR: u8 = 1;

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
pub(super) struct Registers {
    banks: [[u8; 256]; 2],
    /// RA_DLMT; its bit 0 counts.
    selected: u8,
    /// The register of the next read.
    address: u8,
}

impl Registers {
    pub const fn new() -> Self {
        let mut banks = [[0; 256]; 2];
        let mut index = 0;
        while index < DEFAULTS.len() {
            let (bank, address, value) = DEFAULTS[index];
            banks[bank as usize][address as usize] = value;
            index += 1;
        }
        Self {
            banks,
            selected: 0x7F,
            address: 0,
        }
    }

    pub fn reset(&mut self) {
        *self = Self::new();
    }

    pub const fn get(&self, bank: u8, address: u8) -> u8 {
        self.banks[(bank & 1) as usize][address as usize]
    }

    /// One byte selects a register to read, two write one; more are ignored.
    pub fn write_phase(&mut self, bytes: &[u8], is_lost: bool) {
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
            (SENSOR, COM7) if value & 0x80 != 0 => self.reset(),
            (SENSOR, PIDH | PIDL | MIDH | MIDL) => {}
            _ => self.banks[usize::from(bank)][usize::from(address)] = value,
        }
    }

    pub const fn read(&self) -> u8 {
        match self.address {
            BANK_SELECT => self.selected,
            address => self.get(self.selected & 1, address),
        }
    }

    pub const fn is_product_selected(&self) -> bool {
        self.selected & 1 == SENSOR && matches!(self.address, PIDH | PIDL)
    }
}
