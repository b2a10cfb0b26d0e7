//! Dense layers.

use super::{Finish, dot, native};
use crate::{LayerView, arithmetic::rescale};

/// Accumulators without bias of four outputs, fewer at the end. `input` is flattened from `[h, w, c]`.
fn four(view: &LayerView, input: &[i8], first: usize) -> [i32; 4] {
    let weights = &view.weights[first * input.len()..];
    if input.len().is_multiple_of(4) && weights.len() >= 4 * input.len() {
        return native::dot_products(weights, input);
    }
    let mut sums = [0; 4];
    for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(input.len())) {
        *sum = dot(weights, input);
    }
    sums
}

/// Accumulators without bias, in the order of the outputs.
fn accumulators(view: &LayerView, input: &[i8]) -> impl Iterator<Item = (Finish, i32)> {
    let outputs = view.biases.len();
    let sums = (0..outputs)
        .step_by(4)
        .flat_map(move |first| four(view, input, first));
    (0..outputs)
        .map(|output| Finish::of(view, output))
        .zip(sums)
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
