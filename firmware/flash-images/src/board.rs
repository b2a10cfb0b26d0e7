//! The boards with a camera, as far as flashing them goes.

use crate::uf2::Family;
use crate::{ElfError, Segment, binary, dfuse, esp, load_segments, uf2};

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
    /// Where its program looks for a model that was flashed, and how many bytes may lie there: `MODEL` in its memory.x, or `model` in its
    /// partitions.csv. It runs one that it did not find there before, whatever was sent to it.
    pub model: (u32, usize),
    /// How a file gets onto it, in three steps; `{file}` stands for the file, and `{address}` for the place of its first byte.
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
    /// With `espflash`, esptool, or a web page that does the same: what flash holds from some place on.
    Binary {
        /// ESP-IDF's table of what is where in flash.
        partitions: &'static str,
    },
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
pub const BOARDS: [Board; 4] = [
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
    Board {
        name: "esp32-c6",
        title: "ESP32-C6",
        target: "riscv32imac-unknown-none-elf",
        format: Format::Binary { partitions: include_str!("../../boards/esp32-c6/partitions.csv") },
        model: (0x0010_0000, 1472 * 1024),
        steps: [
            "Plug in the USB cable, into the socket that is the chip's own (on an ESP32-C6-DevKitC-1 the one marked USB).",
            "`espflash write-bin --chip esp32c6 {address} {file}` (`cargo install espflash`), or any other program that writes an ESP32's flash, at {address}.",
            "The board starts by itself. If it does not, its boot loader is missing: `cargo run --release` in firmware/boards/esp32-c6 writes the one that espflash brings.",
        ],
    },
];

impl Format {
    /// How names of such files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Uf2 { .. } => "uf2",
            Self::Dfuse => "dfu",
            Self::Binary { .. } => "bin",
        }
    }
}

impl Board {
    /// All that flash has to hold for a linked program and its model, by ascending address.
    ///
    /// # Errors
    ///
    /// If these bytes are no program of the board's.
    pub fn segments(&self, elf: &[u8]) -> Result<Vec<Segment>, ElfError> {
        match self.format {
            Format::Uf2 { .. } | Format::Dfuse => load_segments(elf),
            Format::Binary { partitions } => esp::segments(elf, partitions, self.model.0),
        }
    }

    /// How a file of this content gets onto it.
    pub fn steps(&self, file: &str, content: Content) -> [String; 3] {
        let address = match content {
            Content::Program => esp::TABLE_ADDRESS,
            Content::Model => self.model.0,
        };
        self.steps.map(|step| step.replace("{file}", file).replace("{address}", &format!("{address:#x}")))
    }

    /// A file with these segments.
    pub fn image(&self, segments: &[Segment], content: Content) -> Vec<u8> {
        match (self.format, content) {
            (Format::Uf2 { program, .. }, Content::Program) => uf2::image(segments, program),
            (Format::Uf2 { model, .. }, Content::Model) => uf2::image(segments, model),
            (Format::Dfuse, Content::Program | Content::Model) => dfuse::image(segments),
            (Format::Binary { .. }, Content::Program | Content::Model) => binary::image(segments),
        }
    }

    /// A blob at its place in flash; `None` if there is no room for it.
    pub fn model(&self, blob: &[u8]) -> Option<Segment> {
        let (address, room) = self.model;
        (blob.len() <= room).then(|| Segment { address, bytes: blob.to_vec() })
    }
}
