//! Classifies images of the host on an emulated Cortex-M55: see [`qemu_program::classify`].
#![no_std]
#![no_main]

use cortex_m as _;
use cortex_m_rt::entry;
use qemu_mps2::{clock, host};
use qemu_program::classify::{self, MEMORY_LEN, Machine};
use shared_model::Model;

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; MEMORY_LEN] = [0; MEMORY_LEN];
    static mut MODEL: Option<Model<'static>> = None;

    host::begin();
    classify::run(Machine { name: "qemu-mps3", instructions: clock::instructions }, MODEL, MEMORY)
}
