//! flex's ReLU with batch normalization: sums over a channel in lanes, then one pass that writes.

use super::ReluBatchNorm;
use crate::flex_tensor::{elements, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;
use rayon::prelude::*;

/// Sums that one plane is added up in, side by side.
const LANES: usize = 16;

impl ReluBatchNorm for Flex {
    fn relu_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = input.shape();
        let [_, channels, height, width] = shape.dims();
        let planes = Planes { channels, len: height * width };
        let (input, gamma, beta) = (input.to_contiguous(), gamma.to_contiguous(), beta.to_contiguous());
        let (input, gamma, beta) = (elements(&input), elements(&gamma), elements(&beta));
        let (mean, variance): (Vec<_>, Vec<_>) =
            (0..channels).into_par_iter().map(|channel| statistics(input, planes, channel)).unzip();
        let mut output = vec![0.0; input.len()];
        output.par_chunks_exact_mut(planes.len).zip(input.par_chunks_exact(planes.len)).enumerate().for_each(
            |(index, (output, input))| {
                let channel = index % channels;
                let mean = mean[channel];
                let scale = gamma[channel] * inverse_deviation(variance[channel], epsilon);
                let shift = beta[channel];
                for (output, input) in output.iter_mut().zip(input) {
                    *output = (input.max(0.0) - mean) * scale + shift;
                }
            },
        );
        (tensor(output, shape), tensor(mean, Shape::new([channels])), tensor(variance, Shape::new([channels])))
    }

    fn relu_batch_norm_backward(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = input.shape();
        let [batch, channels, height, width] = shape.dims();
        let planes = Planes { channels, len: height * width };
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let (input, gradient) = (elements(&input), elements(&gradient));
        let (gamma, mean, variance) = (gamma.to_contiguous(), mean.to_contiguous(), variance.to_contiguous());
        let (gamma, mean, variance) = (elements(&gamma), elements(&mean), elements(&variance));
        let (gamma_gradient, beta_gradient): (Vec<_>, Vec<_>) = (0..channels)
            .into_par_iter()
            .map(|channel| {
                let deviation = inverse_deviation(variance[channel], epsilon);
                let (product, sum) = products(input, gradient, planes, channel, mean[channel]);
                (product * deviation, sum)
            })
            .unzip();
        let count = (batch * planes.len) as f32;
        let mut result = vec![0.0; input.len()];
        result
            .par_chunks_exact_mut(planes.len)
            .zip(input.par_chunks_exact(planes.len).zip(gradient.par_chunks_exact(planes.len)))
            .enumerate()
            .for_each(|(index, (result, (input, gradient)))| {
                let channel = index % channels;
                let deviation = inverse_deviation(variance[channel], epsilon);
                let scale = gamma[channel] * deviation;
                let slope = gamma_gradient[channel] / count * deviation;
                let offset = beta_gradient[channel] / count;
                let mean = mean[channel];
                for ((result, &input), gradient) in result.iter_mut().zip(input).zip(gradient) {
                    let centred = gradient - offset - (input.max(0.0) - mean) * slope;
                    *result = if input > 0.0 { centred * scale } else { 0.0 };
                }
            });
        (
            tensor(result, shape),
            tensor(gamma_gradient, Shape::new([channels])),
            tensor(beta_gradient, Shape::new([channels])),
        )
    }
}

/// How a tensor `[batch, channels, h, w]` is divided.
#[derive(Clone, Copy)]
struct Planes {
    channels: usize,
    /// Pixels of one plane.
    len: usize,
}

impl Planes {
    /// The planes of one channel, an image after the other.
    fn of(self, elements: &[f32], channel: usize) -> impl Iterator<Item = &[f32]> {
        elements.chunks_exact(self.len).skip(channel).step_by(self.channels)
    }
}

/// Mean and biased variance of one channel after the ReLU.
fn statistics(input: &[f32], planes: Planes, channel: usize) -> (f32, f32) {
    let count = (input.len() / planes.channels) as f64;
    let total =
        |term: &dyn Fn(&[f32]) -> f32| -> f64 { planes.of(input, channel).map(|plane| f64::from(term(plane))).sum() };
    let mean = (total(&|plane| sum(plane, |x| x.max(0.0))) / count) as f32;
    let squares = total(&|plane| {
        sum(plane, |x| {
            let centred = x.max(0.0) - mean;
            centred * centred
        })
    });
    (mean, (squares / count) as f32)
}

/// The sums of gradient · (ReLU − mean) and of the gradient, over one channel.
fn products(input: &[f32], gradient: &[f32], planes: Planes, channel: usize, mean: f32) -> (f32, f32) {
    let pairs = planes.of(input, channel).zip(planes.of(gradient, channel));
    let (product, total) = pairs.fold((0.0, 0.0), |(product, total), (input, gradient)| {
        let mut lanes = [0.0; LANES];
        let (inputs, input_rest) = input.as_chunks::<LANES>();
        let (gradients, gradient_rest) = gradient.as_chunks::<LANES>();
        for (inputs, gradients) in inputs.iter().zip(gradients) {
            for ((lane, input), gradient) in lanes.iter_mut().zip(inputs).zip(gradients) {
                *lane += gradient * (input.max(0.0) - mean);
            }
        }
        let rest: f32 =
            input_rest.iter().zip(gradient_rest).map(|(input, gradient)| gradient * (input.max(0.0) - mean)).sum();
        (product + f64::from(lanes.iter().sum::<f32>() + rest), total + f64::from(sum(gradient, |x| x)))
    });
    (product as f32, total as f32)
}

/// The sum of `term` over a plane.
#[inline(always)]
fn sum(plane: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (vectors, rest) = plane.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for vector in vectors {
        for (lane, &x) in lanes.iter_mut().zip(vector) {
            *lane += term(x);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&x| term(x)).sum::<f32>()
}

fn inverse_deviation(variance: f32, epsilon: f64) -> f32 {
    (variance + epsilon as f32).sqrt().recip()
}
