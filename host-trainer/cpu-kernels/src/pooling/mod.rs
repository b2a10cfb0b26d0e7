//! The 2×2 max pool with stride 2.
//!
//! burn's CPU backend has one implementation for every kernel size, padding and dilation, which costs a tenth of a
//! training step. [`max_pool_2x2`] is the same function as an extension of burn's backends: flex gets kernels of its
//! own, every other backend uses its own operation.

#![cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "upstream deprecates ndarray, which stays as a second opinion")
)]

mod autodiff;
mod flex;
#[cfg(test)]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, get_or_init_device_settings};
use burn::tensor::Tensor;

/// The largest of every 2×2 pixels: `[batch, channels, h, w]` → `[batch, channels, h / 2, w / 2]`. The gradient goes
/// to the first of equals.
///
/// # Panics
///
/// If height or width is odd, or, on flex, the elements are not 32-bit floats.
pub fn max_pool_2x2(input: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = input.dims();
    assert!(height.is_multiple_of(2) && width.is_multiple_of(2), "{height} × {width} is not a multiple of 2 × 2");
    Tensor::from_dispatch(Dispatch::max_pool_2x2(input.into_dispatch()))
}

/// A backend's 2×2 max pool and its derivative; the default is the backend's own operation.
#[backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Cube: cfg(feature = "wgpu"), Autodiff)]
pub(crate) trait MaxPool2x2: Backend {
    /// `[batch, channels, h, w]` → `[batch, channels, h / 2, w / 2]`.
    fn max_pool_2x2(input: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::max_pool2d(input, [2, 2], [2, 2], [0, 0], [1, 1], false)
    }

    /// The gradient of `input`, in its shape, for that of the output.
    fn max_pool_2x2_backward(input: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let (size, stride, padding, dilation) = ([2, 2], [2, 2], [0, 0], [1, 1]);
        let indices = get_or_init_device_settings::<Self>(&input.device()).int_dtype;
        let pooled = Self::max_pool2d_with_indices(input.clone(), size, stride, padding, dilation, false, indices);
        Self::max_pool2d_with_indices_backward(input, size, stride, padding, dilation, false, gradient, pooled.indices)
            .x_grad
    }
}

#[cfg(feature = "ndarray")]
impl MaxPool2x2 for burn::backend::NdArray {}

#[cfg(feature = "wgpu")]
impl MaxPool2x2 for burn::backend::Cube {}
