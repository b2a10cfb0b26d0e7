//! The flash that the board's models are in.
//!
//! A word of 256 bits whose writing or erasing was cut off reads as a double ECC error, and the read as a bus error (RM0433, section 4.3.12:
//! flash memory error code correction; DBECCERR), which would end the program. A board must come up all the same, whatever the power did to
//! the record of its models. So words are read with faults ignored, and then it is looked whether there was one.

#![expect(unsafe_code, reason = "a read that may fault, and which no safe interface has")]

use core::arch::asm;
use core::ops::Range;
use core::ptr;
use cortex_m::asm::{dsb, isb};
use cortex_m::peripheral::SCB;
use embassy_stm32::Peri;
use embassy_stm32::flash::{Blocking, Error, FLASH_BASE, FLASH_SIZE, Flash, MAX_ERASE_SIZE, WRITE_SIZE};
use embassy_stm32::pac;
use embassy_stm32::peripherals::FLASH;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use firmware::deployment::Mapped;
use model_store::Layout;

/// Bytes of a bank.
const BANK_LEN: u32 = FLASH_SIZE as u32 / 2;
/// Configuration and Control Register: handlers that run at the priority of hard faults ignore bus faults of loads (Armv7-M Architecture
/// Reference Manual, section B3.2.8).
const BFHFNMIGN: u32 = 1 << 8;
/// Bus faults in the Configurable Fault Status Register (section B3.2.15); a bit is cleared by writing it.
const BUS_FAULTS: u32 = 0xFF << 8;
/// A parallelism of 32 bits: a word takes 130 µs, at most 260, and a sector 1.1 s, at most 2.2 (DS12110, tables 43 and 140).
const PARALLELISM: u8 = 2;

/// A write or an erase in the bank that the program is not in goes on beside it; one in the program's own holds the processor up, interrupts
/// and USB's controller among what waits, which then answers the host by itself that the board is busy.
pub struct ModelFlash {
    flash: Flash<'static, Blocking>,
    cache: SCB,
}

impl ModelFlash {
    /// All of the chip's flash, and what of it is for models. `cache` is for what an erase makes old.
    pub fn new(peripheral: Peri<'static, FLASH>, cache: SCB) -> (Self, Layout) {
        let [a, b, record] = flash_model::places().map(|place| offset(place.start)..offset(place.end));
        let layout = Layout::new::<Self>([a, b], record, WRITE_SIZE as u32, MAX_ERASE_SIZE as u32);
        (Self { flash: Flash::new_blocking(peripheral), cache }, layout)
    }

    /// Flags of earlier errors, such as one that a read has met, would count as errors of the next write. embassy-stm32 0.6 clears them in FLASH_SR,
    /// where it has no effect on an STM32H7 (RM0433, section 4.9: they are cleared in FLASH_CCR). Nor does it choose how an erase is done: it is what
    /// the write before has left.
    fn prepare(&self) {
        for bank in [pac::FLASH.bank(0), pac::FLASH.bank(1)] {
            clear_errors(bank);
            // RM0433, section 4.5.1: the sequence that unlocks the control register; once more would lock it until a reset.
            if bank.cr().read().lock() {
                bank.keyr().write_value(0x4567_0123);
                bank.keyr().write_value(0xCDEF_89AB);
            }
            bank.cr().modify(|control| control.set_psize(PARALLELISM));
        }
    }

    /// The processor's cache may hold what was there before.
    fn forget(&mut self, from: u32, to: u32) {
        // Clean as well, since that is safe: flash has no lines that are to be written back.
        self.cache.clean_invalidate_dcache_by_address(FLASH_BASE + from as usize, (to - from) as usize);
    }
}

fn offset(address: usize) -> u32 {
    (address - FLASH_BASE) as u32
}

fn clear_errors(bank: pac::flash::Bank) {
    bank.ccr().write(|clear| {
        clear.set_clr_wrperr(true);
        clear.set_clr_pgserr(true);
        clear.set_clr_strberr(true);
        clear.set_clr_incerr(true);
        clear.set_clr_operr(true);
        clear.set_clr_rdperr(true);
        clear.set_clr_rdserr(true);
        clear.set_clr_sneccerr(true);
        clear.set_clr_dbeccerr(true);
        clear.set_clr_crcrderr(true);
    });
}

/// Reads bytes, with bus faults ignored, and says whether there was none; what is read where one was is anything.
///
/// # Safety
///
/// All of it is flash.
unsafe fn read_unfaulted(address: usize, bytes: &mut [u8]) -> bool {
    // SAFETY: registers that every Cortex-M7 has, of which no other part of the program uses these bits. FAULTMASK raises the priority to that
    // of a hard fault, where a load that faults goes on by BFHFNMIGN (section B1.5.4); no handler can come between, and both are as before at
    // the end. The loads are of flash, which they do not change.
    unsafe {
        let scb = &*SCB::PTR;
        scb.cfsr.write(BUS_FAULTS);
        scb.ccr.modify(|control| control | BFHFNMIGN);
        asm!("cpsid f");
        dsb();
        isb();
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = ptr::read_volatile((address + index) as *const u8);
        }
        dsb();
        let is_good = scb.cfsr.read() & BUS_FAULTS == 0;
        scb.cfsr.write(BUS_FAULTS);
        asm!("cpsie f");
        scb.ccr.modify(|control| control & !BFHFNMIGN);
        isb();
        is_good
    }
}

impl ErrorType for ModelFlash {
    type Error = Error;
}

impl ReadNorFlash for ModelFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let end = (offset as usize).checked_add(bytes.len());
        if end.is_none_or(|end| end > FLASH_SIZE) {
            return Err(Error::Size);
        }
        let bank = pac::FLASH.bank((offset / BANK_LEN) as usize);
        // SAFETY: these bytes are of the flash, by the check above.
        let is_good = unsafe { read_unfaulted(FLASH_BASE + offset as usize, bytes) };
        let has_error = bank.sr().read().dbeccerr();
        clear_errors(bank);
        if is_good && !has_error { Ok(()) } else { Err(Error::Prog) }
    }

    fn capacity(&self) -> usize {
        FLASH_SIZE
    }
}

impl NorFlash for ModelFlash {
    const WRITE_SIZE: usize = WRITE_SIZE;
    const ERASE_SIZE: usize = MAX_ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        self.prepare();
        let result = self.flash.blocking_erase(from, to);
        self.forget(from, to);
        result
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.prepare();
        let result = self.flash.blocking_write(offset, bytes);
        self.forget(offset, offset + bytes.len() as u32);
        result
    }
}

impl Mapped for ModelFlash {
    fn mapped(&self, range: Range<u32>) -> &'static [u8] {
        flash_model::mapped(FLASH_BASE + range.start as usize..FLASH_BASE + range.end as usize)
    }
}
