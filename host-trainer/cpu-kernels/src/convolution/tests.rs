//! burn's own `conv2d` is the oracle.

use super::{convolution_3x3, same_padding};
use burn::tensor::module::conv2d;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

type Function = fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>;

/// Shapes `[batch, in, out, h, w]`: the network's, and what does not fill vectors, blocks, groups or chunks.
const SHAPES: [[usize; 5]; 10] = [
    [3, 3, 32, 32, 32],
    [2, 32, 32, 32, 32],
    [5, 64, 128, 8, 8],
    [17, 5, 6, 16, 16],
    [1, 1, 1, 1, 1],
    [2, 1, 5, 3, 11],
    [33, 2, 3, 7, 5],
    [2, 9, 7, 13, 9],
    [1, 4, 4, 1, 20],
    [2, 17, 13, 34, 33],
];

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// The convolution's output and the gradients of input, weight and bias, for a random gradient of the output.
fn results(function: Function, operands: &(Tensor<4>, Tensor<4>, Tensor<1>, Tensor<4>)) -> [TensorData; 4] {
    let (input, weight, bias, gradient) = operands.clone();
    let input = input.require_grad();
    let weight = weight.require_grad();
    let bias = bias.require_grad();
    let output = function(input.clone(), weight.clone(), bias.clone());
    let gradients = (output.clone() * gradient).sum().backward();
    let present = "every operand requires its gradient";
    [
        output.into_data(),
        input.grad(&gradients).expect(present).into_data(),
        weight.grad(&gradients).expect(present).into_data(),
        bias.grad(&gradients).expect(present).into_data(),
    ]
}

fn operands(shape: [usize; 5], device: &Device) -> (Tensor<4>, Tensor<4>, Tensor<1>, Tensor<4>) {
    let [batch, inputs, outputs, height, width] = shape;
    (
        normal([batch, inputs, height, width], device),
        normal([outputs, inputs, 3, 3], device),
        normal([outputs], device),
        normal([batch, outputs, height, width], device),
    )
}

fn assert_close(actual: &TensorData, expected: &TensorData, what: &str) {
    assert_eq!(actual.shape(), expected.shape(), "{what}");
    let expected = expected.as_slice::<f32>().unwrap();
    let largest = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    for (index, (actual, expected)) in actual.as_slice::<f32>().unwrap().iter().zip(expected).enumerate() {
        assert!((actual - expected).abs() <= 1e-5 * largest, "{what}, element {index}: {actual} instead of {expected}");
    }
}

#[test]
fn output_and_gradients_equal_those_of_burns_convolution() {
    let device = Device::flex().autodiff();
    for shape in SHAPES {
        let operands = operands(shape, &device);
        let actual = results(convolution_3x3, &operands);
        let expected = results(|input, weight, bias| conv2d(input, weight, Some(bias), same_padding()), &operands);
        let names = ["output", "input", "weight", "bias"];
        for ((actual, expected), name) in actual.iter().zip(&expected).zip(names) {
            assert_close(actual, expected, &format!("{name} for {shape:?}"));
        }
    }
}

#[test]
fn operands_need_not_be_contiguous() {
    let device = Device::flex().autodiff();
    let (input, weight, bias, gradient) = operands([2, 5, 6, 8, 8], &device);
    let transposed = (input.swap_dims(2, 3), weight.swap_dims(2, 3), bias, gradient.swap_dims(2, 3));
    let actual = results(convolution_3x3, &transposed);
    let expected = results(|input, weight, bias| conv2d(input, weight, Some(bias), same_padding()), &transposed);
    for (actual, expected) in actual.iter().zip(&expected) {
        assert_close(actual, expected, "transposed operands");
    }
}

#[test]
fn the_same_operands_give_the_same_bits() {
    let device = Device::flex().autodiff();
    let operands = operands([70, 8, 12, 8, 8], &device);
    let first = results(convolution_3x3, &operands);
    for _ in 0..10 {
        let again = results(convolution_3x3, &operands);
        assert!(first.iter().zip(&again).all(|(first, again)| first.bytes() == again.bytes()));
    }
}

#[test]
fn another_number_of_threads_gives_the_same_bits() {
    let device = Device::flex().autodiff();
    let operands = operands([70, 8, 12, 8, 8], &device);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| results(convolution_3x3, &operands))
    };
    let (one, three) = (with_threads(1), with_threads(3));
    assert!(one.iter().zip(&three).all(|(one, three)| one.bytes() == three.bytes()));
}

#[test]
fn an_input_without_gradient_leaves_the_others_as_they_are() {
    let device = Device::flex().autodiff();
    let (input, weight, bias, gradient) = operands([2, 3, 8, 8, 8], &device);
    let all = results(convolution_3x3, &(input.clone(), weight.clone(), bias.clone(), gradient.clone()));
    let (weight, bias) = (weight.require_grad(), bias.require_grad());
    let output = convolution_3x3(input.clone(), weight.clone(), bias.clone());
    let gradients = (output * gradient).sum().backward();
    assert!(input.grad(&gradients).is_none());
    assert_eq!(weight.grad(&gradients).unwrap().into_data().bytes(), all[2].bytes());
    assert_eq!(bias.grad(&gradients).unwrap().into_data().bytes(), all[3].bytes());
}
