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

/// Dot products of `weights` with each of `inputs`, all of the same length. Several at once, because a weight that is
/// loaded and widened once then serves all of them.
#[inline]
pub(crate) fn dot<const N: usize>(weights: &[i8], inputs: [&[i8]; N]) -> [i32; N] {
    let len = inputs
        .iter()
        .fold(weights.len(), |len, input| len.min(input.len()));
    let weights = &weights[..len];
    let inputs = inputs.map(|input| &input[..len]);
    let mut sums = [0; N];
    for (index, &weight) in weights.iter().enumerate() {
        for (sum, input) in sums.iter_mut().zip(&inputs) {
            *sum += i32::from(weight) * i32::from(input[index]);
        }
    }
    sums
}
