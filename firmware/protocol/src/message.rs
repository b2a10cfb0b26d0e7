//! The messages.
//!
//! Kinds and fields are encoded in the order in which they stand here. New kinds of [`Message`] and [`Request`] go to the end; any
//! other change of what is encoded needs another [`VERSION`](crate::VERSION).

use crate::examination::{Finding, Subject};
use crate::settings::{SettingAnswer, SettingRequest};
use crate::transfer::{Acknowledgement, Chunk};
use crate::update::{ModelRequest, Models};
use core::fmt::{Display, Write};
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// The most classes of a network.
pub const MAX_LABELS: usize = 64;
/// The most bytes of a class's name.
pub const MAX_LABEL_LEN: usize = 48;
/// How many of the most probable classes a report names.
pub const TOP_LEN: usize = 3;
/// The most bytes of a fault's text.
pub const FAULT_TEXT_LEN: usize = 128;

/// What travels in one direction: an enum, encoded as the number of its variant and the variant's fields.
pub trait Kinds {
    /// How many variants there are: a number from this on is a kind that this reader does not know.
    const KINDS: u32;
}

/// From the board to the computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// At boot, and on [`Request::DeviceInfo`]; the [`Label`]s follow.
    #[serde(borrow)]
    DeviceInfo(DeviceInfo<'a>),
    /// The name of a class.
    Label(Label<'a>),
    /// The board does not classify; repeated as long as that is so.
    BootFailure(BootFailure<'a>),
    /// A frame was classified.
    Frame(FrameReport),
    /// No frame could be taken.
    Fault(FaultReport),
    /// A part of something long, such as the picture of the [`FrameReport`] before.
    Chunk(Chunk<'a>),
    /// The answer to a [`Request::Chunk`].
    Acknowledgement(Acknowledgement<'a>),
    /// The board does not know what it was asked for.
    Unsupported {
        /// The number of the request's kind.
        request: u32,
    },
    /// What the full frame is whose chunks follow.
    FullFrame(FullFrame),
    /// What is to be known of the frame whose [`FrameReport`] follows directly; frames without marks have none.
    FrameMarks(FrameMarks),
    /// Before [`DeviceInfo`], each time, and from a board that still waits after a crash.
    Start(Start<'a>),
    /// What a [`Request::Examine`] has found out so far.
    Finding(Finding<'a>),
    /// The answer to a [`Request::Models`].
    Models(Models<'a>),
    /// The answer to a [`Request::Settings`].
    Setting(SettingAnswer<'a>),
}

impl Kinds for Message<'_> {
    const KINDS: u32 = 14;
}

/// From the computer to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Asks for [`Message::DeviceInfo`] and the labels.
    DeviceInfo,
    /// Sets which frames are followed by their pictures.
    Pictures(PictureMode),
    /// A part of something long; the answer is a [`Message::Acknowledgement`].
    #[serde(borrow)]
    Chunk(Chunk<'a>),
    /// The answer to a [`Message::Chunk`] whose sender waits for one.
    Acknowledgement(Acknowledgement<'a>),
    /// Sets which frames are followed by all that the camera gave, a [`FullFrame`] and its chunks.
    FullFrames(PictureMode),
    /// Asks the board to examine something; the answers are [`Message::Finding`]s.
    Examine(Subject),
    /// Asks for the models in flash, or changes them.
    Models(ModelRequest<'a>),
    /// Asks for the settings, or changes one.
    Settings(SettingRequest<'a>),
}

impl Kinds for Request<'_> {
    const KINDS: u32 = 8;
}

impl Request<'_> {
    /// The number of its kind, as [`Message::Unsupported`] names it.
    pub const fn kind(&self) -> u32 {
        match self {
            Self::DeviceInfo => 0,
            Self::Pictures(_) => 1,
            Self::Chunk(_) => 2,
            Self::Acknowledgement(_) => 3,
            Self::FullFrames(_) => 4,
            Self::Examine(_) => 5,
            Self::Models(_) => 6,
            Self::Settings(_) => 7,
        }
    }
}

/// Which frames are followed by their pictures: the inputs of the network, or the full frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PictureMode {
    /// None, which is so at first.
    Off,
    /// The next frame alone.
    Once,
    /// Every frame.
    Every,
}

/// What the board is and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo<'a> {
    /// [`VERSION`](crate::VERSION) of the firmware.
    pub protocol_version: u8,
    /// Name of the board, such as `stm32h743`.
    pub board: &'a str,
    /// Name of the camera, such as `OV2640`.
    pub camera: &'a str,
    /// Name of the network.
    pub model: &'a str,
    /// CRC-32 of the network's blob.
    pub crc32: u32,
    /// Bytes of the blob.
    pub blob_len: u32,
    /// Bytes of working memory that an inference takes.
    pub arena_len: u32,
    /// How the network is computed.
    pub plan: &'a str,
    /// Shape of the network's input and of the pictures.
    pub input: Shape,
    /// Number of classes, and of the [`Label`]s that follow.
    pub labels: u8,
    /// How many bits of a logit are behind the binary point.
    pub logit_fraction_bits: u8,
    /// The unit of [`StageTimes`].
    pub time_unit: TimeUnit,
}

/// Size of a picture. Its bytes are rows from the top, pixels from the left, and channels (red, green, blue, or grey alone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Pixels in a row.
    pub width: u16,
    /// Bytes of a pixel: 3, or 1 for grey.
    pub channels: u8,
}

impl Shape {
    /// Bytes of a picture.
    pub const fn byte_len(&self) -> usize {
        (self.height as usize * self.width as usize).saturating_mul(self.channels as usize)
    }
}

/// What the board's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// A real clock.
    Microseconds,
    /// An emulator's.
    Instructions,
}

/// The name of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label<'a> {
    /// Index of the class.
    pub index: u8,
    /// At most [`MAX_LABEL_LEN`] bytes.
    pub text: &'a str,
}

/// Why the board does not classify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFailure<'a> {
    /// The cause as a number, for programs; the firmware lists its codes.
    pub code: u16,
    /// What is wrong and what to do, for people.
    pub text: &'a str,
}

/// One classified frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameReport {
    /// Counts the attempts to take a frame, from 0, so that frames and faults together leave no gap; wraps around.
    pub counter: u32,
    /// What the last frames together show.
    pub verdict: Verdict,
    /// The most probable classes of this frame alone, most probable first.
    pub top: Vec<Candidate, TOP_LEN>,
    /// Every class's logit for this frame, exactly as the network computes it.
    pub logits: Vec<i32, MAX_LABELS>,
    /// How long the frame took.
    pub times: StageTimes,
    /// Faults since boot.
    pub faults: FaultCounters,
}

/// How the run of a board began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start<'a> {
    /// What the chip says.
    pub cause: ResetCause,
    /// The panic or fault that ended the run before; empty if none did.
    pub crash: &'a str,
}

