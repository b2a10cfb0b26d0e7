//! What a computer asks of a board that is set up for the first time, and what the board finds out.

use crate::message::FaultClass;
use serde::{Deserialize, Serialize};

/// What is examined. The board looks at it between two frames, sends what it finds, and ends with [`Finding::End`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Clocks, and the model's known answer once more.
    Board,
    /// The camera: started anew, asked what it is, compared with its configuration, and one frame of it, whatever it shows.
    Camera,
    /// A frame of the camera's own test pattern.
    TestPattern,
}

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 3] = [Self::Board, Self::Camera, Self::TestPattern];
}

/// One thing that was found out. Of a frame the [`FullFrame`](crate::FullFrame) and its chunks come before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding<'a> {
    /// A number, as it was set or read.
    Value {
        /// What it is, with its unit: `processor clock in Hz`.
        name: &'a str,
        /// It.
        value: u32,
    },
    /// Whether the model's known answer was reproduced.
    KnownAnswer {
        /// It was.
        holds: bool,
    },
    /// What the camera says that it is.
    Product {
        /// What was read.
        found: u16,
        /// Whether the driver is for it.
        is_known: bool,
    },
    /// So many of the camera's registers were compared with what the driver wrote to them.
    Compared {
        /// Those that differ among them, each of which has a [`Finding::Register`].
        registers: u16,
    },
    /// A register that differs.
    Register {
        /// The bank that it belongs to, where there are several.
        bank: u8,
        /// Its address in the bank.
        address: u8,
        /// What the driver wrote.
        written: u8,
        /// What was read.
        found: u8,
    },
    /// Something was done, or failed.
    Done {
        /// What.
        deed: Deed,
        /// How long it took, in the [`TimeUnit`](crate::TimeUnit) of the device information.
        time: u64,
        /// Why it failed, if it did.
        #[serde(borrow)]
        problem: Option<Problem<'a>>,
    },
    /// The camera has no test pattern, or the driver does not know it.
    NoTestPattern,
    /// All that was to be found out about this subject has been sent.
    End(Subject),
}

/// What is done with a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Reset, identified and configured.
    Start,
    /// Read, to compare.
    Read,
    /// Asked for a frame.
    Capture,
}

/// A fault, as [`FaultReport`](crate::FaultReport) describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem<'a> {
    /// What kind of thing went wrong.
    pub class: FaultClass,
    /// What exactly, for programs.
    pub code: u16,
    /// The same for people.
    pub text: &'a str,
}
