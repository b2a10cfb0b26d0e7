//! The boards with a camera, as far as flashing them goes.

use crate::uf2::Family;
use crate::{Segment, dfuse, uf2};

/// A board of `firmware/boards`.
#[derive(Debug)]
pub struct Board {
    /// Its crate.
    pub name: &'static str,
    /// As its maker calls it.
    pub title: &'static str,
    /// What its crate is compiled for.
    pub target: &'static str,
    /// What its boot loader takes.
    pub format: Format,
    /// Where its program looks for a model that was flashed, and how many bytes may lie there: `MODEL` in its memory.x. It runs one that it did not
    /// find there before, whatever was sent to it.
    pub model: (u32, usize),
    /// How a file gets onto it, in three steps; `{file}` stands for the file.
    pub steps: [&'static str; 3],
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Drag and drop.
    Uf2 {
        /// Whom a program is for.
        program: Family,
        /// Whom a model alone is for.
        model: Family,
    },
    /// With `dfu-util`.
    Dfuse,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A program, and maybe a model with it.
    Program,
    /// A model alone: the program stays.
    Model,
}

/// All of them.
pub const BOARDS: [Board; 3] = [
    Board {
        name: "rp2350",
        title: "Raspberry Pi Pico 2",
        target: "thumbv8m.main-none-eabihf",
        format: Format::Uf2 { program: Family::Rp2350ArmSecure, model: Family::Absolute },
        model: (0x1010_0000, 1520 * 1024),
        steps: [
            "Hold the button BOOTSEL while you plug in the USB cable: a drive named RP2350 appears.",
            "Copy `{file}` onto that drive.",
            "The drive goes away and the board starts by itself.",
        ],
    },
    Board {
        name: "stm32h743",
        title: "WeAct MiniSTM32H743",
        target: "thumbv7em-none-eabihf",
        format: Format::Dfuse,
        model: (0x0810_0000, 640 * 1024),
        steps: [
            "Plug in the USB cable, hold BOOT0, press and release RST, then release BOOT0: `dfu-util --list` names \"Internal Flash\".",
            "`dfu-util --device 0483:df11 --alt 0 --download {file}` (dfu-util 0.11 or later; on Windows the driver WinUSB, by Zadig).",
            "Press RST: the board starts.",
        ],
    },
    Board {
        name: "rp2040",
        title: "Raspberry Pi Pico",
        target: "thumbv6m-none-eabi",
        format: Format::Uf2 { program: Family::Rp2040, model: Family::Rp2040 },
        model: (0x1008_0000, 752 * 1024),
        steps: [
            "Hold the button BOOTSEL while you plug in the USB cable: a drive named RPI-RP2 appears.",
            "Copy `{file}` onto that drive.",
            "The drive goes away and the board starts by itself.",
        ],
    },
];

impl Format {
    /// How names of such files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Uf2 { .. } => "uf2",
            Self::Dfuse => "dfu",
        }
    }
}

impl Board {
    /// A file with these segments.
    pub fn image(&self, segments: &[Segment], content: Content) -> Vec<u8> {
        match (self.format, content) {
            (Format::Uf2 { program, .. }, Content::Program) => uf2::image(segments, program),
            (Format::Uf2 { model, .. }, Content::Model) => uf2::image(segments, model),
            (Format::Dfuse, Content::Program | Content::Model) => dfuse::image(segments),
        }
    }

    /// A blob at its place in flash; `None` if there is no room for it.
    pub fn model(&self, blob: &[u8]) -> Option<Segment> {
        let (address, room) = self.model;
        (blob.len() <= room).then(|| Segment { address, bytes: blob.to_vec() })
    }
}
