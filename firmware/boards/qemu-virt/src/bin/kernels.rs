//! Compares the inner loops of this machine with their portable twins and says on standard output what it found.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "static memory")]

use qemu_virt as _;
use semihosting::println;
use semihosting::process::ExitCode;
use shared_model::InnerLoopCheck;

// SAFETY: no other function has this name.
#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    static mut CHECK: InnerLoopCheck = InnerLoopCheck::new();

    let check = &raw mut CHECK;
    // SAFETY: this function is entered once, and nothing else names it.
    let comparisons = unsafe { &mut *check }.run();
    println!("{comparisons} comparisons: every inner loop equals its portable twin");
    ExitCode::SUCCESS.exit_process()
}