impl Start<'_> {
    /// After the power came.
    pub const POWER_ON: Self = Self { cause: ResetCause::PowerOn, crash: "" };
}

/// What reset the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetCause {
    /// The power came.
    PowerOn,
    /// The reset pin or button.
    Pin,
    /// The watchdog: for so long no frame was completed.
    Watchdog,
    /// The program itself, after a crash for example.
    Software,
    /// A debugger.
    Debugger,
    /// The supply voltage was too low for a while.
    BrownOut,
    /// Something else, or more than one of these.
    Unknown,
}

impl ResetCause {
    /// For people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "power",
            Self::Pin => "reset pin",
            Self::Watchdog => "watchdog",
            Self::Software => "software",
            Self::Debugger => "debugger",
            Self::BrownOut => "low voltage",
            Self::Unknown => "unknown",
        }
    }
}

/// What makes a frame less than a picture to rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameMarks {
    /// See [`FrameReport::counter`].
    pub counter: u32,
    /// At least one.
    pub marks: Marks,
}

/// Marks of a frame, a bit each; a reader ignores bits that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(u8);

impl Marks {
    /// No mark.
    pub const NONE: Self = Self(0);
    /// The camera was just started: its exposure and white balance still move.
    pub const SETTLING: Self = Self(1 << 0);
    /// Hardly any light: night, or a covered lens.
    pub const DARK: Self = Self(1 << 1);
    /// Nearly everything is white.
    pub const BLOWN_OUT: Self = Self(1 << 2);
    /// The same picture as before, bit for bit, and so again after the camera was started anew.
    pub const STILL: Self = Self(1 << 3);

    const NAMES: [(Self, &'static str); 4] =
        [(Self::SETTLING, "settling"), (Self::DARK, "dark"), (Self::BLOWN_OUT, "blown out"), (Self::STILL, "still")];

    /// These and `others`.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of those that are known, for people and programs.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(mark, _)| self.contains(*mark)).map(|(_, name)| name)
    }
}

/// A frame as the camera gave it, before anything is cut off or reduced: it follows the report of that frame, and its bytes follow as
/// chunks of kind [`FullFrame`](crate::ChunkKind::FullFrame), whose id is the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullFrame {
    /// See [`FrameReport::counter`].
    pub counter: u32,
    /// Rows.
    pub height: u16,
    /// Pixels in a row.
    pub width: u16,
    /// What the bytes are.
    pub encoding: Encoding,
}

/// How the bytes of a [`FullFrame`] encode its pixels: rows from the top without gaps, pixels from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum Encoding {
    /// RGB565, red in the top five bits, the byte with the red bits first.
    Rgb565BigEndian,
    /// RGB565, the byte with the blue bits first.
    Rgb565LittleEndian,
    /// One that this reader does not know.
    Unknown(u8),
}

impl From<u8> for Encoding {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Rgb565BigEndian,
            1 => Self::Rgb565LittleEndian,
            number => Self::Unknown(number),
        }
    }
}

