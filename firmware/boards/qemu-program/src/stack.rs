//! How deep the stack has ever been.

#![expect(unsafe_code, reason = "reads and paints the part of the stack that no variable owns")]

use core::arch::asm;

use qemu_messages::StackUse;

/// What the stack holds where nothing has been.
const PAINT: u32 = 0xCCCC_CCCC;

unsafe extern "C" {
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// The use of the stack since [`repaint`], after so many images.
pub fn used_after(images: u32) -> StackUse {
    StackUse {
        images,
        used: high_water() as u32,
        size: ((&raw const _stack_start).addr() - (&raw const _stack_end).addr()) as u32,
    }
}

/// Bytes of stack used at the deepest: the lowest word that has lost its paint is the deepest one used.
fn high_water() -> usize {
    let top = &raw const _stack_start;
    let mut word = &raw const _stack_end;
    // SAFETY: the linker script places `_stack_end..=_stack_start` in RAM, word-aligned; `word` stays below
    // the caller's own frame, which holds other values than paint.
    while word < top && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    top.addr() - word.addr()
}

/// Forgets how deep the stack was before the caller of this function.
pub fn repaint() {
    let pointer: usize;
    // SAFETY: it reads the stack pointer.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "riscv32")]
        asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    let mut word = &raw mut _stack_end;
    while word.addr() < pointer {
        // SAFETY: the word is in the RAM of the stack and below the stack pointer, where only the handler of an
        // interrupt has variables, which are gone when it returns to this loop.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}
