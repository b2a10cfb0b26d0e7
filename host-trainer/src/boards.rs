//! Boards, and what a model needs of each.

use serde::{Deserialize, Serialize};
use shared_model::{Backend, Model};

use crate::format::grouped;

/// A board, and what it has for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// As a flag names it.
    pub flag: &'static str,
    /// As people name it.
    pub name: &'static str,
    /// Whether this repository has firmware for it.
    pub has_firmware: bool,
    /// The core, as [`Backend::of_core`] knows it.
    pub core: &'static str,
    /// Clock of the processor in Hz.
    pub hertz: f64,
    /// Flash for the model in bytes.
    pub flash: usize,
    /// Memory for a picture and an inference in bytes.
    pub memory: usize,
    /// Least and most seconds to fetch a byte of weights, beside the computation.
    pub seconds_a_byte: [f64; 2],
    /// Least and most cycles for each instruction that a plan estimates.
    pub cycles: [f64; 2],
    /// Where the figures come from.
    pub source: &'static str,
}

/// What the firmware of the boards here takes of flash and memory beside the model, rounded up: of a board without firmware the rest is
/// the model's.
const PROGRAM: usize = 128 * 1024;
const VARIABLES: usize = 64 * 1024;

/// Of a Cortex-M4: 23.1 million cycles for 14,985,984 instructions with much memory, and 57.9 million for 33,235,456 with little, both
/// modelled for the committed model in QEMU without wait states (README.md, "Figures"; `plans_of_the_committed_shapes` in `shared-model`).
const DSP_CYCLES: [f64; 2] = [23.1e6 / 14_985_984.0, 57.9e6 / 33_235_456.0];
/// Of a Cortex-M0+: assumed, for its multiplier of one cycle; loads and stores take two cycles, and jumps that are taken (its technical
/// reference manual, table 3-1), and are a third to two thirds of the instructions.
const ARMV6_M_CYCLES: [f64; 2] = [1.3, 1.7];
/// Of an ESP32-C6 and an ESP32-C3: assumed, since their manuals have no timings; one instruction a cycle but for loads that are used at once and jumps.
const ESP32_CYCLES: [f64; 2] = [1.1, 1.5];

/// All boards that are known.
pub const BOARDS: [Board; 8] = [
    Board {
        flag: "pico2",
        name: "Raspberry Pi Pico 2",
        has_firmware: true,
        core: "cortex-m33",
        hertz: 150e6,
        flash: 1520 * 1024,
        memory: 188 * 1024,
        // 30 to 60 ms for 550 KB (README.md, "The firmware").
        seconds_a_byte: [30e-3 / 550e3, 60e-3 / 550e3],
        cycles: DSP_CYCLES,
        source: "firmware/boards/rp2350: MODEL in memory.x, MEMORY_LEN in main.rs; flash is behind a serial bus",
    },
    Board {
        flag: "stm32h743",
        name: "WeAct MiniSTM32H743",
        has_firmware: true,
        core: "cortex-m7",
        hertz: 480e6,
        flash: 640 * 1024,
        memory: 67 * 1024,
        seconds_a_byte: [0.0; 2],
        cycles: DSP_CYCLES,
        source: "firmware/boards/stm32h743: MODEL in memory.x, MEMORY_LEN in main.rs; flash is on the chip, and cached",
    },
    Board {
        flag: "pico",
        name: "Raspberry Pi Pico",
        has_firmware: true,
        core: "cortex-m0plus",
        hertz: 200e6,
        flash: 752 * 1024,
        memory: 88 * 1024,
        // Four bits a clock of 100 MHz are 50 MB a second; half of that with misses.
        seconds_a_byte: [1.0 / 50e6, 1.0 / 25e6],
        cycles: ARMV6_M_CYCLES,
        source: "firmware/boards/rp2040: MODEL in memory.x, MEMORY_LEN in main.rs; flash is behind a serial bus",
    },
    Board {
        flag: "esp32-c6",
        name: "ESP32-C6",
        has_firmware: true,
        core: "rv32imac",
        hertz: 160e6,
        flash: 1472 * 1024,
        memory: 208 * 1024,
        // Two bits a clock of 80 MHz are 20 MB a second; half of that with misses.
        seconds_a_byte: [1.0 / 20e6, 1.0 / 10e6],
        cycles: ESP32_CYCLES,
        source: "firmware/boards/esp32-c6: MODEL in board.x, MEMORY_LEN in main.rs; flash is behind a serial bus",
    },
    Board {
        flag: "nrf52840",
        name: "nRF52840",
        has_firmware: false,
        core: "cortex-m4",
        hertz: 64e6,
        flash: 1024 * 1024 - PROGRAM,
        memory: 256 * 1024 - VARIABLES,
        seconds_a_byte: [0.0; 2],
        cycles: DSP_CYCLES,
        source: "nRF52840 product specification: 1 MB of flash, 256 KB of RAM, 64 MHz",
    },
    Board {
        flag: "stm32f411",
        name: "STM32F411 (Black Pill)",
        has_firmware: false,
        core: "cortex-m4",
        hertz: 100e6,
        flash: 512 * 1024 - PROGRAM,
        memory: 128 * 1024 - VARIABLES,
        seconds_a_byte: [0.0; 2],
        cycles: DSP_CYCLES,
        source: "datasheet DS10314: 512 KB of flash behind an accelerator, 128 KB of SRAM, 100 MHz",
    },
    Board {
        flag: "stm32l4r5",
        name: "STM32L4R5 (Nucleo-144)",
        has_firmware: false,
        core: "cortex-m4",
        hertz: 120e6,
        flash: 2048 * 1024 - PROGRAM,
        memory: 640 * 1024 - VARIABLES,
        seconds_a_byte: [0.0; 2],
        cycles: DSP_CYCLES,
        source: "datasheet DS12023: 2 MB of flash behind an accelerator, 640 KB of SRAM, 120 MHz",
    },
    Board {
        flag: "esp32-c3",
        name: "ESP32-C3 (4 MB)",
        has_firmware: false,
        core: "rv32imac",
        hertz: 160e6,
        flash: 4096 * 1024 - 1024 * 1024,
        memory: 400 * 1024 - 16 * 1024 - 2 * VARIABLES,
        // Quad I/O at 80 MHz gives at most 40 MB a second; half of that with misses.
        seconds_a_byte: [1.0 / 40e6, 1.0 / 20e6],
        cycles: ESP32_CYCLES,
        source: "ESP32-C3 series datasheet: 400 KB of SRAM, 16 of them cache, 160 MHz, flash behind a serial bus; a quarter of it is the program's",
    },
];

