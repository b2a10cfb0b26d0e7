#![deny(missing_docs)]
//! Files that a board takes without a debug probe: UF2, which is dragged to the drive that a Pico 2 shows, DfuSe, which
//! `dfu-util` sends to the boot loader of an STM32, and what the flash of an ESP32-C6 holds, which `espflash` sends to the boot loader in its ROM.

pub mod binary;
pub mod board;
pub mod dfuse;
mod elf;
pub mod esp;
pub mod uf2;

pub use elf::{ElfError, load_segments};

/// Bytes that belong at an address of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Of the first byte.
    pub address: u32,
    /// What is there.
    pub bytes: Vec<u8>,
}
