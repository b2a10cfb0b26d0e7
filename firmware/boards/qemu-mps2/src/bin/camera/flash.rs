//! The flash that the board's models are in: that of an STM32H743, modelled, with words of 32 bytes, sectors of 128 KB and ECC. It may be kept in
//! a file of the host, so that the power can be cut at any write, and the board boots again with what is left.

#![expect(unsafe_code, reason = "a model is read in place, in memory that the linker knows")]

use core::ops::Range;
use core::{ptr, slice};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::deployment::Mapped;
use flash_models::{Cut, FlashError, NorFlashModel};
use model_store::Layout;
use protocol::cut_off;
use qemu_program::fail;
use qemu_program::records::{NAME_LEN, c_name};
use semihosting::fs::{self, File};
use semihosting::io::Read;
use semihosting::process::ExitCode;
use shared_model::Header;

const WORD: usize = 32;
const SECTOR: usize = 128 << 10;
const SLOT_LEN: u32 = 640 << 10;
const CAPACITY: usize = 1536 << 10;
type Chip = NorFlashModel<&'static mut [u8], WORD, SECTOR>;
/// Bytes of the model's memory, and of its file.
pub const MEMORY_LEN: usize = Chip::memory_len(CAPACITY);
/// A region without a header of a blob has so many bytes that count.
const DAMAGED_LEN: usize = 4096;

unsafe extern "C" {
    // By memory.x: the region that models are read from.
    static mut _model_start: u8;
}

/// What the command line says about the flash.
#[derive(Clone, Copy, Default)]
pub struct Power<'n> {
    /// Its file; without one it is lost in the end.
    pub file: Option<&'n str>,
    /// The write or erase at which the power is cut, after so many others, and how.
    pub cut: Option<(u32, Cut)>,
}

impl Power<'_> {
    /// `NUMBER-KIND`, such as `12-Torn`.
    pub fn parse_cut(text: &str) -> Option<(u32, Cut)> {
        let (number, name) = text.split_once('-')?;
        let kind = Cut::ALL.into_iter().find(|cut| cut_off::<8>(format_args!("{cut:?}")) == name)?;
        Some((number.parse().ok()?, kind))
    }
}

/// The modelled chip.
pub struct ModelFlash<'n> {
    chip: Chip,
    power: Power<'n>,
}

impl<'n> ModelFlash<'n> {
    /// As its file has it; else a new one with the model in slot A that the program or the emulator has put into the region.
    pub fn open(memory: &'static mut [u8], power: Power<'n>) -> (Self, Layout) {
        let [a, b, record] = [0..SLOT_LEN, SLOT_LEN..2 * SLOT_LEN, 2 * SLOT_LEN..CAPACITY as u32];
        let layout = Layout::new::<Self>([a, b], record, WORD as u32, SECTOR as u32);
        let mut buffer = [0; NAME_LEN];
        let file = power.file.and_then(|name| File::open(c_name(name, &mut buffer).ok()?).ok());
        let mut chip = match file {
            Some(mut file) => {
                if let Err(error) = file.read_exact(memory) {
                    fail(format_args!("the file of the flash: {error:?}"));
                }
                Chip::with_content(memory, CAPACITY, true)
            }
            None => {
                let mut chip = Chip::new(memory, CAPACITY, true);
                let region = flash_model::region();
                let header = region.first_chunk().and_then(|header| Header::read(header).ok());
                let len = header.map_or(DAMAGED_LEN, |header| header.len as usize).min(SLOT_LEN as usize);
                if let Err(error) = chip.write(0, &region[..len.next_multiple_of(WORD)]) {
                    fail(error);
                }
                chip
            }
        };
        if let Some((operation, cut)) = power.cut {
            chip.cut_power_at(operation, cut);
        }
        (Self { chip, power }, layout)
    }

    /// Keeps it in its file, if it has one.
    pub fn save(&self) {
        let mut buffer = [0; NAME_LEN];
        if let Some(name) = self.power.file
            && let Ok(name) = c_name(name, &mut buffer)
            && let Err(error) = fs::write(name, self.chip.memory())
        {
            fail(format_args!("the file of the flash: {error:?}"));
        }
    }

    /// Without power nothing goes on.
    fn go_on<T>(&self, result: T) -> T {
        if !self.chip.is_on() {
            self.save();
            ExitCode::SUCCESS.exit_process();
        }
        result
    }
}

impl ErrorType for ModelFlash<'_> {
    type Error = FlashError;
}

impl ReadNorFlash for ModelFlash<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.chip.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for ModelFlash<'_> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let result = self.chip.erase(from, to);
        self.go_on(result)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let result = self.chip.write(offset, bytes);
        self.go_on(result)
    }
}

impl Mapped for ModelFlash<'_> {
    /// The chip is no memory of the processor's: what is read in place is a copy of it.
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        let content = &self.chip.bytes()[range.start as usize..range.end as usize];
        let region = &raw mut _model_start;
        // SAFETY: memory.x keeps 2 MB there, which an emulated board can write, and for nothing else. What was given out before is not looked at
        // any more, as the trait says.
        unsafe {
            ptr::copy_nonoverlapping(content.as_ptr(), region, content.len());
            slice::from_raw_parts(region, content.len())
        }
    }
}
