//! Whether a probability means what it says.

use serde::{Deserialize, Serialize};

/// Intervals of equal width between 0 and 1 that probabilities are sorted into.
const BINS: usize = 10;

/// How often a network is right when it says how sure it is: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern
/// Neural Networks" (2017), section 2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Expected calibration error in percentage points: the bins' distance between probability and accuracy,
    /// weighted by their images.
    pub error: f64,
    /// From the least to the most probable; bins without an image are left out.
    pub bins: Vec<ConfidenceBin>,
}

/// The images whose predicted class has a probability in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceBin {
    /// Images in the bin.
    pub images: usize,
    /// Mean probability of the predicted class, in percent.
    pub confidence: f64,
    /// Correct predictions, in percent.
    pub accuracy: f64,
}

impl Reliability {
    /// Of predictions, each with the probability of its class, 0 to 1, and whether it is right.
    pub fn of(predictions: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut bins = vec![ConfidenceBin::default(); BINS];
        let mut images = 0;
        for (probability, correct) in predictions {
            let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
            bin.images += 1;
            bin.confidence += probability;
            bin.accuracy += f64::from(u8::from(correct));
            images += 1;
        }
        bins.retain(|bin| bin.images > 0);
        let mut distances = 0.0;
        for bin in &mut bins {
            // What were sums become percentages.
            bin.confidence = 100.0 * bin.confidence / bin.images as f64;
            bin.accuracy = 100.0 * bin.accuracy / bin.images as f64;
            distances += bin.images as f64 * (bin.confidence - bin.accuracy).abs();
        }
        Self { error: distances / images.max(1) as f64, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_weighs_bins_by_their_images() {
        // Three images at 95 % of which all are right, one at 55 % that is wrong: (3 · 5 + 1 · 55) / 4.
        let wrong_once = vec![(0.95, true), (0.55, false), (0.95, true), (0.95, true)];
        // Right as often as it says.
        let honest: Vec<_> = (0..1000).map(|index| (0.75, index % 4 != 0)).collect();
        for (predictions, error, images) in [
            (wrong_once, 17.5, vec![1, 3]),
            (honest, 0.0, vec![1000]),
            // Certainty is in the last bin.
            (vec![(1.0, true), (0.9, false)], 45.0, vec![2]),
            (vec![], 0.0, vec![]),
        ] {
            let reliability = Reliability::of(predictions);
            assert!((reliability.error - error).abs() < 1e-9, "{reliability:?}");
            let bins = reliability.bins.iter().map(|bin| bin.images);
            assert!(bins.eq(images), "{reliability:?}");
        }
    }
}
