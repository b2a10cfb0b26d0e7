//! From the probabilities of single frames to one steady verdict.

use heapless::{Deque, Vec};
use serde::{Deserialize, Serialize};
use shared_model::graph::MAX_LABELS;

/// The most frames that a majority is taken over.
pub const MAX_WINDOW: usize = 15;

/// How frames are combined. Probabilities are in units of 1/65,535.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Each frame on its own.
    #[default]
    None,
    /// Every one of the last frames names its class; the class that most of them name wins, and their share is its probability.
    Majority {
        /// How many frames, 1 … [`MAX_WINDOW`]; other numbers are taken as the nearest of these.
        window: u8,
    },
    /// Every class's probability follows that of the frames: `p += (frame - p) * weight / 256`.
    Exponential {
        /// Of the newest frame, 1 … 255; 0 counts as 1.
        weight: u8,
    },
}

/// What the last frames show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// No class is probable enough.
    NotSure,
    /// A class.
    Class {
        /// Its index.
        class: u8,
        /// In units of 1/65,535.
        probability: u16,
    },
}

/// Combines frames by a [`Method`] and says "not sure" below a threshold.
#[derive(Debug)]
pub struct Smoothing {
    method: Method,
    threshold: u16,
    votes: Deque<u8, MAX_WINDOW>,
    /// With 8 fraction bits; of [`Method::Exponential`] only.
    levels: Vec<u32, MAX_LABELS>,
}

impl Smoothing {
    /// `threshold` is in units of 1/65,535: 0 is always sure.
    pub const fn new(method: Method, threshold: u16) -> Self {
        Self {
            method,
            threshold,
            votes: Deque::new(),
            levels: Vec::new(),
        }
    }

    /// Forgets all frames: after a gap, the next one may show another scene.
    pub fn reset(&mut self) {
        self.votes.clear();
        self.levels.clear();
    }

    /// The verdict after one more frame, of whose classes the probabilities are given, at most [`MAX_LABELS`] of them.
    pub fn update(&mut self, probabilities: &[u16]) -> Verdict {
        let winner = match self.method {
            Method::None => largest(probabilities.iter().copied()),
            Method::Majority { window } => self.majority(probabilities, window),
            Method::Exponential { weight } => self.exponential(probabilities, weight),
        };
        match winner {
            Some((class, probability)) if probability >= self.threshold => {
                Verdict::Class { class, probability }
            }
            _ => Verdict::NotSure,
        }
    }

    fn majority(&mut self, probabilities: &[u16], window: u8) -> Option<(u8, u16)> {
        let window = usize::from(window).clamp(1, MAX_WINDOW);
        let (class, _) = largest(probabilities.iter().copied())?;
        while self.votes.len() >= window {
            self.votes.pop_front();
        }
        // There is room, for the window is at most the capacity.
        let _ = self.votes.push_back(class);
        let total = self.votes.len();
        let share = |class| {
            let votes = self.votes.iter().filter(|vote| **vote == class).count();
            (votes * usize::from(u16::MAX) / total) as u16
        };
        largest((0..MAX_LABELS as u8).map(share))
    }

    fn exponential(&mut self, probabilities: &[u16], weight: u8) -> Option<(u8, u16)> {
        if self.levels.len() != probabilities.len() {
            self.levels = probabilities
                .iter()
                .take(MAX_LABELS)
                .map(|probability| u32::from(*probability) << 8)
                .collect();
        }
        let weight = u32::from(weight.max(1));
        for (level, probability) in self.levels.iter_mut().zip(probabilities) {
            *level = (*level * (256 - weight) / 256) + u32::from(*probability) * weight;
        }
        largest(self.levels.iter().map(|level| (level >> 8) as u16))
    }
}

/// The largest probability, the first of equals, with its index.
fn largest(probabilities: impl Iterator<Item = u16>) -> Option<(u8, u16)> {
    (0..).zip(probabilities).reduce(|best, candidate| {
        if candidate.1 > best.1 {
            candidate
        } else {
            best
        }
    })
}
