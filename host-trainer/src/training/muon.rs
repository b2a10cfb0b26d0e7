//! Muon: momentum whose update is made orthogonal before it is taken, for weight matrices.
//!
//! Keller Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024); rescaled weights, momentum and the
//! number of Newton-Schulz steps as in the repository of his "94% on CIFAR-10 in 3.29 Seconds on a Single GPU"
//! (arXiv 2404.00498). burn's own Muon takes nothing but matrices, and convolutions have weights of rank 4.

use burn::optim::momentum::{Momentum, MomentumConfig, MomentumState};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// Newton-Schulz steps: enough to lift the singular values that matter to the neighbourhood of 1.
const STEPS: usize = 3;
/// An odd polynomial `ax + bx³ + cx⁵` that lifts small singular values steeply, and keeps large ones between 0.7 and 1.2.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Keeps a gradient or weight of zeros from becoming no number.
const SMALLEST_NORM: f32 = 1e-7;

/// The optimizer of the weights of convolutions, `[out, in, 3, 3]`, and of dense layers, `[in, out]`.
#[derive(Clone)]
pub struct Muon {
    momentum: Momentum,
}

impl Muon {
    /// With Nesterov's momentum.
    pub fn new(momentum: f64) -> Self {
        Self { momentum: Momentum::new(&MomentumConfig { momentum, dampening: 0.0, nesterov: true }) }
    }
}

impl Optimizer for Muon {
    type State<const D: usize> = MomentumState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (update, state) = self.momentum.transform(gradient, state);
        let shape = weight.dims();
        let weight = rescaled(to_matrix(weight)) - orthogonalized(to_matrix(update)) * rate;
        (from_matrix(weight, shape), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}

/// A layer's weights as the matrix `[out, in]`, `in` the inputs of one output.
fn to_matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let matrix = weight.flatten::<2>(1, D - 1);
    if D == 2 { matrix.transpose() } else { matrix }
}

/// What [`to_matrix`] was given, a tensor of that shape.
fn from_matrix<const D: usize>(matrix: Tensor<2>, shape: [usize; D]) -> Tensor<D> {
    let matrix = if D == 2 { matrix.transpose() } else { matrix };
    matrix.reshape(shape)
}

/// The matrix with the norm that an orthogonal one of its height has: √out.
///
/// Batch normalization undoes every factor of the weights, so their norm only decides how far a step of a given length
/// turns them; it would grow with every step.
fn rescaled(weight: Tensor<2>) -> Tensor<2> {
    let [out, _] = weight.dims();
    let factor = norm(&weight).recip() * (out as f64).sqrt();
    weight * factor
}

/// The matrix with all singular values moved to the neighbourhood of 1.
///
/// Newton-Schulz multiplies X by a polynomial of XXᵀ, thrice. The polynomials of one symmetric matrix commute, so their
/// product is taken first: matrices `[out, out]` but for two products, where the textbook's order has six long ones.
fn orthogonalized(matrix: Tensor<2>) -> Tensor<2> {
    let matrix = matrix.clone() / norm(&matrix);
    let [out, _] = matrix.dims();
    let identity = Tensor::eye(out, &matrix.device());
    let mut gram = matrix.clone().matmul(matrix.clone().transpose());
    let mut product: Option<Tensor<2>> = None;
    for step in 1..=STEPS {
        let [a, b, c] = COEFFICIENTS;
        let square = gram.clone().matmul(gram.clone());
        let factor = identity.clone() * a + gram.clone() * b + square * c;
        if step < STEPS {
            gram = factor.clone().matmul(factor.clone()).matmul(gram);
        }
        product = Some(match product {
            Some(product) => factor.matmul(product),
            None => factor,
        });
    }
    product.map_or(matrix.clone(), |product| product.matmul(matrix))
}

/// The Frobenius norm, as a matrix of one element.
fn norm(matrix: &Tensor<2>) -> Tensor<2> {
    let square = matrix.clone() * matrix.clone();
    square.sum().sqrt().clamp_min(SMALLEST_NORM).reshape([1, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::to_vec;
    use burn::tensor::{Distribution, TensorData};

    fn random(shape: [usize; 2]) -> Tensor<2> {
        let device = Device::flex();
        device.seed(4);
        Tensor::random(shape, Distribution::Normal(0.0, 0.01), &device)
    }

    /// `matrix · matrixᵀ`.
    fn gram(matrix: &Tensor<2>) -> Tensor<2> {
        matrix.clone().matmul(matrix.clone().transpose())
    }

    #[test]
    fn singular_values_come_near_one_and_singular_vectors_stay() {
        for shape in [[12, 108], [32, 27], [128, 288]] {
            let matrix = random(shape);
            // The nearest orthogonal matrix, by the cubic iteration until it stands still.
            let mut exact = matrix.clone() / norm(&matrix);
            for _ in 0..100 {
                exact = exact.clone() * 1.5 - gram(&exact).matmul(exact) * 0.5;
            }
            // In the basis of the singular vectors this is a diagonal matrix of the singular values.
            let values = to_vec(orthogonalized(matrix).matmul(exact.transpose()));
            let rank = shape[0].min(shape[1]) as f32;
            let mean = values.iter().step_by(shape[0] + 1).sum::<f32>() / rank;
            assert!((0.8..1.1).contains(&mean), "{shape:?}: mean {mean}");
            let squares: f32 = values.iter().map(|value| value * value).sum();
            let deviation = (squares / rank - mean * mean).sqrt();
            assert!(deviation < 0.2, "{shape:?}: deviation {deviation}");
        }
    }

    #[test]
    fn the_product_of_polynomials_is_the_textbooks_iteration() {
        let matrix = random([20, 90]);
        let [a, b, c] = COEFFICIENTS;
        let mut expected = matrix.clone() / norm(&matrix);
        for _ in 0..STEPS {
            let gram = gram(&expected);
            let factor = gram.clone() * b + gram.clone().matmul(gram) * c;
            expected = expected.clone() * a + factor.matmul(expected);
        }
        assert_close(orthogonalized(matrix), expected, 1e-4);
    }

    fn assert_close(result: Tensor<2>, expected: Tensor<2>, tolerance: f32) {
        for (result, expected) in to_vec(result).into_iter().zip(to_vec(expected)) {
            assert!((result - expected).abs() < tolerance, "{result} for {expected}");
        }
    }

    #[test]
    fn a_step_is_the_same_for_a_convolution_and_for_a_dense_layer_of_the_same_numbers() {
        let muon = Muon::new(0.6);
        let [weight, gradient] = [random([4, 18]), random([4, 18]) + 0.01];
        let as_dense = |matrix: &Tensor<2>| matrix.clone().transpose();
        let (dense, _) = muon.step(0.1, as_dense(&weight), as_dense(&gradient), None);
        let as_filters = |matrix: &Tensor<2>| matrix.clone().reshape([4, 2, 3, 3]);
        let (filters, _) = muon.step::<4>(0.1, as_filters(&weight), as_filters(&gradient), None);
        assert_eq!(filters.dims(), [4, 2, 3, 3]);
        assert_close(filters.reshape([4, 18]), dense.transpose(), 1e-6);
    }

    #[test]
    fn weights_are_rescaled_and_a_gradient_of_zeros_changes_nothing_else() {
        let device = Device::flex();
        let weight = Tensor::<2>::from_data(TensorData::from([[3.0, 0.0], [0.0, 4.0]]), &device);
        let (stepped, _) = Muon::new(0.6).step(0.1, weight.clone(), Tensor::zeros([2, 2], &device), None);
        assert_close(stepped, weight * (2.0_f32.sqrt() / 5.0), 1e-6);
    }
}
