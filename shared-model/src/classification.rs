//! What comes out of a network.

use crate::graph::MAX_LABELS;
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
    /// Softmax of the logits, one a label: `p` stands for `p / 65535`. See `NUMERICS.md` for the exact function.
    pub fn probabilities(&self) -> Vec<u16, MAX_LABELS> {
        todo!("{}", self.logit_fraction_bits)
    }

    /// One of [`Self::probabilities`]; 0 for a class that the network does not have.
    pub fn probability(&self, class: usize) -> u16 {
        self.probabilities().get(class).copied().unwrap_or(0)
    }
}
