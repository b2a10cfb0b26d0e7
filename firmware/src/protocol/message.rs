//! What is said.
//!
//! Fields are encoded in the order in which they stand here: changing it needs another [`VERSION`](super::VERSION).

use crate::camera::Remedy;
use crate::fault::{Fault, FaultCounters};
use crate::pipeline::Verdict;
use heapless::Vec;
use serde::{Deserialize, Serialize};
use shared_model::Classification;
use shared_model::graph::MAX_LABELS;

/// How many of the most probable classes a report names.
pub const TOP_LEN: usize = 3;

/// From the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Message<'a> {
    /// The board classifies: at boot, and on [`Request::Banner`].
    #[serde(borrow)]
    Banner(Banner<'a>),
    /// The board does not classify, and why: a damaged model, or arithmetic that does not give the known answer.
    Refusal(&'a str),
    /// A frame was classified.
    Frame(FrameReport),
    /// The network's input of the frame that was reported before.
    Picture(Picture<'a>),
    /// A frame was not to be had.
    Fault(FaultReport),
}

/// What the board holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Banner<'a> {
    /// Such as `stm32h743`.
    pub board: &'a str,
    /// Such as `OV2640`.
    pub camera: &'a str,
    /// Name of the network.
    pub model: &'a str,
    /// CRC-32 of its blob.
    pub crc32: u32,
    /// Bytes of the blob.
    pub blob_len: u32,
    /// Bytes of working memory that an inference takes.
    pub arena_len: u32,
    /// How the network is computed.
    pub plan: &'a str,
    /// Class names; class `i` is `labels[i]`.
    #[serde(borrow)]
    pub labels: Vec<&'a str, MAX_LABELS>,
    /// F: as a real number a logit is its integer divided by 2^F.
    pub logit_fraction_bits: u8,
    /// Of [`StageTimes`].
    pub time_unit: TimeUnit,
}

/// What the board's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TimeUnit {
    /// A real clock.
    Microseconds,
    /// An emulator's.
    Instructions,
}

/// One classified frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FrameReport {
    /// Counts the attempts to get a frame, from 0, so that frames and faults together leave no gap; wraps around.
    pub counter: u32,
    /// After smoothing.
    pub verdict: Verdict,
    /// The most probable classes of this frame alone, most probable first.
    pub top: Vec<Candidate, TOP_LEN>,
    /// Of this frame, exactly as the network computes them.
    pub logits: Vec<i32, MAX_LABELS>,
    /// How long it took.
    pub times: StageTimes,
    /// Since boot.
    pub faults: FaultCounters,
}

/// A class and its probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Candidate {
    /// Index of the class.
    pub class: u8,
    /// In units of 1/65,535.
    pub probability: u16,
}

impl Candidate {
    /// The most probable classes, most probable first; of equals, the lower index first.
    pub fn top(classification: &Classification) -> Vec<Self, TOP_LEN> {
        let mut top = Vec::new();
        for (class, probability) in (0..).zip(classification.probabilities()) {
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

/// The time of each stage in the [`TimeUnit`] of the [`Banner`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StageTimes {
    /// From the request for the frame until it lay in memory; where a camera fills its frame while the one before is
    /// classified, that is part of it.
    pub capture: u64,
    /// Cropping and reducing.
    pub preprocess: u64,
    /// The network.
    pub classify: u64,
    /// Of the report of the frame *before*.
    pub report: u64,
}

/// The network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Picture<'a> {
    /// Of the frame.
    pub counter: u32,
    /// An [`Image`](shared_model::Image), `[32, 32, 3]`.
    pub rgb: &'a [u8],
}

/// A frame that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FaultReport {
    /// Of the attempt: see [`FrameReport::counter`].
    pub counter: u32,
    /// What went wrong.
    pub fault: Fault,
    /// What is done about it.
    pub remedy: Remedy,
    /// Since boot, with this one.
    pub faults: FaultCounters,
}

/// From the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Request {
    /// Asks for the [`Banner`], which a host that comes late has missed.
    Banner,
    /// Asks for the pictures that the network sees.
    Pictures(PictureMode),
}

/// Which frames are followed by their [`Picture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PictureMode {
    /// None, which is so at first.
    Off,
    /// The next.
    Once,
    /// Every one.
    Every,
}
