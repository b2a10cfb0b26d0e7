#![no_std]
#![deny(missing_docs)]
//! What ended the last run: a panic or a fault writes itself into memory that a reset keeps, and restarts the board, which can
//! then tell it over USB. A program that links this crate has its handler of panics, on a Cortex-M also the one of hard faults; esp-hal's of an
//! ESP32-C6 panics.
//!
//! The memory.x of a board with a Cortex-M keeps 512 bytes from `_crash_start` for that; no section lies there, so that nothing initializes it.
#![expect(unsafe_code, reason = "memory that only the linker knows, and handlers that the runtime calls")]

#[cfg_attr(target_arch = "arm", path = "cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "esp32c6.rs")]
mod chip;

use core::fmt::Display;
use core::panic::PanicInfo;

use heapless::String;
use protocol::cut_off;

/// The most bytes of a text; more is cut off.
pub const TEXT_LEN: usize = 256;
/// Mark, length and checksum, and then the text.
const HEADER_WORDS: usize = 3;
const WORDS: usize = HEADER_WORDS + TEXT_LEN / 4;
const MARK: u32 = u32::from_le_bytes(*b"oops");

/// The panic or the fault that ended the run before this one, if one did; only the first call tells.
pub fn take() -> Option<String<TEXT_LEN>> {
    // SAFETY: this memory is for nothing else, any words are valid, and only `restart` touches it too, which never returns.
    let words = unsafe { chip::record().read_volatile() };
    // SAFETY: as above.
    unsafe { chip::record().write_volatile([0; WORDS]) };
    let [mark, len, sum] = [words[0], words[1], words[2]];
    let text = &words[HEADER_WORDS..];
    if mark != MARK || sum != checksum(len, text) {
        return None;
    }
    String::from_utf8(text.iter().flat_map(|word| word.to_le_bytes()).take(len as usize).collect()).ok()
}

/// Memory after power-on is no record by chance.
fn checksum(len: u32, text: &[u32]) -> u32 {
    text.iter().fold(len ^ MARK, |sum, word| sum.rotate_left(5) ^ word)
}

/// Keeps `reason` and starts the board anew, unless a debugger is there to look at what happened.
fn restart(reason: impl Display) -> ! {
    chip::disable_interrupts();
    let text: String<TEXT_LEN> = cut_off(reason);
    let mut words = [0; WORDS];
    for (word, bytes) in words[HEADER_WORDS..].iter_mut().zip(text.as_bytes().chunks(4)) {
        let mut padded = [0; 4];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_le_bytes(padded);
    }
    let len = text.len() as u32;
    [words[0], words[1], words[2]] = [MARK, len, checksum(len, &words[HEADER_WORDS..])];
    // Whole words, which an STM32H7 writes at once: parts of one may wait for their neighbours, and be lost (ST, AN5342).
    // SAFETY: this memory is for nothing else, and no interrupt comes any more.
    unsafe { chip::record().write_volatile(words) };
    chip::reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    restart(info)
}
