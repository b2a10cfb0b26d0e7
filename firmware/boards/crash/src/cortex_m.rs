//! A Cortex-M.

use cortex_m::peripheral::{DCB, SCB};
use cortex_m::{asm, interrupt};
use cortex_m_rt::{ExceptionFrame, exception};

use crate::{WORDS, restart};

unsafe extern "C" {
    // By memory.x: memory for the record, and nothing else.
    static mut _crash_start: [u32; WORDS];
}

pub(crate) fn record() -> *mut [u32; WORDS] {
    &raw mut _crash_start
}

pub(crate) fn disable_interrupts() {
    interrupt::disable();
}

pub(crate) fn reset() -> ! {
    asm::dsb();
    if DCB::is_debugger_attached() {
        asm::bkpt();
    }
    SCB::sys_reset()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    let pc = frame.pc();
    #[cfg(fault_status)]
    {
        // SAFETY: a register that every core from the Cortex-M3 on has, read once.
        let status = unsafe { (*SCB::PTR).cfsr.read() };
        restart(format_args!("hard fault at {pc:#010x}, fault status {status:#010x}"))
    }
    #[cfg(not(fault_status))]
    restart(format_args!("hard fault at {pc:#010x}"))
}
