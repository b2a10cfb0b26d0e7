//! Steps: what is computed at once. Operations are joined here, in one pass after a blob was read, and nowhere else.

use core::fmt;

use crate::{
    Shape,
    arithmetic::{requantize, requantize_wide},
    ops::{OperationKind, OperationView, Output},
};

/// An operation and, where it is a convolution, the 2×2 maximum pool behind it, with their numbers in place in the blob.
///
/// The pool acts on the accumulators (see `NUMERICS.md`, why that gives the same bits).
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The first of its operations, counted from zero.
    pub operation: usize,
    /// What it is.
    pub kind: OperationKind,
    /// Whether a maximum pool acts on its accumulators.
    pub pool: bool,
    /// Shape of its input.
    pub input: Shape,
    /// Shape of its output, after the pool.
    pub output: Shape,
    /// What stands beyond the border of its input, a channel; all three are the same behind the first step.
    pub(crate) padding: [i8; 3],
    /// `[out][ky][kx][in]` or `[out][in]`, -127 … 127.
    pub weights: &'a [i8],
    /// One an output channel.
    pub biases: &'a [i32],
    /// One an output channel, or a single one.
    pub multipliers: &'a [i32],
    /// As many as multipliers.
    pub offsets: &'a [i64],
    /// Whether a negative accumulator becomes zero.
    pub relu: bool,
    /// Whether it gives logits.
    pub(crate) logits: bool,
    /// The largest `Σ|w|` of an output channel.
    pub(crate) weight_sum: u32,
    /// The filters as Winograd's convolutions multiply them, if the blob has them: see [`transformed`](crate::backend::transformed).
    pub(crate) transformed: &'a [u32],
}

impl<'a> Step<'a> {
    /// An operation by itself.
    pub(crate) fn new(operation: usize, view: &OperationView<'a>, weight_sum: u32) -> Self {
        let epilogue = view.operation.epilogue();
        Self {
            operation,
            kind: view.operation.kind(),
            pool: false,
            input: view.input,
            output: view.output,
            padding: view.padding,
            weights: view.weights,
            biases: view.biases,
            multipliers: view.multipliers,
            offsets: view.offsets,
            relu: epilogue.is_some_and(|epilogue| epilogue.relu),
            logits: epilogue.is_some_and(|epilogue| epilogue.output == Output::Logits),
            weight_sum,
            transformed: &[],
        }
    }

    /// Takes in the operation behind it, if both are computed at once.
    pub(crate) fn fuse(&mut self, next: &OperationView) -> bool {
        let fits =
            self.kind == OperationKind::Convolution && !self.pool && next.operation.kind() == OperationKind::MaxPool;
        if fits {
            self.pool = true;
            self.output = next.output;
        }
        fits
    }

    /// Rows and columns of accumulators for one of output.
    pub(crate) fn pool_side(&self) -> usize {
        if self.pool { 2 } else { 1 }
    }

    /// Rows and columns of accumulators that are computed: one fewer where a pool leaves out the last.
    pub(crate) fn computed_size(&self) -> [usize; 2] {
        let [height, width, _] = self.output.dimensions();
        [height, width].map(|side| side * self.pool_side())
    }

    /// Multiply-accumulates of one picture that are computed.
    pub fn multiply_accumulates(&self) -> u64 {
        let [height, width] = self.computed_size();
        (height * width) as u64 * self.weights.len() as u64
    }

    /// The epilogue of an output channel, with its bias.
    #[inline]
    pub(crate) fn epilogue(&self, channel: usize) -> Epilogue {
        let channel_or_only = channel.min(self.multipliers.len() - 1);
        Epilogue {
            bias: self.biases.get(channel).copied().unwrap_or(0),
            multiplier: self.multipliers[channel_or_only],
            offset: self.offsets[channel_or_only],
            relu: self.relu,
        }
    }
}

/// Without the numbers.
impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = if self.pool { " + max pool" } else { "" };
        let (name, input, output) = (self.kind.name(), self.input, self.output);
        write!(f, "{name}{pool} {input} -> {output}")
    }
}

/// What turns an accumulator of one output channel into its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epilogue {
    pub bias: i32,
    pub multiplier: i32,
    pub offset: i64,
    pub relu: bool,
}

impl Epilogue {
    /// The one of four accumulators whose activation is largest.
    #[inline]
    pub fn pool(&self, [a, b, c, d]: [i32; 4]) -> i32 {
        if self.multiplier >= 0 { a.max(b).max(c).max(d) } else { a.min(b).min(c).min(d) }
    }

    /// Bias, ReLU and requantization.
    #[inline]
    pub fn activation(&self, accumulator: i32) -> i8 {
        requantize(self.biased(accumulator), self.multiplier, self.offset)
    }

    /// Like [`Self::activation`], without the clamp to int8.
    #[inline]
    pub fn logit(&self, accumulator: i32) -> i32 {
        requantize_wide(self.biased(accumulator), self.multiplier, self.offset)
    }

    /// Bias and ReLU.
    #[inline]
    fn biased(&self, accumulator: i32) -> i32 {
        let floor = if self.relu { 0 } else { i32::MIN };
        (accumulator + self.bias).max(floor)
    }
}
