//! Classifies images of the host on an emulated 32-bit RISC-V: see [`qemu_program::classify`].
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "static memory, and the register that counts instructions")]

use core::arch::asm;

use qemu_messages::{Calibration, QemuMessage};
use qemu_program::classify::{self, MEMORY_LEN, Machine};
use qemu_program::{send, stack};
use qemu_virt as _;
use shared_model::Model;

// SAFETY: no other function has this name.
#[unsafe(no_mangle)]
extern "C" fn program() -> ! {
    static mut MEMORY: [u8; MEMORY_LEN] = [0; MEMORY_LEN];
    static mut MODEL: Option<Model<'static>> = None;

    stack::repaint();
    send(&QemuMessage::Calibration(calibrate()));
    let (slot, memory) = (&raw mut MODEL, &raw mut MEMORY);
    // SAFETY: this function is entered once, and nothing else names the two.
    let (slot, memory) = unsafe { (&mut *slot, &mut *memory) };
    classify::run(Machine { name: "qemu-virt", instructions }, slot, memory)
}

/// Instructions executed since reset, which QEMU counts exactly with `-icount`.
fn instructions() -> u64 {
    loop {
        let (high, low, again): (u32, u32, u32);
        // SAFETY: reads of a register that every core has.
        unsafe {
            asm!("csrr {}, minstreth", "csrr {}, minstret", "csrr {}, minstreth",
                out(reg) high, out(reg) low, out(reg) again, options(nomem, nostack));
        }
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// Runs a loop of known length.
fn calibrate() -> Calibration {
    const ITERATIONS: u32 = 1_000_000;
    let start = instructions();
    // SAFETY: a loop of two instructions.
    unsafe { asm!("1:", "addi {0}, {0}, -1", "bnez {0}, 1b", inout(reg) ITERATIONS => _, options(nomem, nostack)) }
    Calibration { executed: 2 * u64::from(ITERATIONS), counted: instructions() - start }
}