impl From<Encoding> for u8 {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Rgb565BigEndian => 0,
            Encoding::Rgb565LittleEndian => 1,
            Encoding::Unknown(number) => number,
        }
    }
}

/// What the last frames show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No class is probable enough.
    NotSure,
    /// A class.
    Class {
        /// Its index.
        class: u8,
        /// In units of 1/65,535.
        probability: u16,
    },
}

/// A class and its probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Index of the class.
    pub class: u8,
    /// In units of 1/65,535.
    pub probability: u16,
}

impl Candidate {
    /// The most probable classes, most probable first; of equals, the lower index first.
    pub fn top(probabilities: &[u16]) -> Vec<Self, TOP_LEN> {
        let mut top = Vec::new();
        for (class, &probability) in (0..).zip(probabilities) {
            let place = top.partition_point(|better: &Self| better.probability >= probability);
            if place < TOP_LEN {
                top.truncate(TOP_LEN - 1);
                // There is room for one, and the place is not behind the end.
                let _ = top.insert(place, Self { class, probability });
            }
        }
        top
    }
}

/// The time of each stage in the [`TimeUnit`] of the [`DeviceInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTimes {
    /// From the request for the frame until it lay in memory; where a camera fills its frame while the one before is
    /// classified, that is part of it.
    pub capture: u64,
    /// Cropping and resizing.
    pub preprocess: u64,
    /// The network.
    pub classify: u64,
    /// Reporting the frame before.
    pub report: u64,
}

/// A frame that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultReport {
    /// The number of the attempt: see [`FrameReport::counter`].
    pub counter: u32,
    /// What kind of thing went wrong.
    pub class: FaultClass,
    /// What exactly, for programs; the firmware lists its codes.
    pub code: u16,
    /// The same for people, with where to look.
    pub text: String<FAULT_TEXT_LEN>,
    /// What is done about it.
    pub recovery: Recovery,
    /// Faults since boot, with this one.
    pub faults: FaultCounters,
}

impl FaultReport {
    /// What is displayed as a fault's text; more than [`FAULT_TEXT_LEN`] bytes are cut off.
    pub fn text_of(fault: impl Display) -> String<FAULT_TEXT_LEN> {
        cut_off(fault)
    }
}

/// A text of at most `N` bytes: what is longer is cut off behind a whole character.
pub fn cut_off<const N: usize>(text: impl Display) -> String<N> {
    struct CutOff<const N: usize>(String<N>);
    impl<const N: usize> Write for CutOff<N> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            text.chars().try_for_each(|letter| self.0.push(letter)).map_err(|_| core::fmt::Error)
        }
    }
    let mut cut = CutOff(String::new());
    // An error says that the text was cut off.
    let _ = write!(cut, "{text}");
    cut.0
}

/// What kind of thing went wrong, whatever the camera. There will be no others: a new camera's faults get codes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FaultClass {
    /// The camera's bus failed: not acknowledged, arbitration, DMA.
    Bus,
    /// Something did not happen in time.
    Timeout,
    /// Another device answers than the driver is made for.
    WrongDevice,
    /// The camera has lost its configuration.
    Configuration,
    /// A frame came with too few or too many bytes, or with some lost.
    Data,
    /// A frame came whole, but shows nothing new.
    Picture,
    /// Anything else.
    Other,
}

impl FaultClass {
    /// Every class, in the order of [`FaultCounters`].
    pub const ALL: [Self; 7] =
        [Self::Bus, Self::Timeout, Self::WrongDevice, Self::Configuration, Self::Data, Self::Picture, Self::Other];

    /// The class in two words at most, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus error",
            Self::Timeout => "timeout",
            Self::WrongDevice => "wrong device",
            Self::Configuration => "lost configuration",
            Self::Data => "damaged frame",
            Self::Picture => "useless picture",
            Self::Other => "other",
        }
    }
}

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recovery {
    /// The camera is asked for another frame.
    Retry,
    /// The camera is initialized anew.
    Initialize {
        /// The time before that, in milliseconds.
        after_ms: u32,
    },
}

/// How many faults of each class there were since boot; a count that is full stays full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCounters([u32; FaultClass::ALL.len()]);

impl FaultCounters {
    /// No fault yet.
    pub const fn new() -> Self {
        Self([0; FaultClass::ALL.len()])
    }

    /// Counts one more.
    pub fn count(&mut self, class: FaultClass) {
        let counter = &mut self.0[class as usize];
        *counter = counter.saturating_add(1);
    }

    /// Faults of a class.
    pub const fn get(&self, class: FaultClass) -> u32 {
        self.0[class as usize]
    }

    /// Faults of all classes.
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Every class and its count.
    pub fn iter(&self) -> impl Iterator<Item = (FaultClass, u32)> {
        FaultClass::ALL.into_iter().zip(self.0)
    }
}
