//! flex's tensors as the slices that the kernels of this crate work on.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Shape, TensorData};

/// The elements of a contiguous tensor in row-major order.
///
/// # Panics
///
/// If the tensor is not contiguous or its elements are not 32-bit floats.
pub fn elements(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("the kernels take contiguous tensors of 32-bit floats")
}

/// A tensor of that shape from its elements in row-major order.
pub fn tensor(elements: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(elements, shape))
}
