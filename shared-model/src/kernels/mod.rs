//! The kernels, in portable Rust. They see rows that are already padded and know nothing of borders.

pub(crate) mod convolution;
pub(crate) mod dense;

use crate::LayerView;

/// The numbers of one output channel.
pub(crate) struct Channel<'a> {
    pub weights: &'a [i8],
    pub bias: i32,
    pub multiplier: i32,
    pub offset: i64,
    /// What ReLU raises a smaller accumulator to; the smallest integer without ReLU.
    pub floor: i32,
}

/// The output channels of a layer in order.
pub(crate) fn channels<'a>(view: &LayerView<'a>) -> impl Iterator<Item = Channel<'a>> {
    let floor = if view.layer.relu { 0 } else { i32::MIN };
    let weights = view
        .weights
        .chunks_exact(view.layer.kind.weights_per_channel());
    let rescaling = view.biases.iter().zip(view.multipliers).zip(view.offsets);
    weights
        .zip(rescaling)
        .map(move |(weights, ((&bias, &multiplier), &offset))| Channel {
            weights,
            bias,
            multiplier,
            offset,
            floor,
        })
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