/// What a model needs of a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoardNeeds {
    /// Name of the board.
    pub board: String,
    /// Bytes of the blob.
    pub flash: usize,
    /// Bytes of flash that the board's firmware keeps for it.
    pub flash_room: usize,
    /// Bytes of a picture and of the smallest arena.
    pub memory: usize,
    /// Bytes of memory that the board's firmware has for them.
    pub memory_room: usize,
    /// How fast it is there; `None` if it does not fit.
    pub speed: Option<Speed>,
}

/// How fast a model is on a board.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Bytes of a picture and of the arena that the board's memory allows.
    pub memory: usize,
    /// Instructions from a picture to its logits, as the plan in that memory estimates them.
    pub instructions: u64,
    /// Least and most milliseconds of these, an estimate.
    pub milliseconds: [f64; 2],
}

/// What a model whose blob has `blob_bytes` bytes needs of each board that there is firmware for.
pub fn needs(model: &Model, blob_bytes: usize) -> Vec<BoardNeeds> {
    BOARDS.iter().filter(|board| board.has_firmware).map(|board| board.needs(model, blob_bytes)).collect()
}

/// Cores of microcontrollers, as [`Backend::of_core`] knows them.
pub fn cores() -> impl Iterator<Item = &'static str> {
    Backend::ALL.into_iter().flat_map(Backend::cores).copied().filter(|core| *core != "host")
}

impl Board {
    /// What computes there.
    pub fn backend(&self) -> &'static Backend {
        Backend::of_core(self.core).expect("a core of a backend")
    }

    /// What a model whose blob has `blob_bytes` bytes needs of the board.
    pub fn needs(&self, model: &Model, blob_bytes: usize) -> BoardNeeds {
        let memory = model.input_shape().elements() + model.arena_len_on(self.backend());
        let fits = blob_bytes <= self.flash && memory <= self.memory;
        BoardNeeds {
            board: self.name.to_owned(),
            flash: blob_bytes,
            flash_room: self.flash,
            memory,
            memory_room: self.memory,
            speed: fits.then(|| self.speed(model)).flatten(),
        }
    }

    fn speed(&self, model: &Model) -> Option<Speed> {
        let picture = model.input_shape().elements();
        let plan = model.plan_on(self.backend(), self.memory.checked_sub(picture)?)?;
        let steps = plan.steps().zip(model.steps());
        let fetched: usize = steps.map(|(plan, step)| plan.weight_fetches(step) * step.weights.len()).sum();
        let milliseconds = [0, 1].map(|end| {
            let computed = plan.instructions() as f64 * self.cycles[end] / self.hertz;
            1e3 * (computed + fetched as f64 * self.seconds_a_byte[end])
        });
        Some(Speed { memory: picture + plan.arena_len(), instructions: plan.instructions(), milliseconds })
    }
}

