//! Reports to `qemu-runner`, through semihosting.

use core::fmt::{Display, Write as _};

use heapless::String;
use protocol::{FRAME_LEN, encode};
use qemu_messages::QemuMessage;
use semihosting::io::{Write as _, stdout};
use semihosting::process::ExitCode;

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
    let mut text = String::<FAILURE_LEN>::new();
    let _ = write!(text, "{reason}");
    send(&QemuMessage::Failure { text: &text });
    ExitCode::FAILURE.exit_process()
}
