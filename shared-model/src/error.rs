//! Everything that can be wrong with a blob.

use crate::Shape;
use core::fmt;

/// Why a blob was refused. Operations and channels are counted from zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not even a header.
    #[error("{given} bytes are too few for a blob: its header alone has {needed}")]
    TooShort {
        /// Length of a header.
        needed: usize,
        /// Length of the blob.
        given: usize,
    },
    /// Something else than a blob.
    #[error("not a blob: it begins with {found:02x?}, not with \"INT8NET\" and a zero byte")]
    BadMagic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// Made for another version of this crate.
    #[error(
        "blob of format version {found}, but this program reads version {supported} only: make the blob again with \
         `cargo run -p host-trainer -- quantize --run RUN`, or use the program that belongs to the blob"
    )]
    UnsupportedVersion {
        /// In the header.
        found: u32,
        /// Of this reader.
        supported: u32,
    },
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
    #[error(
        "the blob is {remainder} bytes past a multiple of 16: wrap it in `Aligned` or read it into `AlignedBytes`"
    )]
    Misaligned {
        /// The address modulo 16.
        remainder: usize,
    },
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
    #[error("{unused} bytes of the graph are left over")]
    GraphTrailingBytes {
        /// Bytes after the message.
        unused: usize,
    },
    /// A list of the graph has more elements than there may be.
    #[error("{found} {what}, at most {limit} are allowed")]
    TooMany {
        /// What the list holds.
        what: &'static str,
        /// Elements.
        found: u32,
        /// The most that are allowed.
        limit: usize,
    },
    /// The input has another shape than networks of this kind may have.
    #[error(
        "the network's input is {found}: its sides must be 8 to 256 pixels, its channels 1 or 3"
    )]
    InputShape {
        /// In the graph.
        found: Shape,
    },
    /// Padding or pixel scaling have not one value a channel.
    #[error("the input has {channels} channels, but {found} values of {field}")]
    InputField {
        /// Which field of the input.
        field: &'static str,
        /// Channels of the input.
        channels: u16,
        /// Values.
        found: usize,
    },
    /// No operations.
    #[error("the network has no operations")]
    NoOperations,
    /// The format can express it, but this version cannot compute it.
    #[error("operation {operation} is {what}, which this version does not support")]
    NotSupported {
        /// Which operation.
        operation: usize,
        /// What it would have to compute.
        what: &'static str,
    },
    /// An operation whose output has no elements.
    #[error("operation {operation} makes nothing of {input}")]
    NoOutput {
        /// Which operation.
        operation: usize,
        /// Shape of its input.
        input: Shape,
    },
    /// A tensor beyond the limits.
    #[error(
        "operation {operation} gives {shape}: at most 1024 channels and 2^20 elements are allowed"
    )]
    TensorTooLarge {
        /// Which operation.
        operation: usize,
        /// Shape of its output.
        shape: Shape,
    },
    /// Logits before the end.
    #[error("operation {operation} gives logits, but is not the last one")]
    EarlyLogits {
        /// Which operation.
        operation: usize,
    },
    /// No logits at the end.
    #[error("the last operation, {operation}, does not give logits")]
    NoLogits {
        /// Which operation.
        operation: usize,
    },
    /// Logits from a convolution.
    #[error("operation {operation} gives logits, but is not dense")]
    LogitsNotDense {
        /// Which operation.
        operation: usize,
    },
    /// One class at most.
    #[error("{found} labels: a network tells at least two classes apart")]
    TooFewLabels {
        /// Labels.
        found: usize,
    },
    /// A label of no or of too many bytes.
    #[error("label {index} has {found} bytes: it must have 1 to 48")]
    LabelLength {
        /// Which label.
        index: usize,
        /// Its length.
        found: usize,
    },
    /// The class that stands for none of the others is none of the network's.
    #[error("class {class} stands for none of the others, but there are only {labels} classes")]
    NoneClass {
        /// In the graph.
        class: u8,
        /// Class names.
        labels: usize,
    },
    /// Labels do not fit the logits.
    #[error("{labels} labels for {logits} logits")]
    LabelCount {
        /// Class names.
        labels: usize,
        /// Outputs of the last operation.
        logits: usize,
    },
    /// The known answer does not fit the labels.
    #[error("the known answer has {found} logits, the network {expected}")]
    KnownAnswerLogits {
        /// Of the network.
        expected: usize,
        /// In the known answer.
        found: usize,
    },
    /// Too many fraction bits.
    #[error("{found} fraction bits of the logits, at most {limit} are allowed")]
    FractionBits {
        /// In the graph.
        found: u8,
        /// The most that are allowed.
        limit: u8,
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
    /// A weight of -128.
    #[error(
        "operation {operation}, channel {channel}: weight {index} is -128, below the range -127 … 127"
    )]
    WeightOutOfRange {
        /// Which operation.
        operation: usize,
        /// Which output channel.
        channel: usize,
        /// Which weight of the channel.
        index: usize,
    },
    /// An accumulator could overflow 32 bits.
    #[error(
        "operation {operation}, channel {channel}: the accumulator could reach {bound}, beyond 32 bits"
    )]
    AccumulatorOverflow {
        /// Which operation.
        operation: usize,
        /// Which output channel.
        channel: usize,
        /// Largest magnitude.
        bound: u64,
    },
    /// A requantization could overflow 64 bits.
    #[error(
        "operation {operation}, channel {channel}: the requantization could reach {bound}, beyond 64 bits"
    )]
    RequantizationOverflow {
        /// Which operation.
        operation: usize,
        /// Which output channel.
        channel: usize,
        /// Largest magnitude, or `u64::MAX` if it is larger than that.
        bound: u64,
    },
}

/// An array of the section; an operation's number where it belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionPart {
    /// Of an operation.
    Weights(usize),
    /// Of an operation.
    Biases(usize),
    /// Of an operation.
    Multipliers(usize),
    /// Of an operation.
    Offsets(usize),
    /// The image of the known answer.
    KnownAnswerImage,
    /// An extension, counted from zero.
    Extension(usize),
}

impl fmt::Display for SectionPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights(index) => write!(formatter, "the weights of operation {index}"),
            Self::Biases(index) => write!(formatter, "the biases of operation {index}"),
            Self::Multipliers(index) => write!(formatter, "the multipliers of operation {index}"),
            Self::Offsets(index) => write!(formatter, "the offsets of operation {index}"),
            Self::KnownAnswerImage => formatter.write_str("the pixels of the known answer"),
            Self::Extension(index) => write!(formatter, "the bytes of extension {index}"),
        }
    }
}
