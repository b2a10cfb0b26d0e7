//! The flash that the board's models are in.

use core::ops::Range;
use embassy_rp::Peri;
use embassy_rp::flash::{Blocking, ERASE_SIZE, Error, FLASH_BASE, Flash, PAGE_SIZE, WRITE_SIZE};
use embassy_rp::peripherals::FLASH;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::deployment::Mapped;
use model_store::Layout;

/// While it is erased or written, nothing can be read from it: embassy-rp does that in RAM, with the other core halted and all interrupts
/// masked, USB's among them, and has DMA come to its end that reads from it. The controller of USB then answers the host by itself that the
/// board is busy. A page takes 0.4 ms, at most 3, a sector 45 ms, at most 400 (Winbond's W25Q...JV).
pub struct ModelFlash<const LEN: usize>(Flash<'static, FLASH, Blocking, LEN>);

impl<const LEN: usize> ModelFlash<LEN> {
    /// All of the board's flash, and what of it is for models.
    pub fn new(peripheral: Peri<'static, FLASH>) -> (Self, Layout) {
        let [a, b, record] = flash_model::places().map(|place| offset(place.start)..offset(place.end));
        let layout = Layout::new::<Self>([a, b], record, PAGE_SIZE as u32, ERASE_SIZE as u32);
        (Self(Flash::new_blocking(peripheral)), layout)
    }
}

fn offset(address: usize) -> u32 {
    (address - FLASH_BASE.addr()) as u32
}

impl<const LEN: usize> ErrorType for ModelFlash<LEN> {
    type Error = Error;
}

impl<const LEN: usize> ReadNorFlash for ModelFlash<LEN> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.blocking_read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        LEN
    }
}

impl<const LEN: usize> NorFlash for ModelFlash<LEN> {
    const WRITE_SIZE: usize = WRITE_SIZE;
    const ERASE_SIZE: usize = ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        self.0.blocking_erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.0.blocking_write(offset, bytes)
    }
}

impl<const LEN: usize> Mapped for ModelFlash<LEN> {
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        flash_model::mapped(FLASH_BASE.addr() + range.start as usize..FLASH_BASE.addr() + range.end as usize)
    }
}
