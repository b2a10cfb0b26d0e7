//! The operations of a network. Each has a file with its shape rule, the limits of what is supported, its bound on accumulators
//! and a naive reference; `Operation::rules` is the one place that tells apart what they do.

mod average_pool;
mod convolution;
mod dense;
mod max_pool;

pub use average_pool::AveragePool;
pub use convolution::Convolution;
pub use dense::Dense;
pub use max_pool::MaxPool;

use crate::{Shape, arithmetic, section::Range};
use serde::{Deserialize, Serialize};

/// One operation of a network and where its numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// A 3×3 convolution.
    Convolution(Convolution),
    /// The largest value of each window.
    MaxPool(MaxPool),
    /// The mean of each window.
    AveragePool(AveragePool),
    /// Every output from every input.
    Dense(Dense),
}

/// What an [`Operation`] is, without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// See [`Operation::Convolution`].
    Convolution,
    /// See [`Operation::MaxPool`].
    MaxPool,
    /// See [`Operation::AveragePool`].
    AveragePool,
    /// See [`Operation::Dense`].
    Dense,
}

impl OperationKind {
    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Convolution => "convolution",
            Self::MaxPool => "max pool",
            Self::AveragePool => "average pool",
            Self::Dense => "dense",
        }
    }
}

/// How an operation that accumulates turns its int32 accumulators into its output: ReLU, then multiplier and offset, then the range
/// of the output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epilogue {
    /// Whether a negative accumulator becomes zero.
    pub relu: bool,
    /// What comes out.
    pub output: Output,
    /// `i32`, one an output channel; a single one for an average pool.
    pub multipliers: Range,
    /// `i64`, as many as there are multipliers.
    pub offsets: Range,
}

/// Where the weights and biases of an operation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// `i8`, -127 … 127.
    pub weights: Range,
    /// `i32`, one for each output channel.
    pub biases: Range,
}

impl Weights {
    pub(crate) const NOWHERE: Self = Self { weights: Range::EMPTY, biases: Range::EMPTY };
}

/// What an epilogue gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Activations: `q` stands for the real number `scale * (q - zero_point)`.
    Int8 {
        /// Informative.
        scale: f32,
        /// Also the padding of a convolution that follows.
        zero_point: i8,
    },
    /// `i32` logits; of the last operation only.
    Logits,
}

/// An operation with its shapes and numbers, in place in the blob.
#[derive(Clone, Copy, Debug)]
pub struct OperationView<'a> {
    /// What the graph says about it.
    pub operation: Operation,
    /// Shape of its input.
    pub input: Shape,
    /// Shape of its output.
    pub output: Shape,
    /// What stands beyond the border of its input, a channel; all three are the same behind the first operation.
    pub padding: [i8; 3],
    /// `[out][ky][kx][in]` or `[out][in]`, -127 … 127.
    pub weights: &'a [i8],
    /// One an output channel.
    pub biases: &'a [i32],
    /// One an output channel, or a single one.
    pub multipliers: &'a [i32],
    /// As many as multipliers.
    pub offsets: &'a [i64],
}

/// How many numbers an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Weights of one output channel.
    pub weights_per_channel: usize,
    /// Biases, one an output channel.
    pub biases: usize,
    /// Multipliers, and offsets.
    pub multipliers: usize,
}

/// What the engine asks of every operation.
pub(crate) trait Rules {
    /// Shape of the output, perhaps without elements; or what the format can express, but this version cannot compute.
    fn output_shape(&self, input: Shape) -> Result<Shape, &'static str>;

    /// How many numbers it has.
    fn counts(&self, input: Shape) -> Counts;

    /// Largest magnitude of any partial sum of an accumulator of one output channel, whose magnitudes of weights sum to
    /// `weight_sum`; it must not exceed `i32::MAX`.
    fn accumulator_bound(&self, input: Shape, weight_sum: u32, bias: i32) -> u64 {
        let _ = input;
        arithmetic::weighted_bound(weight_sum, bias)
    }

    /// Accumulators `[h, w, c]`, bias included; int8 values where there is no epilogue. Plain loops, wide integers.
    #[cfg(feature = "testing")]
    fn reference(&self, view: &OperationView, input: &[i8]) -> alloc::vec::Vec<i64>;
}

impl Operation {
    /// The one place that tells apart what operations do.
    pub(crate) fn rules(&self) -> &dyn Rules {
        match self {
            Self::Convolution(operation) => operation,
            Self::MaxPool(operation) => operation,
            Self::AveragePool(operation) => operation,
            Self::Dense(operation) => operation,
        }
    }

    /// Where weights and biases are, if there are any; and what becomes of its accumulators, if int8 values do not pass through
    /// unchanged.
    fn places(&self) -> (Option<&Weights>, Option<&Epilogue>) {
        match self {
            Self::Convolution(Convolution { weights, epilogue, .. }) | Self::Dense(Dense { weights, epilogue, .. }) => {
                (Some(weights), Some(epilogue))
            }
            Self::AveragePool(AveragePool { epilogue, .. }) => (None, Some(epilogue)),
            Self::MaxPool(MaxPool { .. }) => (None, None),
        }
    }

    /// The same for a writer.
    #[cfg(feature = "encode")]
    pub(crate) fn places_mut(&mut self) -> (Option<&mut Weights>, Option<&mut Epilogue>) {
        match self {
            Self::Convolution(Convolution { weights, epilogue, .. }) | Self::Dense(Dense { weights, epilogue, .. }) => {
                (Some(weights), Some(epilogue))
            }
            Self::AveragePool(AveragePool { epilogue, .. }) => (None, Some(epilogue)),
            Self::MaxPool(MaxPool { .. }) => (None, None),
        }
    }

    /// Where its weights, biases, multipliers and offsets are; empty ranges for those that it does not have.
    pub(crate) fn ranges(&self) -> [Range; 4] {
        let (weights, epilogue) = self.places();
        let weights = weights.copied().unwrap_or(Weights::NOWHERE);
        let epilogue = epilogue.map(|epilogue| [epilogue.multipliers, epilogue.offsets]);
        let [multipliers, offsets] = epilogue.unwrap_or([Range::EMPTY; 2]);
        [weights.weights, weights.biases, multipliers, offsets]
    }

    /// What it is, without its parameters.
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Convolution(_) => OperationKind::Convolution,
            Self::MaxPool(_) => OperationKind::MaxPool,
            Self::AveragePool(_) => OperationKind::AveragePool,
            Self::Dense(_) => OperationKind::Dense,
        }
    }

    /// What becomes of its accumulators; `None` for a maximum pool, whose values pass through unchanged.
    pub fn epilogue(&self) -> Option<&Epilogue> {
        self.places().1
    }

    /// Multiplications for one picture.
    pub fn multiply_accumulates(&self, input: Shape) -> u64 {
        let output = self.rules().output_shape(input);
        let outputs = output.map_or(0, Shape::elements) as u64;
        outputs * self.counts(input).weights_per_channel as u64
    }

    /// How many numbers it has.
    pub fn counts(&self, input: Shape) -> Counts {
        self.rules().counts(input)
    }
}