/// Names of the columns of a table, one row a board.
pub const COLUMNS: [&str; 5] =
    ["board", "flash, bytes", "least memory, bytes", "memory used, bytes", "a picture classified, estimated"];

/// What the table is about.
pub const EXPLANATION: &str = "Bytes of those that the board's firmware has for a model, and for a picture and the working memory of an \
     inference. The time is an estimate, from a picture to its class, without camera and reduction: instructions as the plan for that \
     memory counts them, at 1.54 to 1.74 cycles each (the committed model, modelled in QEMU without wait states; 1.3 to 1.7, assumed, on \
     the Pico, and 1.1 to 1.5, assumed, on the ESP32-C6), and on the Picos and the ESP32-C6 the time to fetch weights through the flash's serial bus. Nothing was measured on a board.";

impl BoardNeeds {
    /// A row of the table.
    pub fn row(&self) -> [String; 5] {
        let of = |bytes: usize, room: usize| {
            let [bytes_in_words, room_in_words] = [bytes, room].map(|bytes| grouped(bytes as u64, ','));
            let verdict = if bytes <= room { "" } else { ": does not fit" };
            format!("{bytes_in_words} of {room_in_words}{verdict}")
        };
        let [used, time] = self.speed.map_or_else(
            || ["–", "–"].map(str::to_owned),
            |Speed { memory, milliseconds: [least, most], .. }| {
                [grouped(memory as u64, ','), format!("{least:.0} to {most:.0} ms")]
            },
        );
        [self.board.clone(), of(self.flash, self.flash_room), of(self.memory, self.memory_room), used, time]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::in_repository;
    use crate::model_files::ModelFiles;

    /// The number of bytes behind `name` in a file of a board's crate, such as `640K` or `67 * 1024`.
    fn bytes_in(file: &str, name: &str) -> usize {
        let text = fs::read_to_string(in_repository("firmware/boards").join(file)).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        let value = line.rsplit('=').next().unwrap().trim().trim_end_matches(';').replace('K', "* 1024");
        value.split('*').map(|factor| factor.trim().parse::<usize>().unwrap()).product()
    }

    #[test]
    fn the_table_is_what_the_crates_of_the_boards_say() {
        let boards: Vec<&Board> = BOARDS.iter().filter(|board| board.has_firmware).collect();
        assert_eq!(boards.len(), 4);
        let scripts =
            [("rp2350", "memory.x"), ("stm32h743", "memory.x"), ("rp2040", "memory.x"), ("esp32-c6", "board.x")];
        for (board, (folder, script)) in boards.into_iter().zip(scripts) {
            assert_eq!(board.flash, bytes_in(&format!("{folder}/{script}"), "MODEL "), "{folder}");
            assert_eq!(board.memory, bytes_in(&format!("{folder}/src/main.rs"), "const MEMORY_LEN"), "{folder}");
        }
    }

    #[test]
    fn the_committed_model_fits_and_what_is_too_large_does_not() {
        let files = ModelFiles::of_blob(in_repository("data/models/vgg3-full.blob"));
        let bytes = files.read_blob().unwrap();
        let model = files.load(&bytes).unwrap();
        let committed = needs(&model, bytes.len());
        // The arenas are those that the READMEs of the boards promise, and the times contain those of README.md.
        let speeds: Vec<_> = committed.iter().map(|needs| needs.speed.unwrap()).collect();
        assert_eq!([0, 1, 2, 3].map(|board| speeds[board].memory - 3072), [188_483, 64_835, 85_699, 188_483]);
        for (board, expected) in [(0, 180.0..=210.0), (1, 47.0..=50.0), (2, 420.0..=570.0), (3, 330.0..=480.0)] {
            let [least, most] = speeds[board].milliseconds;
            assert!(*expected.start() < most && least < *expected.end() && most < 1.5 * least, "{speeds:?}");
        }
        assert_eq!(committed[1].row()[1], "562,944 of 655,360");

        let large = needs(&model, 640 * 1024 + 1);
        assert_eq!([0, 1].map(|board| large[board].speed.is_some()), [true, false]);
        assert_eq!(large[1].row()[1], "655,361 of 655,360: does not fit");
        let small = Board { memory: committed[0].memory - 1, ..BOARDS[0] };
        let row = small.needs(&model, bytes.len()).row();
        assert_eq!(row[2..], ["18,947 of 18,946: does not fit", "–", "–"]);
    }
}
