//! Panics and faults are reported and end the emulation with a failing exit status.

#![expect(
    unsafe_code,
    reason = "cortex-m-rt takes no safe function as the handler of hard faults"
)]

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

use crate::host;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    host::fail(info)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    host::fail(format_args!("hard fault at {:#010x}", frame.pc()))
}
