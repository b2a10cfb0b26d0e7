//! How every program of this board begins and ends.

use core::fmt::Display;

use qemu_messages::QemuMessage;
use semihosting::process::ExitCode;

use crate::{clock, host};

/// Longest command line that the host may pass.
pub const COMMAND_LINE_LEN: usize = 512;

/// Starts the clock, and tells the host what it makes of a loop of known length.
pub fn begin() {
    let peripherals = cortex_m::Peripherals::take().expect("nothing has taken them before main");
    clock::start(peripherals.SYST);
    host::send(&QemuMessage::Calibration(clock::calibrate()));
}

/// Ends the emulation; the host is told of a failure.
pub fn end(result: Result<(), impl Display>) -> ! {
    match result {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(failure) => host::fail(failure),
    }
}
