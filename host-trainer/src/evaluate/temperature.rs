//! Probabilities that mean what they say: logits divided by a temperature.

use serde::{Deserialize, Serialize};

use super::{float_prediction, reliability, softmax};

/// Temperatures that are considered; no trained network comes near either end.
const RANGE: [f64; 2] = [0.05, 20.0];
/// Halvings of the range, which leave nothing of it.
const HALVINGS: usize = 50;

/// How a network's probabilities were calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// What the logits were divided by.
    pub value: f64,
    /// Validation images that it was fitted on; `None` if it was given, from another run of the recipe.
    pub images: Option<usize>,
    /// Expected calibration error of the float network's probabilities before, on the test images, in percentage points.
    pub error_before: f64,
}

/// The temperature that makes the `labels` most probable: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
/// Networks" (2017), section 4.2.
///
/// The loss is convex in the temperature's inverse, so its slope changes its sign once.
pub fn fit(logits: &[Vec<f32>], labels: &[u8]) -> f64 {
    let [mut low, mut high] = RANGE;
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        if loss_slope(logits, labels, 1.0 / middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low * high).sqrt()
}

/// How fast the loss grows with the factor of the logits: by how much the logit that the probabilities expect exceeds
/// the label's.
fn loss_slope(logits: &[Vec<f32>], labels: &[u8], factor: f64) -> f64 {
    let excess = |(logits, &label): (&Vec<f32>, &u8)| {
        let scaled: Vec<f32> = logits.iter().map(|logit| logit * factor as f32).collect();
        let probabilities = softmax(&scaled);
        let terms = probabilities.iter().zip(logits);
        let expected: f64 = terms.map(|(p, logit)| f64::from(p * logit)).sum();
        expected - f64::from(logits[usize::from(label)])
    };
    logits.iter().zip(labels).map(excess).sum()
}

/// Expected calibration error of the probabilities that such logits give, in percentage points.
pub fn calibration_error(logits: &[Vec<f32>], labels: &[u8]) -> f64 {
    let predictions: Vec<_> = logits.iter().map(|logits| float_prediction(logits)).collect();
    reliability(labels, &predictions).error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temperature_undoes_a_factor_of_the_logits() {
        // Class 0 has a probability of 0.8, and is right in 80 of 100 cases.
        let fair = [4.0_f32.ln(), 0.0];
        let labels: Vec<u8> = (0..100).map(|image| u8::from(image >= 80)).collect();
        for factor in [0.3, 1.0, 5.0] {
            let logits = vec![fair.map(|logit| factor * logit).to_vec(); 100];
            let temperature = fit(&logits, &labels);
            assert!((temperature - f64::from(factor)).abs() < 1e-3, "{temperature} for {factor}");
        }
    }

    #[test]
    fn a_network_that_is_always_right_gets_the_coldest_temperature_of_the_range() {
        let temperature = fit(&vec![vec![1.0, 0.0]; 10], &[0; 10]);
        assert!((temperature - RANGE[0]).abs() < 1e-3, "{temperature}");
    }
}
