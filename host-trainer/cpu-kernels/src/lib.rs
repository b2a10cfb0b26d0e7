//! Kernels that make training on burn's CPU backend, flex, fast.
//!
//! Each function is an extension of burn's backends: flex gets kernels of its own, every other backend uses its own operations. All are
//! differentiable on an autodiff device.

mod convolution;
mod flex_tensor;
mod normalization;
mod pooling;

pub use convolution::convolution_3x3;
pub use normalization::relu_batch_norm;
pub use pooling::max_pool_2x2;
