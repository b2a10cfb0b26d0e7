//! Dense layers.

use super::{Finish, dot};
use crate::{LayerView, arithmetic::rescale};

/// Accumulators without bias, in the order of the outputs. `input` is flattened from `[h, w, c]`.
fn accumulators(view: &LayerView, input: &[i8]) -> impl Iterator<Item = (Finish, i32)> {
    let weights = view.weights.chunks_exact(input.len()).enumerate();
    weights.map(|(output, weights)| (Finish::of(view, output), dot(weights, input)))
}

/// `[in] → [out]` of a layer that gives activations.
pub(crate) fn activations(view: &LayerView, input: &[i8], output: &mut [i8]) {
    for (output, (finish, accumulator)) in output.iter_mut().zip(accumulators(view, input)) {
        *output = finish.activation(accumulator);
    }
}

/// `[in] → [out]` of a layer that gives logits.
pub(crate) fn logits(view: &LayerView, input: &[i8]) -> impl Iterator<Item = i32> {
    accumulators(view, input).map(|(finish, accumulator)| {
        rescale(finish.cut(accumulator), finish.multiplier, finish.offset)
    })
}
