//! The flash that the board's models are in.
//!
//! The boot loader maps the pages of the program; those of the models are mapped here, each at `_flash_start` of board.x plus its place in flash. Register
//! by register (ESP32-C6 technical reference manual, "System and memory", and ESP-IDF, hal/esp32c6/mmu_ll.h and soc/ext_mem_defs.h): SPI0_MMU_ITEM_INDEX
//! chooses one of 256 entries, for 64 KB from 0x4200_0000 on each; bits 8 to 0 of SPI0_MMU_ITEM_CONTENT are the page of flash, and bit 9 says that it is
//! valid. SPI0_MMU_PAGE_SIZE in SPI0_MMU_POWER_CTRL is 0 for pages of 64 KB, as espflash's and ESP-IDF's boot loaders for 4 MB and more set it.

#![expect(unsafe_code, reason = "registers of the memory management unit, and a function of the ROM")]

use core::ops::Range;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_hal::peripherals::{FLASH, SPI0};
use esp_storage::{FlashStorage, FlashStorageError};
use firmware::deployment::Mapped;
use model_store::Layout;

const PAGE_LEN: usize = 64 * 1024;
/// Of an entry: it maps its page of flash, which is not encrypted (bit 10).
const VALID: u32 = 1 << 9;
/// Where entry 0 maps to.
const MAPPED_START: usize = 0x4200_0000;
/// Winbond's W25Q and its likes program so many bytes at once.
const WRITE_PAGE_LEN: u32 = 256;

unsafe extern "C" {
    // By board.x: where flash is mapped.
    static _flash_start: u8;
    // Of the ROM (ESP-IDF, esp_rom/esp32c6/rom/cache.h): what the cache holds of these addresses is forgotten.
    fn Cache_Invalidate_Addr(address: u32, len: u32);
}

/// While it is erased or written, nothing can be read from it: esp-storage does that in ROM and RAM with interrupts masked. A page takes 0.4 ms, at
/// most 3, a sector 45 ms, at most 400 (Winbond's W25Q...JV). The controller of USB then answers the host by itself that the board is busy.
pub struct ModelFlash(FlashStorage<'static>);

impl ModelFlash {
    /// All of the board's flash, and what of it is for models.
    ///
    /// # Panics
    ///
    /// If the boot loader has chosen other pages than of 64 KB.
    pub fn new(peripheral: FLASH<'static>, mapping: SPI0<'static>) -> (Self, Layout) {
        let [a, b, record] = flash_model::places();
        for place in [&a, &b] {
            map(&mapping, place);
        }
        let [a, b, record] = [a, b, record].map(|place| offset(place.start)..offset(place.end));
        let layout = Layout::new::<Self>([a, b], record, WRITE_PAGE_LEN, FlashStorage::SECTOR_SIZE);
        (Self(FlashStorage::new(peripheral)), layout)
    }
}

fn flash_start() -> usize {
    (&raw const _flash_start).addr()
}

fn offset(address: usize) -> u32 {
    (address - flash_start()) as u32
}

/// Maps whole pages.
fn map(spi: &SPI0<'static>, place: &Range<usize>) {
    let registers = spi.register_block();
    assert_eq!(registers.mmu_power_ctrl().read().spi_mmu_page_size().bits(), 0, "pages of 64 KB");
    for address in place.clone().step_by(PAGE_LEN) {
        let (entry, page) = ((address - MAPPED_START) / PAGE_LEN, offset(address) / PAGE_LEN as u32);
        // SAFETY: the entry is one of 256, by board.x.
        registers.mmu_item_index().write(|index| unsafe { index.bits(entry as u32) });
        // SAFETY: no other part of the program uses these addresses, which are far behind those of the program; they show flash that only this
        // driver writes.
        registers.mmu_item_content().write(|content| unsafe { content.bits(VALID | page) });
    }
    forget(place);
}

/// The cache may hold what was there before.
fn forget(place: &Range<usize>) {
    // SAFETY: these addresses are of flash, so that no line is lost that had to be written.
    unsafe { Cache_Invalidate_Addr(place.start as u32, place.len() as u32) }
}

impl ErrorType for ModelFlash {
    type Error = FlashStorageError;
}

impl ReadNorFlash for ModelFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashStorageError> {
        self.0.read_nor(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl NorFlash for ModelFlash {
    const WRITE_SIZE: usize = FlashStorage::WRITE_SIZE;
    const ERASE_SIZE: usize = FlashStorage::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashStorageError> {
        let result = self.0.erase(from, to);
        forget(&(flash_start() + from as usize..flash_start() + to as usize));
        result
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashStorageError> {
        let result = self.0.write_nor(offset, bytes);
        let start = flash_start() + offset as usize;
        forget(&(start..start + bytes.len()));
        result
    }
}

impl Mapped for ModelFlash {
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        flash_model::mapped(flash_start() + range.start as usize..flash_start() + range.end as usize)
    }
}
