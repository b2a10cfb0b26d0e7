//! Dense: every output from every input.

use super::{Counts, Epilogue, Rules, Weights};
use crate::Shape;
use serde::{Deserialize, Serialize};

/// A dense layer, `[h, w, c] → [1, 1, out]`; its input is flattened in the order `[h, w, c]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// `out`.
    pub outputs: u16,
    /// `[out][in]`, and biases.
    pub weights: Weights,
    /// What becomes of the accumulators.
    pub epilogue: Epilogue,
}

impl Dense {
    /// Ranges are set by the encoder.
    pub const fn new(outputs: u16, epilogue: Epilogue) -> Self {
        Self { outputs, weights: Weights::NOWHERE, epilogue }
    }
}

impl Rules for Dense {
    fn output_shape(&self, _: Shape) -> Result<Shape, &'static str> {
        Ok(Shape::new(1, 1, self.outputs))
    }

    fn counts(&self, input: Shape) -> Counts {
        Counts { weights_per_channel: input.elements(), biases: self.outputs.into(), multipliers: self.outputs.into() }
    }

    #[cfg(feature = "testing")]
    fn reference(&self, view: &super::OperationView, input: &[i8]) -> alloc::vec::Vec<i64> {
        let rows = view.weights.chunks(input.len()).zip(view.biases);
        let dot = |row: &[i8]| {
            let products = row.iter().zip(input);
            products.map(|(&weight, &value)| i64::from(weight) * i64::from(value)).sum::<i64>()
        };
        rows.map(|(row, &bias)| i64::from(bias) + dot(row)).collect()
    }
}
