#![no_std]
//! What stands before the programs of this board: each exports its beginning as `program`.
#![expect(unsafe_code, reason = "what stands before a program")]

use core::arch::{asm, global_asm};

use qemu_program::fail;

// The variables that do not begin as zero are loaded where they belong.
global_asm!(
    ".section .init, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, _stack_start",
    "la t0, 2f",
    "csrw mtvec, t0",
    "la t0, _bss_start",
    "la t1, _bss_end",
    "1:",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "bltu t0, t1, 1b",
    "tail program",
    // The lowest bits of mtvec are no part of the address.
    ".balign 4",
    "2:",
    "tail {trap}",
    trap = sym trap,
);

/// Ends the program, so that nothing has to be saved.
extern "C" fn trap() -> ! {
    let (cause, place): (usize, usize);
    // SAFETY: reads of registers that every core has.
    unsafe { asm!("csrr {}, mcause", "csrr {}, mepc", out(reg) cause, out(reg) place, options(nomem, nostack)) }
    fail(format_args!("trap at {place:#010x}, cause {cause:#x}"))
}
