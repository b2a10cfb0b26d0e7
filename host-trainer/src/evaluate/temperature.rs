//! Probabilities that mean what they say: logits divided by a temperature.

use serde::{Deserialize, Serialize};

use super::{float_prediction, reliability, softmax};

/// Temperatures that are considered; no trained network comes near either end, see [`fit`].
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
/// A network that is right about each of few images would be told to be certain. As Platt, "Probabilistic Outputs for Support
/// Vector Machines" (1999), has it, of n images a label is therefore believed with (n + 1) / (n + 2) only, and the
/// other classes share the rest.
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
/// the one that the label lets expect.
fn loss_slope(logits: &[Vec<f32>], labels: &[u8], factor: f64) -> f64 {
    let doubt = 1.0 / (labels.len() as f64 + 2.0);
    let excess = |(logits, &label): (&Vec<f32>, &u8)| {
        let scaled: Vec<f32> = logits.iter().map(|logit| logit * factor as f32).collect();
        let probabilities = softmax(&scaled);
        let terms = probabilities.iter().zip(logits);
        let expected: f64 = terms.map(|(p, logit)| f64::from(p * logit)).sum();
        let own = f64::from(logits[usize::from(label)]);
        let others = logits.iter().map(|&logit| f64::from(logit)).sum::<f64>() - own;
        expected - (1.0 - doubt) * own - doubt * others / (logits.len() as f64 - 1.0)
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
        // Class 0 has a probability of 0.8, and is right in 8000 of 10,000 cases.
        let fair = [4.0_f32.ln(), 0.0];
        let labels: Vec<u8> = (0..10_000).map(|image| u8::from(image >= 8000)).collect();
        for factor in [0.3, 1.0, 5.0] {
            let logits = vec![fair.map(|logit| factor * logit).to_vec(); 10_000];
            let temperature = fit(&logits, &labels);
            assert!((temperature / f64::from(factor) - 1.0).abs() < 1e-3, "{temperature} for {factor}");
        }
    }

    #[test]
    fn a_network_that_is_right_about_few_images_is_not_taken_for_certain() {
        let temperature = fit(&vec![vec![1.0, 0.0]; 10], &[0; 10]);
        // Its probability is to be 11/12.
        assert!((temperature - 1.0 / 11.0_f64.ln()).abs() < 1e-3, "{temperature}");
    }
}
