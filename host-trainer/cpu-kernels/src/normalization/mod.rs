//! ReLU and batch normalization as one operation.
//!
//! burn computes them, forwards and backwards, in about thirty passes over the activations and copies each into
//! another layout for every sum. [`relu_batch_norm`] is the same function as an extension of burn's backends: on flex
//! a few passes in place, on every other backend its own operations.

#![cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "upstream deprecates ndarray, which stays as a second opinion")
)]

mod autodiff;
mod flex;
#[cfg(test)]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

/// `norm` of the ReLU of `input` `[batch, channels, h, w]`, in the same shape.
///
/// Like `norm.forward`: an autodiff device takes the statistics of the batch and adds them to the running ones; any
/// other takes the running ones.
///
/// # Panics
///
/// If `norm` has another number of channels, or, on flex, the elements are not 32-bit floats.
pub fn relu_batch_norm(input: Tensor<4>, norm: &BatchNorm) -> Tensor<4> {
    if !input.device().is_autodiff() {
        return norm.forward(relu(input));
    }
    assert_eq!(norm.gamma.dims(), [input.dims()[1]]);
    let (output, mean, variance) = Dispatch::relu_batch_norm(
        input.into_dispatch(),
        norm.gamma.val().into_dispatch(),
        norm.beta.val().into_dispatch(),
        norm.epsilon,
    );
    for (state, statistic) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        let old = state.value_sync().mul_scalar(1.0 - norm.momentum);
        let new = Tensor::from_dispatch(statistic).mul_scalar(norm.momentum);
        state.update((old + new).detach());
    }
    Tensor::from_dispatch(output)
}

/// A backend's ReLU with batch normalization, and its derivative; the default is the backend's own operations.
///
/// Shapes: `input` and `gradient`, of the output, `[batch, channels, h, w]`; the others `[channels]`.
#[backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Cube: cfg(feature = "wgpu"), Autodiff)]
pub(crate) trait ReluBatchNorm: Backend {
    /// The output, and mean and biased variance of the ReLU's output over the batch.
    fn relu_batch_norm(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let result = Self::batch_norm_train(Self::relu(input), gamma, beta, epsilon);
        (result.output, result.mean, result.variance)
    }

    /// The gradients of `input`, `gamma` and `beta`.
    fn relu_batch_norm_backward(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let rectified = Self::relu(input);
        let result = Self::batch_norm_train_backward(rectified.clone(), gamma, mean, variance, epsilon, gradient);
        let input = Self::relu_backward(rectified, result.x_grad);
        (input, result.gamma_grad, result.beta_grad)
    }
}

#[cfg(feature = "ndarray")]
impl ReluBatchNorm for burn::backend::NdArray {}

#[cfg(feature = "wgpu")]
impl ReluBatchNorm for burn::backend::Cube {}
