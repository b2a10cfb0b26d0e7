//! burn's own max pool is the oracle.

use super::max_pool_2x2;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

/// Output and gradient of the input for a random gradient of the output.
fn results(function: fn(Tensor<4>) -> Tensor<4>, input: Tensor<4>, gradient: Tensor<4>) -> [TensorData; 2] {
    let input = input.require_grad();
    let output = function(input.clone());
    let gradients = (output.clone() * gradient).sum().backward();
    [output.into_data(), input.grad(&gradients).unwrap().into_data()]
}

fn reference(input: Tensor<4>) -> Tensor<4> {
    MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init().forward(input)
}

#[test]
fn output_and_gradient_equal_those_of_burn_also_on_a_tie() {
    let device = Device::flex().autodiff();
    for [batch, channels, height, width] in [[2, 3, 32, 32], [5, 7, 2, 2], [1, 1, 6, 18], [70, 5, 8, 4]] {
        let random = |shape| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        // Half of all pixels are zero.
        let input = relu(random([batch, channels, height, width]));
        let gradient = random([batch, channels, height / 2, width / 2]);
        let expected = results(reference, input.clone(), gradient.clone());
        assert_eq!(results(max_pool_2x2, input, gradient), expected);
    }
}
