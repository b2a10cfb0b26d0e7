//! Dense layers.

use super::{Channel, channels, dot};
use crate::{
    LayerView,
    arithmetic::{requantize, rescale},
};

/// Accumulators with the numbers of their channel. `input` is flattened from `[h, w, c]`.
fn accumulators<'a>(
    view: &LayerView<'a>,
    input: &[i8],
) -> impl Iterator<Item = (i32, Channel<'a>)> {
    channels(view).map(move |channel| {
        let accumulator = channel.bias + dot(channel.weights, input);
        (accumulator.max(channel.floor), channel)
    })
}

/// `[in] → [out]` of a layer that gives activations.
pub(crate) fn activations(view: &LayerView, input: &[i8], output: &mut [i8]) {
    for (output, (accumulator, channel)) in output.iter_mut().zip(accumulators(view, input)) {
        *output = requantize(accumulator, channel.multiplier, channel.offset);
    }
}

/// `[in] → [out]` of a layer that gives logits.
pub(crate) fn logits(view: &LayerView, input: &[i8]) -> impl Iterator<Item = i32> {
    accumulators(view, input)
        .map(|(accumulator, channel)| rescale(accumulator, channel.multiplier, channel.offset))
}
