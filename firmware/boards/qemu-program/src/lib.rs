#![no_std]
//! What programs in QEMU have in common: how they report to `qemu-runner` through semihosting and end, with a failing exit status after
//! a panic too; pictures from files of the host; and the job of the program that classifies them.

pub mod classify;
pub mod records;
pub mod stack;

use core::fmt::Display;
use core::panic::PanicInfo;

use heapless::String;
use protocol::{FRAME_LEN, cut_off, encode};
use qemu_messages::QemuMessage;
use semihosting::io::{Write as _, stdout};
use semihosting::process::ExitCode;

/// Longest command line that the host may pass.
pub const COMMAND_LINE_LEN: usize = 512;
/// The most bytes of a failure's text; more is cut off.
const FAILURE_LEN: usize = 512;

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
