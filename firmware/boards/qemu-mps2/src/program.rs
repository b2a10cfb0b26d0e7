//! How every program of this board begins and ends.

use core::fmt::Display;

use semihosting::process::ExitCode;

use crate::clock;

/// Longest command line that the host may pass.
pub const COMMAND_LINE_LEN: usize = 512;

/// Starts the clock, and tells the host what it makes of a loop of known length.
pub fn begin() {
    let peripherals = cortex_m::Peripherals::take().expect("nothing has taken them before main");
    clock::start(peripherals.SYST);
    let (executed, counted) = clock::calibrate();
    defmt::info!(
        "a loop of {=u64} instructions counts {=u64}",
        executed,
        counted
    );
}

/// Ends the emulation; the host is told of a failure.
pub fn end(result: Result<(), impl Display>) -> ! {
    match result {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(failure) => {
            defmt::error!("{}", defmt::Display2Format(&failure));
            ExitCode::FAILURE.exit_process()
        }
    }
}
