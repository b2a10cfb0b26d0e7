//! From the probabilities of single frames to one steady verdict.

use heapless::{Deque, Vec};
use protocol::{MAX_LABELS, Verdict};
use shared_model::graph::Decision;

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
        /// The newest frame's weight, 1 … 255; 0 counts as 1.
        weight: u8,
    },
}

/// Combines frames by a [`Method`] and says "not sure" as the model's [`Decision`] has it.
///
/// The decision was chosen for single pictures. It is applied to what the method makes of the frames: a class counts once its
/// smoothed probability, or its share of the votes, reaches the threshold, and never if it is the one that means none of the others.
#[derive(Debug)]
pub struct Smoothing {
    method: Method,
    decision: Decision,
    votes: Deque<u8, MAX_WINDOW>,
    /// Probabilities with 8 fraction bits; of [`Method::Exponential`] only.
    levels: Vec<u32, MAX_LABELS>,
}

impl Smoothing {
    /// `decision` is that of the model whose probabilities are combined.
    pub const fn new(method: Method, decision: Decision) -> Self {
        Self { method, decision, votes: Deque::new(), levels: Vec::new() }
    }

    /// Forgets all frames: after a gap, the next one may show another scene.
    pub fn reset(&mut self) {
        self.votes.clear();
        self.levels.clear();
    }

    /// The verdict after one more frame, given the probabilities of its classes, at most [`MAX_LABELS`] of them.
    pub fn update(&mut self, probabilities: &[u16]) -> Verdict {
        let winner = match self.method {
            Method::None => largest(probabilities.iter().copied()),
            Method::Majority { window } => self.majority(probabilities, window),
            Method::Exponential { weight } => self.exponential(probabilities, weight),
        };
        winner
            .filter(|(class, probability)| {
                *probability >= self.decision.threshold && Some(*class) != self.decision.none_class
            })
            .map_or(Verdict::NotSure, |(class, probability)| Verdict::Class { class, probability })
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
            self.levels =
                probabilities.iter().take(MAX_LABELS).map(|probability| u32::from(*probability) << 8).collect();
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
    (0..).zip(probabilities).reduce(|best, candidate| if candidate.1 > best.1 { candidate } else { best })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec as List;

    const fn sure(class: u8, probability: u16) -> Verdict {
        Verdict::Class { class, probability }
    }

    #[test]
    fn verdicts_follow_the_frames_by_the_method() {
        const DEER: &[u16] = &[60_000, 5_535];
        const FROG: &[u16] = &[5_535, 60_000];
        const ALL: &[u16] = &[65_535, 0];
        const OTHER: &[u16] = &[0, 65_535];
        type Case<'c> = (Method, u16, &'c [(&'c [u16], Verdict)]);
        let cases: [Case<'_>; 4] = [
            (
                Method::None,
                30_000,
                &[
                    (&[30_000, 30_000, 5_535], sure(0, 30_000)),
                    (&[5_535, 20_000, 40_000], sure(2, 40_000)),
                    (&[29_999, 29_999, 5_537], Verdict::NotSure),
                    (&[], Verdict::NotSure),
                ],
            ),
            // A stray frame is outvoted.
            (
                Method::Majority { window: 3 },
                0,
                &[
                    (DEER, sure(0, 65_535)),
                    (DEER, sure(0, 65_535)),
                    (FROG, sure(0, 43_690)),
                    (FROG, sure(1, 43_690)),
                    (FROG, sure(1, 65_535)),
                ],
            ),
            (
                Method::Majority { window: 2 },
                40_000,
                &[(ALL, sure(0, 65_535)), (OTHER, Verdict::NotSure), (OTHER, sure(1, 65_535))],
            ),
            (
                Method::Exponential { weight: 64 },
                0,
                &[(ALL, sure(0, 65_535)), (OTHER, sure(0, 49_151)), (OTHER, sure(0, 36_863)), (OTHER, sure(1, 37_887))],
            ),
        ];
        for (method, threshold, frames) in cases {
            let mut smoothing = Smoothing::new(method, Decision { threshold, none_class: None });
            // What was forgotten has no part in the verdicts.
            for _ in 0..2 {
                for (probabilities, verdict) in frames {
                    assert_eq!(smoothing.update(probabilities), *verdict, "{method:?}");
                }
                smoothing.reset();
            }
        }
    }

    #[test]
    fn the_class_that_means_none_of_the_others_is_not_sure_but_outvotes_them() {
        let decision = Decision { threshold: 30_000, none_class: Some(1) };
        for method in [Method::None, Method::Majority { window: 3 }, Method::Exponential { weight: 128 }] {
            let mut smoothing = Smoothing::new(method, decision);
            assert_eq!(
                smoothing.update(&[60_000, 5_535]),
                sure(0, if let Method::Majority { .. } = method { 65_535 } else { 60_000 })
            );
            for _ in 0..5 {
                smoothing.update(&[0, 65_535]);
            }
            assert_eq!(smoothing.update(&[0, 65_535]), Verdict::NotSure, "{method:?}");
        }
    }

    proptest! {
        #[test]
        fn the_exponential_mean_is_near_that_of_real_numbers(
            frames in prop::collection::vec(any::<[u16; 3]>(), 1..200), weight in 1..=255_u8,
        ) {
            let mut smoothing = Smoothing::new(Method::Exponential { weight }, Decision::default());
            let mut mean = frames[0].map(f64::from);
            for frame in frames {
                for (mean, value) in mean.iter_mut().zip(frame) {
                    *mean += (f64::from(value) - *mean) * f64::from(weight) / 256.0;
                }
                let Verdict::Class { class, probability } = smoothing.update(&frame) else {
                    return Err(TestCaseError::fail("without a threshold it is always sure"));
                };
                // Each step loses less than 1/256, and keeps (256 - weight)/256 of what was lost before.
                let error = mean[usize::from(class)] - f64::from(probability);
                prop_assert!((-1e-6..2.01).contains(&error), "{error}");
                let largest = mean.iter().copied().fold(0.0, f64::max);
                prop_assert!(largest - mean[usize::from(class)] < 2.01);
            }
        }

        #[test]
        fn nothing_panics(
            frames in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..20), 0..40),
            window: u8, weight: u8, threshold: u16,
        ) {
            for method in [Method::None, Method::Majority { window }, Method::Exponential { weight }] {
                let mut smoothing = Smoothing::new(method, Decision { threshold, none_class: None });
                let verdicts: List<_> = frames.iter().map(|frame| smoothing.update(frame)).collect();
                let is_allowed = verdicts.iter().all(|verdict| match verdict {
                    Verdict::NotSure => true,
                    Verdict::Class { class, probability } => *class < 20 && *probability >= threshold,
                });
                prop_assert!(is_allowed);
            }
        }
    }
}
