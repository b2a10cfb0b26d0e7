//! The kernels.

#[cfg(arm_dsp)]
mod arm;
pub(crate) mod dense;
pub(crate) mod direct;
pub(crate) mod patches;
#[cfg_attr(
    all(arm_dsp, not(feature = "self-test")),
    allow(dead_code, reason = "the twins of the assembly")
)]
mod portable;
#[cfg(feature = "self-test")]
pub(crate) mod self_test;
pub(crate) mod strips;
pub(crate) mod winograd;

/// The one place where a target chooses its kernels.
#[cfg(arm_dsp)]
use arm as native;
#[cfg(not(arm_dsp))]
use portable as native;

use crate::{LayerView, arithmetic::requantize};

/// Pairs of channels that are transformed and multiplied at once.
const CHUNK_PAIRS: usize = 16;

/// Positions of a transformed tile, 6×6.
const POSITIONS: usize = 36;

/// What turns an accumulator of one output channel into its activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish {
    pub bias: i32,
    pub multiplier: i32,
    pub offset: i64,
    pub relu: bool,
}

impl Finish {
    /// Of an output channel.
    pub fn of(view: &LayerView, channel: usize) -> Self {
        Self {
            bias: view.biases[channel],
            multiplier: view.multipliers[channel],
            offset: view.offsets[channel],
            relu: view.layer.relu,
        }
    }

    /// The one of four accumulators whose activation is largest.
    #[inline]
    pub fn pool(&self, [a, b, c, d]: [i32; 4]) -> i32 {
        if self.multiplier >= 0 {
            a.max(b).max(c).max(d)
        } else {
            a.min(b).min(c).min(d)
        }
    }

    /// Bias, ReLU and requantization.
    #[inline]
    pub fn activation(&self, accumulator: i32) -> i8 {
        requantize(self.cut(accumulator), self.multiplier, self.offset)
    }

    /// Bias and ReLU.
    #[inline]
    pub fn cut(&self, accumulator: i32) -> i32 {
        let floor = if self.relu { 0 } else { i32::MIN };
        (accumulator + self.bias).max(floor)
    }
}

/// Dot product; the longer of the two is cut off.
#[inline]
pub(crate) fn dot(weights: &[i8], input: &[i8]) -> i32 {
    weights
        .iter()
        .zip(input)
        .map(|(&weight, &value)| i32::from(weight) * i32::from(value))
        .sum()
}

/// Dot products of the same weights with four inputs. A weight that is loaded and widened once serves all four, which is worth
/// the second function.
#[inline]
pub(crate) fn dot_four(weights: &[i8], [a, b, c, d]: [&[i8]; 4]) -> [i32; 4] {
    let mut sums = [0; 4];
    for ((((&weight, &a), &b), &c), &d) in weights.iter().zip(a).zip(b).zip(c).zip(d) {
        let weight = i32::from(weight);
        sums[0] += weight * i32::from(a);
        sums[1] += weight * i32::from(b);
        sums[2] += weight * i32::from(c);
        sums[3] += weight * i32::from(d);
    }
    sums
}
