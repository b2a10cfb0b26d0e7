//! Compares the inner loops of this machine with their portable twins and says on standard output what it found.
#![no_std]
#![no_main]

use cortex_m as _;
use cortex_m_rt::entry;
use qemu_mps2 as _;
use semihosting::println;
use semihosting::process::ExitCode;
use shared_model::InnerLoopCheck;

#[entry]
fn main() -> ! {
    static mut CHECK: InnerLoopCheck = InnerLoopCheck::new();

    let comparisons = CHECK.run();
    println!("{comparisons} comparisons: every inner loop equals its portable twin");
    ExitCode::SUCCESS.exit_process()
}
