//! Everything that can be wrong with a blob.

use crate::{FORMAT_VERSION, Shape, section::HEADER_LEN};
use core::fmt;

/// Why a blob was refused. Operations and channels are counted from zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not even a header.
    #[error(
        "{0} bytes are too few for a blob: its header alone has {needed}", needed = HEADER_LEN)]
    TooShort(usize),
    /// Something else than a blob.
    #[error("not a blob: it begins with {0:02x?}, not with \"INT8NET\" and a zero byte")]
    BadMagic([u8; 8]),
    /// Made for another version of this crate.
    #[error(
        "blob of format version {0}, but this program reads version {supported} only: make the blob again with \
         `cargo run -p host-trainer -- quantize --run RUN`, or use the program that belongs to the blob",
        supported = FORMAT_VERSION
    )]
    UnsupportedVersion(u32),
    /// The end is missing.
    #[error("truncated blob: {given} of {expected} bytes")]
    Truncated {
        /// The header's total length.
        expected: u32,
        /// Length of the blob.
        given: usize,
    },
    /// More than the blob.
    #[error("{given} bytes given, but the blob has only {expected}")]
    TrailingBytes {
        /// The header's total length.
        expected: u32,
        /// Length of the blob.
        given: usize,
    },
    /// The blob lies at an address from which words cannot be read.
    #[error("the blob is {0} bytes past a multiple of 16: wrap it in `Aligned` or read it into `AlignedBytes`")]
    Misaligned(usize),
    /// Damaged.
    #[error("damaged blob: its CRC-32 is {computed:08x}, its header says {stored:08x}")]
    CrcMismatch {
        /// In the header.
        stored: u32,
        /// Of the content.
        computed: u32,
    },
    /// The graph does not fit into the blob.
    #[error("the graph ends {graph_len} bytes after the header, but only {available} follow it")]
    GraphOutsideBlob {
        /// The header's length of the graph.
        graph_len: u32,
        /// Bytes after the header.
        available: usize,
    },
    /// Between graph and section only zeros may stand.
    #[error("the bytes between graph and section are not zero")]
    PaddingNotZero,
    /// The graph is no postcard message of this format.
    #[error("the graph cannot be decoded: {0}")]
    Graph(postcard::Error),
    /// The graph is longer than its message.
    #[error("{0} bytes of the graph are left over")]
    GraphTrailingBytes(usize),
    /// A number of the graph, or of elements in it, is outside of its limits.
    #[error("{what}: {found}, but only {least} to {most} are allowed")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// In the graph.
        found: u32,
        /// The fewest that are allowed.
        least: u32,
        /// The most that are allowed.
        most: u32,
    },
    /// A list has not as many elements as something else asks for.
    #[error("{found} {what}, but {expected} are needed")]
    Count {
        /// The list's elements.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// The input has another shape than networks of this kind may have.
    #[error("the network's input is {0}: its sides must be 8 to 256 pixels, its channels 1 or 3")]
    InputShape(Shape),
    /// The format can express it, but this version cannot compute it.
    #[error("operation {operation} is {what}, which this version does not support")]
    NotSupported {
        /// Which operation.
        operation: usize,
        /// What it would have to compute.
        what: &'static str,
    },
    /// A tensor without elements, or beyond the limits.
    #[error("operation {operation} gives {shape}: 1 to 1024 channels and 1 to 2^20 elements are allowed")]
    TensorSize {
        /// Which operation.
        operation: usize,
        /// Shape of its output.
        shape: Shape,
    },
    /// Logits come from the last operation, and from no other; it is dense.
    #[error("operation {operation} {problem}")]
    Logits {
        /// Which operation.
        operation: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A range has not the length that its shape asks for.
    #[error("{part} take {found} bytes, but their shape asks for {expected}")]
    RangeLength {
        /// Whose range.
        part: SectionPart,
        /// From the shape.
        expected: u32,
        /// In the graph.
        found: u32,
    },
    /// A range begins between multiples of 16.
    #[error("{part} begin at {offset}, which is no multiple of 16")]
    RangeMisaligned {
        /// Whose range.
        part: SectionPart,
        /// From the start of the section.
        offset: u32,
    },
    /// A range ends after the section.
    #[error("{part} end at {end}, after the section of {section_len} bytes")]
    RangeOutside {
        /// Whose range.
        part: SectionPart,
        /// From the start of the section.
        end: u64,
        /// Length of the section.
        section_len: usize,
    },
    /// Two ranges share bytes.
    #[error("{first} and {second} overlap")]
    RangesOverlap {
        /// The one that the graph names first.
        first: SectionPart,
        /// The other.
        second: SectionPart,
    },
    /// An extension has transformed filters that the network has not.
    #[error("extension {extension} is to have transformed filters of operation {operation}, {problem}")]
    TransformedFilters {
        /// Which extension.
        extension: u8,
        /// Which operation.
        operation: usize,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// A weight of -128.
    #[error("operation {operation}, channel {channel}: weight {index} is -128, below the range -127 … 127")]
    WeightOutOfRange {
        /// Which operation.
        operation: usize,
        /// Which output channel.
        channel: usize,
        /// Which weight of the channel.
        index: usize,
    },
    /// A sum could overflow for some picture.
    #[error("operation {operation}, channel {channel}: {what} could reach {bound}")]
    Overflow {
        /// Which operation.
        operation: usize,
        /// Which output channel.
        channel: usize,
        /// What has not so many bits.
        what: &'static str,
        /// Largest magnitude, or `u64::MAX` if it is larger than that.
        bound: u64,
    },
}

/// An array of the section; operations and extensions are counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionPart {
    /// Of an operation.
    Weights(u8),
    /// Of an operation.
    Biases(u8),
    /// Of an operation.
    Multipliers(u8),
    /// Of an operation.
    Offsets(u8),
    /// The image of the known answer.
    KnownAnswerImage,
    /// The content of an extension.
    Extension(u8),
}

impl fmt::Display for SectionPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, index) = match self {
            Self::Weights(index) => ("weights of operation", index),
            Self::Biases(index) => ("biases of operation", index),
            Self::Multipliers(index) => ("multipliers of operation", index),
            Self::Offsets(index) => ("offsets of operation", index),
            Self::KnownAnswerImage => return formatter.write_str("the pixels of the known answer"),
            Self::Extension(index) => ("bytes of extension", index),
        };
        write!(formatter, "the {what} {index}")
    }
}
