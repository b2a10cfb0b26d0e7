//! The graph: what a blob says about its network, as one postcard message (see `FORMAT.md`).
//!
//! A reader takes it apart in place: of lists and texts it keeps where they are, and decodes them again whenever they are asked
//! for. Fields are encoded in the order in which they stand here; changing it changes the format.

use crate::{Shape, error::LoadError, ops::Operation, section::Range};
#[cfg(feature = "encode")]
use alloc::vec::Vec;
use core::marker::PhantomData;
use serde::{Deserialize, Serialize};

/// The most operations of a network; the fewest is one.
pub const MAX_OPERATIONS: usize = 32;

/// The most classes of a network; the fewest are two.
pub const MAX_LABELS: usize = 64;

/// The longest label in bytes.
pub const MAX_LABEL_LEN: usize = 48;

/// The shortest and the longest side of a network's input, in pixels.
pub const INPUT_SIDES: core::ops::RangeInclusive<u16> = 8..=256;

/// The most channels of a network's input; the others are 1.
pub const MAX_INPUT_CHANNELS: usize = 3;

/// The most channels of a tensor.
pub const MAX_CHANNELS: u16 = 1024;

/// The most elements of a tensor.
pub const MAX_ELEMENTS: usize = 1 << 20;

/// The most fraction bits of a logit.
pub const MAX_LOGIT_FRACTION_BITS: u8 = 16;

/// The most extensions of a blob.
pub const MAX_EXTENSIONS: usize = 16;

/// A network, without its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Graph<'a> {
    /// Name of the network.
    pub name: &'a str,
    /// Class names; class `i` is the `i`th.
    pub labels: List<'a, &'a str>,
    /// What the first operation reads.
    pub input: Input<'a>,
    /// In the order of computation.
    pub operations: List<'a, Operation>,
    /// F, 0 … 16: as a real number a logit is its integer divided by 2^F.
    pub logit_fraction_bits: u8,
    /// When a classification is to be believed.
    pub decision: Decision,
    /// An image and its logits.
    pub known_answer: KnownAnswer<'a>,
    /// Measured when the blob was made; informative.
    pub accuracy: Accuracy,
    /// The training run; informative.
    pub provenance: Provenance<'a>,
    /// What later versions add; a reader ignores kinds that it does not know.
    pub extensions: List<'a, Extension>,
}

/// Shape of the input, and how pixels enter the first operation (as `i8`, 128 subtracted).
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Sides of 8 … 256 pixels; one channel (grey) or three (red, green, blue).
    pub shape: Shape,
    /// For each channel, a pixel outside of the image, with 128 subtracted.
    pub padding: List<'a, i8>,
    /// The float network saw `(pixel - mean[c]) * scale[c]`, pixel 0 … 255; informative.
    pub mean: List<'a, f32>,
    /// See [`Self::mean`]; informative.
    pub scale: List<'a, f32>,
}

/// When a classification is to be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// In units of 1/65535: a class whose probability is smaller counts as "not sure". 0: every class is believed.
    pub threshold: u16,
    /// The class that stands for pictures of none of the others; it counts as "not sure" as well.
    pub none_class: Option<u8>,
}

/// The self-test of a reader.
#[derive(Clone, Copy, Debug)]
pub struct KnownAnswer<'a> {
    /// What the network is given.
    pub image: KnownImage,
    /// Exactly what it then gives.
    pub logits: List<'a, i32>,
}

/// The image of a [`KnownAnswer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownImage {
    /// Byte `k` is that of [`pattern`].
    Pattern,
    /// `u8`, `[h, w, c]`, in the section.
    Pixels(Range),
}

/// Byte `k` of the known answer's pattern: `(31 k² + 7 k + 11) mod 256`.
pub const fn pattern(k: usize) -> u8 {
    (31_usize.wrapping_mul(k).wrapping_mul(k)).wrapping_add(7_usize.wrapping_mul(k)).wrapping_add(11) as u8
}

/// Percentages on the test set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// How many images the figures were taken on; 0: not measured.
    pub images: u32,
    /// Of the float network.
    pub float_top1: f32,
    /// Of this network.
    pub int8_top1: f32,
    /// Images for which both name the same class.
    pub agreement: f32,
}

/// Which training run the network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "encode", derive(Serialize))]
pub struct Provenance<'a> {
    /// The trainer's recipe.
    pub preset: &'a str,
    /// Epochs trained.
    pub epochs: u16,
    /// Seed of the run.
    pub seed: u64,
    /// Version of the trainer.
    pub trainer: &'a str,
}

/// Something that a later version adds to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What it is.
    pub kind: u16,
    /// Where it is.
    pub range: Range,
}

