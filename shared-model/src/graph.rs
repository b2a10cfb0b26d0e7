//! The graph: what a blob says about its network, as one postcard message (see `FORMAT.md`).
//!
//! Fields are encoded in the order in which they stand here; changing it changes the format.

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The most layers of a network.
pub const MAX_LAYERS: usize = 16;

/// The most classes of a network.
pub const MAX_LABELS: usize = 16;

/// The most channels of the input.
pub const MAX_INPUT_CHANNELS: usize = 4;

/// The most fraction bits of a logit.
pub const MAX_LOGIT_FRACTION_BITS: u8 = 16;

/// A network, without its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Graph<'a> {
    /// Name of the network.
    pub name: &'a str,
    /// Class names; class `i` is `labels[i]`.
    #[serde(borrow)]
    pub labels: Vec<&'a str, MAX_LABELS>,
    /// What the first layer reads.
    pub input: Input,
    /// In the order of computation.
    pub layers: Vec<Layer, MAX_LAYERS>,
    /// F, 0 … 16: as a real number a logit is its integer divided by 2^F.
    pub logit_fraction_bits: u8,
    /// A real image and its logits.
    pub known_answer: KnownAnswer,
    /// Measured when the blob was made; informative.
    pub accuracy: Accuracy,
    /// The training run; informative.
    pub provenance: Provenance<'a>,
}

/// Shape of the input, and how pixels enter the first layer (as `i8`, 128 subtracted).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// In pixels.
    pub height: u16,
    /// In pixels.
    pub width: u16,
    /// Red, green, blue.
    pub channels: u16,
    /// For each channel, a pixel outside of the image, with 128 subtracted.
    pub padding: Vec<i8, MAX_INPUT_CHANNELS>,
    /// How the float network saw a pixel; informative.
    pub pixel_scaling: PixelScaling,
}

/// The float network saw `(pixel - mean[c]) * scale[c]`, pixel 0 … 255. Folded into the first layer's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelScaling {
    /// Subtracted, in units of a pixel value 0 … 255, one a channel.
    pub mean: Vec<f32, MAX_INPUT_CHANNELS>,
    /// Multiplied, one a channel.
    pub scale: Vec<f32, MAX_INPUT_CHANNELS>,
}

/// One layer and where its numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// What it computes, with its shapes.
    pub kind: LayerKind,
    /// Whether the accumulator is cut off below at zero.
    pub relu: bool,
    /// What comes out.
    pub output: Output,
    /// `i8`: `[out][ky][kx][in]` of a convolution, `[out][in]` of a dense layer.
    pub weights: Range,
    /// `i32`, one an output channel.
    pub biases: Range,
    /// `i32`, one an output channel.
    pub multipliers: Range,
    /// `i64`, one an output channel.
    pub offsets: Range,
}

/// The operation of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerKind {
    /// 3×3, stride 1, same padding: `[h, w, in] → [h, w, out]`, or `[h / 2, w / 2, out]` with the pool.
    Convolution {
        /// `[h, w, in]`.
        input: [u16; 3],
        /// `out`.
        output_channels: u16,
        /// Whether a 2×2 maximum pool with stride 2 follows; `h` and `w` are then even.
        pool: bool,
    },
    /// Every output from every input, which is flattened in `[h, w, c]` order.
    Dense {
        /// Number of inputs.
        inputs: u16,
        /// Number of outputs.
        outputs: u16,
    },
}

impl LayerKind {
    /// Shape `[h, w, c]` of the output; `[1, 1, outputs]` of a dense layer.
    pub fn output_shape(&self) -> [u16; 3] {
        match *self {
            Self::Convolution {
                input: [height, width, _],
                output_channels,
                pool: true,
            } => [height / 2, width / 2, output_channels],
            Self::Convolution {
                input: [height, width, _],
                output_channels,
                pool: false,
            } => [height, width, output_channels],
            Self::Dense { outputs, .. } => [1, 1, outputs],
        }
    }

    /// Number of output channels: of biases, multipliers and offsets.
    pub fn output_channels(&self) -> usize {
        let [_, _, channels] = self.output_shape();
        usize::from(channels)
    }

    /// Number of weights of one output channel: `9 * in`, or the inputs of a dense layer.
    pub fn weights_per_channel(&self) -> usize {
        match *self {
            Self::Convolution {
                input: [_, _, channels],
                ..
            } => 9 * usize::from(channels),
            Self::Dense { inputs, .. } => usize::from(inputs),
        }
    }

    /// Multiplications for one image, before the pool takes its share of the outputs away.
    pub fn multiply_accumulates(&self) -> u64 {
        let positions = match *self {
            Self::Convolution {
                input: [height, width, _],
                ..
            } => u64::from(height) * u64::from(width),
            Self::Dense { .. } => 1,
        };
        positions * self.output_channels() as u64 * self.weights_per_channel() as u64
    }
}

/// What a layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Activations: `q` stands for the real number `scale * (q - zero_point)`.
    Int8 {
        /// Informative.
        scale: f32,
        /// Also the padding of a convolution that follows.
        zero_point: i8,
    },
    /// `i32` logits; of the last layer only.
    Logits,
}

/// A part of the section, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// From the start of the section; a multiple of 16.
    pub offset: u32,
    /// Length.
    pub len: u32,
}

/// The self-test of a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAnswer {
    /// An [`Image`](crate::Image).
    pub image: Range,
    /// Exactly what the network gives for it.
    pub logits: Vec<i32, MAX_LABELS>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
