//! When an answer is to be believed: a threshold on the probability, and what it is worth.

use serde::{Deserialize, Serialize};
use shared_model::Classification;
use shared_model::graph::Decision;

/// How a blob's threshold was chosen, on validation images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The least probability of an answer, 0 to 1.
    pub probability: f64,
    /// Of the answers, how many were to be right, in percent.
    pub wanted: f64,
    /// What there was on the images that it was chosen by.
    pub measured: Answers,
}

impl Threshold {
    /// Says that there is no threshold with the precision that was asked for, if there is none.
    pub fn shortfall(&self) -> Option<String> {
        let right = self.measured.precision.unwrap_or(0.0);
        (right < self.wanted).then(|| format!("no threshold gives so many: with this one {right:.1} are right"))
    }
}

/// What a model's answers are worth where it may say that it is not sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Images that were looked at, those of none of the classes included.
    pub images: usize,
    /// Images that the model named a class for, in percent.
    pub answered: f64,
    /// Answers that were right, in percent of the answers; `None` without an answer.
    pub precision: Option<f64>,
}

/// How well a model tells its classes from everything else, by its largest probability of a class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// Images of none of the classes.
    pub images: usize,
    /// Probability that an image of a class has a larger one than an image of none, in percent.
    pub auroc: f64,
    /// Images of none that would be named, in percent, at the threshold that names 95 % of the images of a class.
    pub false_alarms_at_95: f64,
}

/// The smallest threshold from which on at least `wanted` percent of the answers to `labels` are right; if there is none,
/// the one from which on most are. An answer is one that names a class, and not `none_class`.
///
/// A threshold above all probabilities but the largest few would be chosen by these few: it has to leave at least one
/// answer in twenty.
pub fn threshold(answers: &[Classification], labels: &[u8], none_class: Option<u8>, wanted: f64) -> Decision {
    const FEWEST: f64 = 0.05;
    let none = none_class.map(usize::from);
    let named = answers.iter().zip(labels).filter(|(answer, _)| Some(answer.class) != none);
    let mut named: Vec<(u16, bool)> =
        named.map(|(answer, &label)| (answer.probability(answer.class), answer.class == usize::from(label))).collect();
    named.sort_unstable_by(|a, b| b.cmp(a));
    let fewest = (named.len() as f64 * FEWEST).ceil() as usize;
    let (mut right, mut chosen, mut best) = (0, None, (0.0, 0));
    for (index, &(probability, is_right)) in named.iter().enumerate() {
        right += usize::from(is_right);
        let count = index + 1;
        // Equal probabilities are above the threshold together.
        let is_last = named.get(count).is_none_or(|next| next.0 != probability);
        if is_last && count >= fewest {
            let threshold = if count == named.len() { 0 } else { probability };
            let precision = super::percent(right, count);
            if precision >= wanted {
                chosen = Some(threshold);
            }
            if precision >= best.0 {
                best = (precision, threshold);
            }
        }
    }
    Decision { threshold: chosen.unwrap_or(best.1), none_class }
}

/// What the answers to `labels` are worth by that decision.
pub fn answers(answers: &[Classification], labels: &[u8], decision: &Decision) -> Answers {
    let decided = answers.iter().zip(labels);
    let decided = decided.filter_map(|(answer, &label)| Some((answer.decide(decision)?, usize::from(label))));
    let (mut count, mut right) = (0, 0);
    for (class, label) in decided {
        count += 1;
        right += usize::from(class == label);
    }
    Answers {
        images: labels.len(),
        answered: super::percent(count, labels.len()),
        precision: (count > 0).then(|| super::percent(right, count)),
    }
}

/// How well images with the label `none_class` are told from the others; `None` if there are none of one kind.
pub fn rejection(answers: &[Classification], labels: &[u8], none_class: u8) -> Option<Rejection> {
    let score = |answer: &Classification| {
        let classes = (0..answer.logits.len()).filter(|&class| class != usize::from(none_class));
        classes.map(|class| answer.probability(class)).max().unwrap_or(0)
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (answer, &label) in answers.iter().zip(labels) {
        if label == none_class { &mut unknown } else { &mut known }.push(score(answer));
    }
    if known.is_empty() || unknown.is_empty() {
        return None;
    }
    known.sort_unstable();
    unknown.sort_unstable();
    // Mann and Whitney's U: pairs in the right order, and half of those that are equal.
    let pairs = known.iter().map(|score| {
        let below = unknown.partition_point(|other| other < score);
        let not_above = unknown.partition_point(|other| other <= score);
        (below + not_above) as f64 / 2.0
    });
    let auroc = 100.0 * pairs.sum::<f64>() / (known.len() * unknown.len()) as f64;
    let at = known[known.len() / 20];
    let alarms = unknown.len() - unknown.partition_point(|&score| score < at);
    Some(Rejection { images: unknown.len(), auroc, false_alarms_at_95: super::percent(alarms, unknown.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer whose class 0 has so much more logit than class 1 and, if there are three, than class 2.
    fn answer(logits: &[i32]) -> Classification {
        Classification::new(logits.iter().copied().collect(), 8)
    }

    #[test]
    fn the_threshold_is_the_smallest_that_gives_the_precision() {
        // Surer answers are right more often: of 10 the six surest are right, then every second one.
        let sure: Vec<Classification> = (0..10).map(|index| answer(&[1000 - 100 * index, 0])).collect();
        let labels = [0, 0, 0, 0, 0, 0, 1, 0, 1, 0];
        let chosen = |wanted| threshold(&sure, &labels, None, wanted);
        assert_eq!(chosen(80.0).threshold, 0);
        assert_eq!(chosen(87.0).threshold, sure[7].probability(0));
        assert_eq!(chosen(95.0).threshold, sure[5].probability(0));
        let worth = answers(&sure, &labels, &chosen(95.0));
        assert_eq!((worth.answered, worth.precision), (60.0, Some(100.0)));
        // The surest is wrong, and of the first three two are right.
        let mistaken = [1, 0, 0, 1, 1, 1, 1, 1, 1, 1];
        let best = threshold(&sure, &mistaken, None, 95.0);
        assert_eq!(best.threshold, sure[2].probability(0));
        assert_eq!(threshold(&sure, &[1; 10], None, 95.0).threshold, 0);
    }

    #[test]
    fn the_class_of_none_is_no_answer_and_pictures_of_none_are_to_be_told_apart() {
        let all = [answer(&[900, 0, 0]), answer(&[0, 900, 0]), answer(&[0, 0, 900]), answer(&[100, 0, 300])];
        let labels = [0, 1, 2, 2];
        let decision = threshold(&all, &labels, Some(2), 95.0);
        assert_eq!(decision, Decision { threshold: 0, none_class: Some(2) });
        let worth = answers(&all, &labels, &decision);
        assert_eq!((worth.images, worth.answered, worth.precision), (4, 50.0, Some(100.0)));
        let told = rejection(&all, &labels, 2).unwrap();
        assert_eq!((told.images, told.auroc, told.false_alarms_at_95), (2, 100.0, 0.0));
        // Half of the pairs in the wrong order.
        let mixed = [answer(&[900, 0, 0]), answer(&[300, 0, 0]), answer(&[600, 0, 0])];
        let told = rejection(&mixed, &[0, 0, 2], 2).unwrap();
        assert_eq!((told.auroc, told.false_alarms_at_95), (50.0, 100.0));
        assert_eq!(rejection(&mixed, &[0, 0, 1], 2), None);
    }
}
