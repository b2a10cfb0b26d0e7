//! What comes out of a network.

use crate::{
    graph::{Decision, MAX_LABELS},
    softmax::softmax,
};
use heapless::Vec;

/// The logits of one image and the class they name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// One a label; as a real number each is divided by 2^F (`Graph::logit_fraction_bits`).
    pub logits: Vec<i32, MAX_LABELS>,
    /// Index of the largest logit, the lowest index on a tie.
    pub class: usize,
    logit_fraction_bits: u8,
}

impl Classification {
    /// Of logits with so many fraction bits.
    pub fn new(logits: Vec<i32, MAX_LABELS>, logit_fraction_bits: u8) -> Self {
        let mut class = 0;
        let mut largest = i32::MIN;
        for (index, &logit) in logits.iter().enumerate() {
            if logit > largest {
                (class, largest) = (index, logit);
            }
        }
        Self { logits, class, logit_fraction_bits }
    }

    /// Softmax of the logits, one a label: `p` stands for `p / 65535`. See `NUMERICS.md` for the exact function.
    pub fn probabilities(&self) -> Vec<u16, MAX_LABELS> {
        softmax(&self.logits, self.logit_fraction_bits).collect()
    }

    /// One of [`Self::probabilities`]; 0 for a class that the network does not have.
    pub fn probability(&self, class: usize) -> u16 {
        softmax(&self.logits, self.logit_fraction_bits).nth(class).unwrap_or(0)
    }

    /// The class, if it is to be believed; `None` is "not sure".
    pub fn decide(&self, decision: &Decision) -> Option<usize> {
        let is_none_class = decision.none_class.map(usize::from) == Some(self.class);
        let is_sure = self.probability(self.class) >= decision.threshold;
        (is_sure && !is_none_class).then_some(self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_is_the_first_of_the_largest() {
        let class = |logits: &[i32]| Classification::new(Vec::from_slice(logits).unwrap(), 8).class;
        assert_eq!(class(&[1, 3, 3, 2]), 1);
        assert_eq!(class(&[-5, -7]), 0);
        assert_eq!(class(&[i32::MIN, i32::MIN]), 0);
        assert_eq!(class(&[i32::MIN, i32::MIN + 1]), 1);
    }

    #[test]
    fn a_class_is_believed_from_the_threshold_on_unless_it_stands_for_none() {
        let classification = Classification::new(Vec::from_slice(&[256, 0, -256]).unwrap(), 8);
        assert_eq!(classification.probabilities(), [43597, 16038, 5900]);
        assert_eq!(classification.probability(1), 16038);
        assert_eq!(classification.probability(3), 0);
        let decide = |threshold, none_class| classification.decide(&Decision { threshold, none_class });
        assert_eq!(decide(0, None), Some(0));
        assert_eq!(decide(43597, None), Some(0));
        assert_eq!(decide(43598, None), None);
        assert_eq!(decide(0, Some(0)), None);
        assert_eq!(decide(0, Some(1)), Some(0));
    }
}