impl<'a> Graph<'a> {
    /// Takes a message apart. Every element of every list is decoded once, so that none fails later.
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, LoadError> {
        let mut reader = Reader { rest: message };
        let graph = Self {
            name: reader.text()?,
            labels: reader.list("labels", 2, MAX_LABELS)?,
            input: Input {
                shape: reader.value()?,
                padding: reader.list("values of padding", 1, MAX_INPUT_CHANNELS)?,
                mean: reader.list("means", 1, MAX_INPUT_CHANNELS)?,
                scale: reader.list("scales", 1, MAX_INPUT_CHANNELS)?,
            },
            operations: reader.list("operations", 1, MAX_OPERATIONS)?,
            logit_fraction_bits: reader.value()?,
            decision: reader.value()?,
            known_answer: KnownAnswer { image: reader.value()?, logits: reader.list("known logits", 2, MAX_LABELS)? },
            accuracy: reader.value()?,
            provenance: Provenance {
                preset: reader.text()?,
                epochs: reader.value()?,
                seed: reader.value()?,
                trainer: reader.text()?,
            },
            extensions: reader.list("extensions", 0, MAX_EXTENSIONS)?,
        };
        match reader.rest.len() {
            0 => Ok(graph),
            unused => Err(LoadError::GraphTrailingBytes(unused)),
        }
    }
}

/// What a writer encodes: the fields of [`Graph`] in the same order.
#[cfg(feature = "encode")]
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub name: &'a str,
    pub labels: Vec<&'a str>,
    pub input: Shape,
    pub padding: Vec<i8>,
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    pub operations: Vec<Operation>,
    pub logit_fraction_bits: u8,
    pub decision: Decision,
    pub known_image: KnownImage,
    pub known_logits: Vec<i32>,
    pub accuracy: Accuracy,
    pub provenance: Provenance<'a>,
    pub extensions: Vec<Extension>,
}

/// A list inside the message, decoded when it is iterated over.
pub struct List<'a, T> {
    /// From the first element on.
    bytes: &'a [u8],
    len: u8,
    elements: PhantomData<fn() -> T>,
}

impl<T> List<'_, T> {
    /// No elements.
    pub const EMPTY: Self = Self { bytes: &[], len: 0, elements: PhantomData };
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<'a, T: Element<'a>> List<'a, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let mut reader = Reader { rest: self.bytes };
        // None fails to be decoded, since each was when the graph was read.
        (0..self.len).map_while(move |_| T::read(&mut reader).ok())
    }

    /// The element at `index`, if there are so many.
    pub fn get(&self, index: usize) -> Option<T> {
        self.iter().nth(index)
    }
}

impl<'a, T: Element<'a> + core::fmt::Debug> core::fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Element<'a> + PartialEq> PartialEq<[T]> for List<'a, T> {
    fn eq(&self, other: &[T]) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one == *other)
    }
}

/// What a [`List`] can hold.
#[expect(private_interfaces, reason = "only this module implements it")]
pub trait Element<'a>: Deserialize<'a> {
    /// Decodes one.
    #[doc(hidden)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, LoadError> {
        reader.value()
    }
}

impl Element<'_> for i8 {}
impl Element<'_> for i32 {}
impl Element<'_> for f32 {}
impl Element<'_> for Operation {}
impl Element<'_> for Extension {}

#[expect(private_interfaces, reason = "as above")]
impl<'a> Element<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, LoadError> {
        reader.text()
    }
}

/// Checks that a number is within its limits.
pub(crate) fn limit(what: &'static str, found: u32, least: u32, most: u32) -> Result<(), LoadError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(LoadError::Limit { what, found, least, most })
}

/// Decodes a message from its start on.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A value without lists and texts, whose encoding is the same on every host.
    fn value<T: Deserialize<'a>>(&mut self) -> Result<T, LoadError> {
        let (value, rest) = postcard::take_from_bytes(self.rest).map_err(LoadError::Graph)?;
        self.rest = rest;
        Ok(value)
    }

    /// A length is a `u32`, whatever `usize` is: postcard itself would take up to ten bytes for it on a host of 64 bits, and five on a
    /// microcontroller.
    fn length(&mut self) -> Result<u32, LoadError> {
        self.value()
    }

    fn text(&mut self) -> Result<&'a str, LoadError> {
        let len = self.length()?;
        let end = LoadError::Graph(postcard::Error::DeserializeUnexpectedEnd);
        let (text, rest) = self.rest.split_at_checked(len as usize).ok_or(end)?;
        self.rest = rest;
        let invalid = LoadError::Graph(postcard::Error::DeserializeBadUtf8);
        core::str::from_utf8(text).map_err(|_| invalid)
    }

    fn list<T: Element<'a>>(&mut self, what: &'static str, least: u32, most: usize) -> Result<List<'a, T>, LoadError> {
        let found = self.length()?;
        limit(what, found, least, most as u32)?;
        let bytes = self.rest;
        for _ in 0..found {
            T::read(self)?;
        }
        Ok(List { bytes, len: found as u8, elements: PhantomData })
    }
}
