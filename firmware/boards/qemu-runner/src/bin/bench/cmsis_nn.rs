//! What CMSIS-NN takes for the same network, to compare with.
//!
//! CMSIS-NN at commit 99f736a6, compiled with arm-none-eabi-gcc 12.2.1 -O3, one inference in int8 with a scale for each
//! channel, counted in QEMU as here; its outputs were verified against a naive reference.

use qemu_runner::machine::Machine;

/// Executed instructions of one step.
pub struct Step {
    /// The step of ours that does the same work; a pool belongs to the convolution before it.
    pub step: usize,
    instructions: [u64; 3],
}

impl Step {
    /// Executed instructions on `machine`.
    pub fn instructions(&self, machine: Machine) -> u64 {
        self.instructions[column(machine)]
    }
}

const fn column(machine: Machine) -> usize {
    match machine {
        Machine::M4 => 0,
        Machine::M7 => 1,
        Machine::M33 => 2,
    }
}

const fn step(step: usize, instructions: [u64; 3]) -> Step {
    Step { step, instructions }
}

/// The network's steps, on Cortex-M4, -M7 and -M33.
pub const STEPS: [Step; 11] = [
    step(0, [3_678_320, 3_695_880, 3_667_050]),
    step(1, [18_165_520, 18_183_040, 18_189_600]),
    step(1, [317_240, 315_720, 316_050]),
    step(2, [8_753_040, 8_757_560, 8_758_800]),
    step(3, [16_618_880, 16_623_440, 16_620_450]),
    step(3, [149_080, 148_720, 148_150]),
    step(4, [8_177_560, 8_178_800, 8_177_900]),
    step(5, [15_947_240, 15_948_480, 15_948_550]),
    step(5, [72_280, 72_200, 71_850]),
    step(6, [499_040, 499_040, 499_050]),
    // With the softmax.
    step(7, [8_560, 8_680, 8_550]),
];

/// Executed instructions of an inference, the steps and what lies between them.
pub const fn total(machine: Machine) -> u64 {
    [72_386_760, 72_431_560, 72_406_000][column(machine)]
}

/// Cycles on a Cortex-M4, modelled like ours, in millions.
pub const MEGACYCLES: f64 = 84.4;

/// Bytes of activations and scratch.
pub const ACTIVATION_BYTES: u64 = 70_144;

/// Bytes of the kernels' code; it was measured for the Cortex-M4 alone.
pub const fn code_bytes(machine: Machine) -> Option<u64> {
    match machine {
        Machine::M4 => Some(20_560),
        Machine::M7 | Machine::M33 => None,
    }
}

/// Multiplications of the network that was measured.
pub const MULTIPLY_ACCUMULATES: u64 = 38_896_896;
