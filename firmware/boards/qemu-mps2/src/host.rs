//! How every program of this board begins, reports to `qemu-runner` through semihosting, and ends: with a failing exit status
//! after a panic or a fault too.

#![expect(unsafe_code, reason = "cortex-m-rt takes no safe function as the handler of hard faults")]

use core::fmt::Display;
use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use heapless::String;
use protocol::{FRAME_LEN, cut_off, encode};
use qemu_messages::QemuMessage;
use semihosting::io::{Write as _, stdout};
use semihosting::process::ExitCode;

use crate::clock;

/// Longest command line that the host may pass.
pub const COMMAND_LINE_LEN: usize = 512;
/// The most bytes of a failure's text; more is cut off.
const FAILURE_LEN: usize = 512;

/// Starts the clock, and tells the host what it makes of a loop of known length.
pub fn begin() {
    let peripherals = cortex_m::Peripherals::take().expect("nothing has taken them before main");
    clock::start(peripherals.SYST);
    send(&QemuMessage::Calibration(clock::calibrate()));
}

/// Sends a report. One that does not go through is missed by the host.
///
/// Not inlined: the frame would lie in the stack below an inference.
#[inline(never)]
pub fn send(message: &QemuMessage<'_>) {
    let mut buffer = [0; FRAME_LEN];
    if let (Ok(frame), Ok(mut stdout)) = (encode(message, &mut buffer), stdout()) {
        let _ = stdout.write_all(frame);
    }
}

/// Says why the program fails, and ends the emulation with a failing exit status.
pub fn fail(reason: impl Display) -> ! {
    let text: String<FAILURE_LEN> = cut_off(reason);
    send(&QemuMessage::Failure { text: &text });
    ExitCode::FAILURE.exit_process()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail(info)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    fail(format_args!("hard fault at {:#010x}", frame.pc()))
}
