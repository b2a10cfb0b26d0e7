//! An ESP32-C6, whose faults esp-hal makes panics of, with the text of the fault, where it was, and the registers.

use core::arch::asm;

use esp_hal::debugger::debugger_connected;
use esp_hal::system::software_reset;

use crate::WORDS;

/// In the low-power memory, which a reset by software or by a watchdog leaves as it is (ESP32-C6 technical reference manual, "Low-power
/// management": it is in a power domain of its own). esp-hal clears the section when the power has come, and only then.
#[unsafe(link_section = ".rtc_fast.persistent")]
static mut RECORD: [u32; WORDS] = [0; WORDS];

pub(crate) fn record() -> *mut [u32; WORDS] {
    &raw mut RECORD
}

pub(crate) fn disable_interrupts() {
    // SAFETY: clears MIE of mstatus (RISC-V privileged architecture, section 3.1.6.1); nobody relies on interrupts any more.
    unsafe { asm!("csrci mstatus, 8", options(nomem, nostack)) }
}

pub(crate) fn reset() -> ! {
    if debugger_connected() {
        // SAFETY: stops the processor for the debugger, which may go on.
        unsafe { asm!("ebreak", options(nomem, nostack)) }
    }
    software_reset()
}
