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
        output.par_chunks_mut(ROWS * width / 2).zip(elements(&input).par_chunks(ROWS * width * 2)).for_each(
            |(output, input)| {
                let rows = input.chunks_exact(2 * width);
                for (output, rows) in output.chunks_exact_mut(width / 2).zip(rows) {
                    for (output, [[a, b], [c, d]]) in output.iter_mut().zip(squares(rows)) {
                        *output = larger(larger(a, b), larger(c, d));
                    }
                }
            },
        );
        tensor(output, Shape::new([batch, channels, height / 2, width / 2]))
    }

    fn max_pool_2x2_backward(input: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
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
                for ((result, input), gradient) in
                    rows.zip(input.chunks_exact(2 * width)).zip(gradient.chunks_exact(width / 2))
                {
                    scatter(result, input, gradient);
                }
            });
        tensor(result, shape)
    }
}

/// Writes each gradient to the first of the largest of its 2×2 pixels, and zeros to the others.
///
/// A loop that counts, over slices of one length, becomes vectors. As a chain of iterators it becomes branches that nothing can
/// predict, and takes fifteen times as long (Zen 3).
fn scatter(result: &mut [f32], input: &[f32], gradient: &[f32]) {
    let count = gradient.len();
    let (upper, lower) = result.as_chunks_mut().0.split_at_mut(count);
    let (input_upper, input_lower) = input.as_chunks().0.split_at(count);
    let (lower, input_lower) = (&mut lower[..count], &input_lower[..count]);
    for index in 0..count {
        let ([a, b], [c, d]) = (input_upper[index], input_lower[index]);
        let largest = larger(larger(a, b), larger(c, d));
        let to_a = a == largest;
        let to_b = !to_a & (b == largest);
        let to_c = !(to_a | to_b) & (c == largest);
        let to_d = !(to_a | to_b | to_c);
        let share = |chosen: bool| if chosen { gradient[index] } else { 0.0 };
        upper[index] = [share(to_a), share(to_b)];
        lower[index] = [share(to_c), share(to_d)];
    }
}

/// One instruction, which `f32::max` is not because of numbers that are none.
fn larger(left: f32, right: f32) -> f32 {
    if left > right { left } else { right }
}

/// The 2×2 pixels of two rows.
fn squares(rows: &[f32]) -> impl Iterator<Item = [[f32; 2]; 2]> {
    let pixels = rows.as_chunks().0;
    let (upper, lower) = pixels.split_at(pixels.len() / 2);
    upper.iter().zip(lower).map(|(upper, lower)| [*upper, *lower])
}
