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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
        #[derive(Clone, Copy, Default)]
        struct Sums {
            images: usize,
            probability: f64,
            correct: usize,
        }
        let mut sums = [Sums::default(); BINS];
        for (probability, correct) in predictions {
            let bin = &mut sums[((probability * BINS as f64) as usize).min(BINS - 1)];
            bin.images += 1;
            bin.probability += probability;
            bin.correct += usize::from(correct);
        }
        let bins: Vec<ConfidenceBin> = sums
            .iter()
            .filter(|bin| bin.images > 0)
            .map(|bin| ConfidenceBin {
                images: bin.images,
                confidence: 100.0 * bin.probability / bin.images as f64,
                accuracy: super::percent(bin.correct, bin.images),
            })
            .collect();
        let distances = bins
            .iter()
            .map(|bin| bin.images as f64 * (bin.confidence - bin.accuracy).abs());
        let images: usize = bins.iter().map(|bin| bin.images).sum();
        Self {
            error: distances.sum::<f64>() / images.max(1) as f64,
            bins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_is_right_as_often_as_it_says_has_no_error() {
        let predictions = (0..1000).map(|index| (0.75, index % 4 != 0));
        let reliability = Reliability::of(predictions);
        assert!(reliability.error.abs() < 1e-9, "{reliability:?}");
        assert_eq!(reliability.bins.len(), 1);
    }

    #[test]
    fn the_error_weighs_bins_by_their_images() {
        // Three images at 95 % of which all are right, one at 55 % that is wrong: (3 · 5 + 1 · 55) / 4.
        let predictions = [(0.95, true), (0.55, false), (0.95, true), (0.95, true)];
        let reliability = Reliability::of(predictions);
        assert!((reliability.error - 17.5).abs() < 1e-9, "{reliability:?}");
        let bins: Vec<_> = reliability.bins.iter().map(|bin| bin.images).collect();
        assert_eq!(bins, [1, 3]);
    }

    #[test]
    fn certainty_is_in_the_last_bin() {
        assert_eq!(Reliability::of([(1.0, true)]).error, 0.0);
        assert_eq!(Reliability::of([]), Reliability::default());
    }
}
