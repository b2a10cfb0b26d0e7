//! What a model needs of each board with a camera.

use serde::{Deserialize, Serialize};
use shared_model::{Backend, Model};

use crate::format::grouped;

/// A board as its crate in `firmware/boards` lays its memory out.
struct Board {
    name: &'static str,
    /// Flash for the model in bytes: `MODEL` in the crate's `memory.x`.
    flash: usize,
    /// Memory for a picture and an inference in bytes: `MEMORY_LEN` in its `main.rs`.
    memory: usize,
    /// Clock of the processor in Hz: the crate's README.
    hertz: f64,
    /// Least and most seconds to fetch a byte of weights, beside the computation.
    seconds_a_byte: [f64; 2],
}

/// All boards with a camera; both have cores with the DSP extension.
const BOARDS: [Board; 2] = [
    Board {
        name: "Raspberry Pi Pico 2",
        flash: 1520 * 1024,
        memory: 188 * 1024,
        hertz: 150e6,
        // Flash is behind a serial bus: 30 to 60 ms for 550 KB (README.md, "The firmware").
        seconds_a_byte: [30e-3 / 550e3, 60e-3 / 550e3],
    },
    Board {
        name: "WeAct MiniSTM32H743",
        flash: 640 * 1024,
        memory: 67 * 1024,
        hertz: 480e6,
        // Flash is on the chip, and cached.
        seconds_a_byte: [0.0; 2],
    },
];

/// Cycles for each instruction that a plan estimates: 23.1 million for 14,985,984 with much memory, and 57.9 million for 33,235,456 with
/// little, both modelled for the committed model in QEMU without wait states (README.md, "Figures"; `plans_of_the_committed_shapes` in
/// `shared-model`).
const CYCLES: [f64; 2] = [23.1e6 / 14_985_984.0, 57.9e6 / 33_235_456.0];

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

/// What a model whose blob has `blob_bytes` bytes needs of each board.
pub fn needs(model: &Model, blob_bytes: usize) -> Vec<BoardNeeds> {
    BOARDS.iter().map(|board| board.needs(model, blob_bytes)).collect()
}

impl Board {
    fn needs(&self, model: &Model, blob_bytes: usize) -> BoardNeeds {
        let memory = model.input_shape().elements() + model.arena_len_on(Backend::ARM_DSP);
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
        let plan = model.plan_on(Backend::ARM_DSP, self.memory.checked_sub(picture)?)?;
        let steps = plan.steps().zip(model.steps());
        let fetched: usize = steps.map(|(plan, step)| plan.weight_fetches(step) * step.weights.len()).sum();
        let milliseconds = [0, 1].map(|end| {
            let computed = plan.instructions() as f64 * CYCLES[end] / self.hertz;
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
     memory counts them, at 1.54 to 1.74 cycles each (the committed model, modelled in QEMU without wait states), and on the Pico 2 the \
     time to fetch weights through the flash's serial bus. Nothing was measured on a board.";

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
        for (board, folder) in BOARDS.iter().zip(["rp2350", "stm32h743"]) {
            assert_eq!(board.flash, bytes_in(&format!("{folder}/memory.x"), "MODEL "), "{folder}");
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
        assert_eq!([0, 1].map(|board| speeds[board].memory - 3072), [188_483, 64_835]);
        for (board, expected) in [(0, 180.0..=210.0), (1, 47.0..=50.0)] {
            let [least, most] = speeds[board].milliseconds;
            assert!(*expected.start() < most && least < *expected.end() && most < 1.5 * least, "{speeds:?}");
        }
        assert_eq!(committed[1].row()[1], "562,944 of 655,360");

        let large = needs(&model, 640 * 1024 + 1);
        assert_eq!([0, 1].map(|board| large[board].speed.is_some()), [true, false]);
        assert_eq!(large[1].row()[1], "655,361 of 655,360: does not fit");
        let small = Board { memory: committed[0].memory - 1, ..BOARDS[0] };
        let row = small.needs(&model, bytes.len()).row();
        assert_eq!(row[2..], ["23,107 of 23,106: does not fit", "–", "–"]);
    }
}
