//! flex's 2×2 max pool: two rows of the input make one of the output.

use super::MaxPool2x2;
use crate::flex_tensor::{elements, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;
use rayon::prelude::*;

/// Rows of the output that are one task.
const ROWS: usize = 256;

impl MaxPool2x2 for Flex {
    fn max_pool_2x2(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let [batch, channels, height, width] = input.shape().dims();
        let input = input.to_contiguous();
        let mut output = vec![0.0; batch * channels * height * width / 4];
        output
            .par_chunks_mut(ROWS * width / 2)
            .zip(elements(&input).par_chunks(ROWS * width * 2))
            .for_each(|(output, input)| {
                let rows = input.chunks_exact(2 * width);
                for (output, rows) in output.chunks_exact_mut(width / 2).zip(rows) {
                    for (output, [[a, b], [c, d]]) in output.iter_mut().zip(squares(rows)) {
                        *output = a.max(b).max(c.max(d));
                    }
                }
            });
        tensor(output, Shape::new([batch, channels, height / 2, width / 2]))
    }

    fn max_pool_2x2_backward(
        input: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let shape = input.shape();
        let [_, _, _, width] = shape.dims();
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let mut result = vec![0.0; elements(&input).len()];
        result
            .par_chunks_mut(ROWS * width * 2)
            .zip(elements(&input).par_chunks(ROWS * width * 2))
            .zip(elements(&gradient).par_chunks(ROWS * width / 2))
            .for_each(|((result, input), gradient)| {
                let rows = result.chunks_exact_mut(2 * width);
                for ((result, input), gradient) in rows
                    .zip(input.chunks_exact(2 * width))
                    .zip(gradient.chunks_exact(width / 2))
                {
                    scatter(result, input, gradient);
                }
            });
        tensor(result, shape)
    }
}

/// Writes each gradient to the first of the largest of its 2×2 pixels, and zeros to the others; without branches, which
/// nothing could predict.
fn scatter(result: &mut [f32], input: &[f32], gradient: &[f32]) {
    let (upper, lower) = result.split_at_mut(result.len() / 2);
    let pairs = upper.as_chunks_mut::<2>().0.iter_mut();
    let results = pairs.zip(lower.as_chunks_mut::<2>().0);
    for (((upper, lower), [[a, b], [c, d]]), &gradient) in results.zip(squares(input)).zip(gradient)
    {
        let largest = a.max(b).max(c.max(d));
        let to_a = a == largest;
        let to_b = !to_a & (b == largest);
        let to_c = !(to_a | to_b) & (c == largest);
        let to_d = !(to_a | to_b | to_c);
        let share = |chosen: bool| if chosen { gradient } else { 0.0 };
        *upper = [share(to_a), share(to_b)];
        *lower = [share(to_c), share(to_d)];
    }
}

/// The 2×2 pixels of two rows.
fn squares(rows: &[f32]) -> impl Iterator<Item = [[f32; 2]; 2]> {
    let (upper, lower) = rows.split_at(rows.len() / 2);
    let upper = upper.as_chunks().0.iter();
    upper
        .zip(lower.as_chunks().0)
        .map(|(upper, lower)| [*upper, *lower])
}
