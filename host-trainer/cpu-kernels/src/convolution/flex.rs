//! flex's convolution: the kernels, applied to its tensors by all threads of rayon's pool.

use super::Convolution3x3;
use super::kernels::{Plane, correlation, weight_gradient};
use crate::flex_tensor::{elements, tensor};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Shape;
use rayon::prelude::*;

/// Images whose weight gradient is summed by one thread. The sums of all chunks are then added in order, so that the
/// result does not depend on the number of threads or their timing.
const CHUNK: usize = 16;

impl Convolution3x3 for Flex {
    fn convolution_3x3(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [outputs, inputs, _, _] = weight.shape().dims();
        let filters = correlation::pack(elements(&weight.to_contiguous()), inputs);
        let bias = bias.to_contiguous();
        correlate(input, &filters, Some(elements(&bias)), outputs)
    }

    fn convolution_3x3_input_gradient(
        _input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, inputs, _, _] = weight.shape().dims();
        let filters = correlation::pack_adjoint(elements(&weight.to_contiguous()), inputs);
        correlate(gradient, &filters, None, inputs)
    }

    fn convolution_3x3_weight_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, inputs, height, width] = input.shape().dims();
        let [_, outputs, _, _] = gradient.shape().dims();
        let plane = Plane { height, width };
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let chunks: Vec<_> = elements(&input)
            .par_chunks(CHUNK * inputs * plane.len())
            .zip(elements(&gradient).par_chunks(CHUNK * outputs * plane.len()))
            .map(|(images, gradients)| weight_gradient::sum(images, gradients, plane, [inputs, outputs]))
            .collect();
        let sum = weight_gradient::unpack(&chunks, [inputs, outputs]);
        tensor(sum, weight.shape())
    }

    fn convolution_3x3_bias_gradient(
        _input: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, outputs, height, width] = gradient.shape().dims();
        let gradient = gradient.to_contiguous();
        let mut sums = vec![0.0; outputs];
        for image in elements(&gradient).chunks_exact(outputs * height * width) {
            for (sum, plane) in sums.iter_mut().zip(image.chunks_exact(height * width)) {
                *sum += weight_gradient::plane_sum(plane);
            }
        }
        tensor(sums, bias.shape())
    }
}

/// Each image of `images` `[batch, in, h, w]` with `filters` for `outputs` channels: `[batch, outputs, h, w]`.
fn correlate(images: FlexTensor, filters: &[correlation::Filters], bias: Option<&[f32]>, outputs: usize) -> FlexTensor {
    let [batch, inputs, height, width] = images.shape().dims();
    let plane = Plane { height, width };
    let images = images.to_contiguous();
    let count = correlation::images_at_once(plane);
    let mut result = vec![0.0; batch * outputs * plane.len()];
    result
        .par_chunks_mut(count * outputs * plane.len())
        .zip(elements(&images).par_chunks(count * inputs * plane.len()))
        .for_each(|(result, images)| {
            correlation::apply(images, filters, bias, plane, [inputs, outputs], result);
        });
    tensor(result, Shape::new([batch, outputs, height, width]))
}
