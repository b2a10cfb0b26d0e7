//! burn's own ReLU and batch normalization are the oracle.

use super::relu_batch_norm;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

const CHANNELS: usize = 5;

/// Of the largest value. The longest sums have 4,096 terms; added one after the other in 32-bit floats that costs up to 4,096 · 2^-24 of
/// their magnitudes' sum, and typically a tenth of it.
const TOLERANCE: f32 = 1e-4;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.5, 1.0), device)
}

/// Output, gradients of input, gamma and beta, and the running statistics.
fn results(
    function: fn(Tensor<4>, &BatchNorm) -> Tensor<4>,
    [input, gradient]: [Tensor<4>; 2],
    [gamma, beta]: [Tensor<1>; 2],
) -> [TensorData; 6] {
    let mut norm = BatchNormConfig::new(CHANNELS).init(&input.device());
    norm.gamma = norm.gamma.map(|_| gamma.require_grad());
    norm.beta = norm.beta.map(|_| beta.require_grad());
    let input = input.require_grad();
    let output = function(input.clone(), &norm);
    let gradients = (output.clone() * gradient).sum().backward();
    [
        output.into_data(),
        input.grad(&gradients).unwrap().into_data(),
        norm.gamma.val().grad(&gradients).unwrap().into_data(),
        norm.beta.val().grad(&gradients).unwrap().into_data(),
        norm.running_mean.value_sync().into_data(),
        norm.running_var.value_sync().into_data(),
    ]
}

fn reference(input: Tensor<4>, norm: &BatchNorm) -> Tensor<4> {
    norm.forward(relu(input))
}

fn assert_close(actual: &[TensorData; 6], expected: &[TensorData; 6], what: &str) {
    let names = ["output", "input", "gamma", "beta", "mean", "variance"];
    for ((actual, expected), name) in actual.iter().zip(expected).zip(names) {
        assert_eq!(actual.shape(), expected.shape());
        let pairs = actual.as_slice::<f32>().unwrap().iter().zip(expected.as_slice::<f32>().unwrap());
        let largest = pairs.clone().fold(1.0_f32, |largest, (_, x)| largest.max(x.abs()));
        for (actual, expected) in pairs {
            assert!((actual - expected).abs() <= TOLERANCE * largest, "{what}, {name}: {actual} instead of {expected}");
        }
    }
}

#[test]
fn output_gradients_and_statistics_equal_those_of_burn() {
    let device = Device::flex().autodiff();
    for [batch, height, width] in [[4, 32, 32], [33, 8, 8], [3, 5, 7]] {
        let shape = [batch, CHANNELS, height, width];
        let activations = [random(shape, &device), random(shape, &device)];
        let parameters = [random([CHANNELS], &device), random([CHANNELS], &device)];
        let expected = results(reference, activations.clone(), parameters.clone());
        let actual = results(relu_batch_norm, activations.clone(), parameters.clone());
        assert_close(&actual, &expected, "flex");
        let again = results(relu_batch_norm, activations, parameters);
        assert_eq!(actual, again);
    }
}

#[test]
fn without_autodiff_the_running_statistics_count() {
    let device = Device::flex();
    let norm = BatchNormConfig::new(CHANNELS).init(&device);
    norm.running_mean.update(random([CHANNELS], &device));
    let input = random([2, CHANNELS, 4, 4], &device);
    let expected = reference(input.clone(), &norm).into_data();
    assert_eq!(relu_batch_norm(input, &norm).into_data(), expected);
}
