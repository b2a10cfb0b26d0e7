//! How every program of this board begins, and that it ends with a failing exit status after a fault too.

#![expect(unsafe_code, reason = "cortex-m-rt takes no safe function as the handler of hard faults")]

use cortex_m_rt::{ExceptionFrame, exception};
use qemu_messages::QemuMessage;
use qemu_program::{fail, send, stack};

use crate::clock;

/// Starts the clock, and tells the host what it makes of a loop of known length.
pub fn begin() {
    stack::repaint();
    let peripherals = cortex_m::Peripherals::take().expect("nothing has taken them before main");
    clock::start(peripherals.SYST);
    send(&QemuMessage::Calibration(clock::calibrate()));
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    fail(format_args!("hard fault at {:#010x}", frame.pc()))
}
