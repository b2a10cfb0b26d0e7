//! Everything that can be wrong with a blob.

use core::fmt;

/// Why a blob was refused. Layers and channels are counted from zero.
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
        "blob of format version {found}, but this reader knows only version {supported}: export the model again"
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
    /// The network reads something else than 32×32 RGB.
    #[error("the network's input is {found:?}, not [32, 32, 3]")]
    InputShape {
        /// `[h, w, c]`.
        found: [u16; 3],
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
    /// No layers.
    #[error("the network has no layers")]
    NoLayers,
    /// A convolution does not read what the layer before it gives.
    #[error("layer {layer} reads {found:?}, but is given {expected:?}")]
    InputMismatch {
        /// Which layer.
        layer: usize,
        /// `[h, w, c]` of what comes.
        expected: [u16; 3],
        /// `[h, w, c]` of what it reads.
        found: [u16; 3],
    },
    /// A dense layer does not read what the layer before it gives.
    #[error("dense layer {layer} has {found} inputs, but is given {expected}")]
    DenseInputMismatch {
        /// Which layer.
        layer: usize,
        /// Values that come.
        expected: u64,
        /// Inputs.
        found: u16,
    },
    /// A pool of an odd side.
    #[error("layer {layer} pools {height}x{width}: both must be even")]
    OddPool {
        /// Which layer.
        layer: usize,
        /// Before the pool.
        height: u16,
        /// Before the pool.
        width: u16,
    },
    /// A layer without output channels.
    #[error("layer {layer} has no outputs")]
    NoOutputs {
        /// Which layer.
        layer: usize,
    },
    /// Logits before the end.
    #[error("layer {layer} gives logits, but is not the last one")]
    EarlyLogits {
        /// Which layer.
        layer: usize,
    },
    /// No logits at the end.
    #[error("the last layer {layer} does not give logits")]
    NoLogits {
        /// Which layer.
        layer: usize,
    },
    /// Logits from a convolution.
    #[error("layer {layer} gives logits, but is not dense")]
    LogitsNotDense {
        /// Which layer.
        layer: usize,
    },
    /// Labels do not fit the logits.
    #[error("{labels} labels for {logits} logits")]
    LabelCount {
        /// Class names.
        labels: usize,
        /// Outputs of the last layer.
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
        expected: u64,
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
    #[error("layer {layer}, channel {channel}: weight {index} is -128, below the range -127 … 127")]
    WeightOutOfRange {
        /// Which layer.
        layer: usize,
        /// Which output channel.
        channel: usize,
        /// Which weight of the channel.
        index: usize,
    },
    /// An accumulator could overflow 32 bits.
    #[error(
        "layer {layer}, channel {channel}: the accumulator could reach {bound}, beyond 32 bits"
    )]
    AccumulatorOverflow {
        /// Which layer.
        layer: usize,
        /// Which output channel.
        channel: usize,
        /// Largest magnitude.
        bound: u64,
    },
    /// A requantization could overflow 64 bits.
    #[error(
        "layer {layer}, channel {channel}: the requantization could reach {bound}, beyond 64 bits"
    )]
    RequantizationOverflow {
        /// Which layer.
        layer: usize,
        /// Which output channel.
        channel: usize,
        /// Largest magnitude, or `u64::MAX` if it is larger than that.
        bound: u64,
    },
}

/// An array of the section; a layer's number where it belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionPart {
    /// Of a layer.
    Weights(usize),
    /// Of a layer.
    Biases(usize),
    /// Of a layer.
    Multipliers(usize),
    /// Of a layer.
    Offsets(usize),
    /// The image of the known answer.
    KnownAnswerImage,
}

impl fmt::Display for SectionPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights(layer) => write!(formatter, "the weights of layer {layer}"),
            Self::Biases(layer) => write!(formatter, "the biases of layer {layer}"),
            Self::Multipliers(layer) => write!(formatter, "the multipliers of layer {layer}"),
            Self::Offsets(layer) => write!(formatter, "the offsets of layer {layer}"),
            Self::KnownAnswerImage => formatter.write_str("the pixels of the known answer"),
        }
    }
}
