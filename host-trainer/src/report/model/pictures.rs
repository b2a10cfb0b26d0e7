//! What the card and the page say of pictures of one's own: how many there are, what was found among them, and which classes need more.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::ModelReport;
use crate::dataset::Findings;
use crate::evaluate::confusion::interval;
use crate::format::list;

/// Fewer mistakes of a kind say nothing.
const FEWEST_MISTAKES: u32 = 3;
/// The share of a class in percent that is taken for another one even if chance was against the model: from here on it is said.
const LEAST_SHARE: f64 = 5.0;
/// A class has few pictures if the median of the others is so many times as large.
const FEW: usize = 2;
/// From so many points on it is said how far off a recall may be.
const UNCERTAIN: f64 = 10.0;
/// The most lines of a kind, and classes in a line.
const MOST: usize = 8;

/// The pictures of one's own that a model was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPictures {
    /// Pictures of each class: that were trained, validated and tested with.
    pub counts: [Vec<usize>; 3],
    /// What was found when the run read their folder; `None` for runs of earlier versions.
    pub findings: Option<Findings>,
}

/// Names of the columns of a table, one row a class.
pub const COLUMNS: [&str; 5] = ["class", "to train", "to validate", "to test", "recognized, 95 % interval"];

/// What the table and the advice are about.
pub const EXPLANATION: &str = "How many of the test pictures of each class the integer network recognizes, and between what shares of all \
     such pictures that lies (Wilson's interval, for pictures that do not depend on each other; those of one burst do).";

/// The rows of the table.
pub fn rows(report: &ModelReport, pictures: &OwnPictures) -> Vec<[String; 5]> {
    let classes = Classes::of(report);
    let row = |class: usize| {
        let [train, validation, test] = pictures.counts.each_ref().map(|counts| counts[class].to_string());
        let [right, tested] = classes.recognized(class);
        let [least, most] = interval(right, tested);
        let recognized = format!("{right} of {tested}: {least:.0} to {most:.0} %");
        [classes.labels[class].clone(), train, validation, test, recognized]
    };
    (0..classes.labels.len()).map(row).collect()
}

/// Which classes need more pictures, and why: a sentence each.
///
/// What is said follows from five rules, and from nothing else:
/// 1. A class is taken for another one, by 3 test pictures or more, and by more than 5 % even at the lower end of the interval.
/// 2. A class, not named by rule 1, is recognized less often than all pictures are, even at the upper end of the interval.
/// 3. A class that no other one is taken for by rule 1 is right, where it is named, less often than all answers are, even at the upper end.
/// 4. A class has half as many pictures to train with as the others (their median), or less.
/// 5. The recall of a class may be more than 10 points off, by an end of the interval.
pub fn advice(report: &ModelReport, pictures: &OwnPictures) -> Vec<String> {
    let classes = Classes::of(report);
    let confusions = classes.confusions();
    let mut lines: Vec<String> = confusions.iter().take(MOST).map(|&pair| classes.confusion(pair)).collect();
    if confusions.len() > MOST {
        lines.push(format!("{} more pairs of classes are confused as clearly.", confusions.len() - MOST));
    }
    let accuracy = report.evaluation.int8_top1;
    let all = || 0..classes.labels.len();
    let is_below = |right: u32, of: u32| of - right >= FEWEST_MISTAKES && interval(right, of)[1] < accuracy;
    for class in all().filter(|class| confusions.iter().all(|pair| pair.truth != *class)) {
        let [right, tested] = classes.recognized(class);
        if is_below(right, tested) {
            lines.push(format!(
                "{}: only {right} of {tested} test pictures are recognized (taken for: {}): take more {}, and more different ones.",
                classes.name(class),
                classes.most(|other| classes.matrix[class][other], class),
                classes.pictures_of(class)
            ));
        }
    }
    for class in all().filter(|class| confusions.iter().all(|pair| pair.said != *class)) {
        let ([right, named], name) = (classes.named(class), classes.name(class));
        if is_below(right, named) {
            let wrong = named - right;
            let others = classes.most(|other| classes.matrix[other][class], class);
            lines.push(format!(
                "{name}: {wrong} of {named} test pictures that are taken for it show something else ({others}): take more pictures of these."
            ));
        }
    }
    lines.extend(all().filter_map(|class| classes.few(class, &pictures.counts[0])));
    if lines.is_empty() {
        lines.push(format!(
            "No class stands out by these figures. Where {accuracy:.1} % of right answers are too few, take more pictures of all."
        ));
    }
    lines.extend(classes.uncertain());
    lines
}

/// A class, and another one that some of its pictures are taken for.
#[derive(Clone, Copy)]
struct Confusion {
    truth: usize,
    said: usize,
    pictures: u32,
}

/// The classes with the answers to the test pictures.
struct Classes<'a> {
    labels: &'a [String],
    /// The class of pictures that show none of the others.
    none: Option<usize>,
    matrix: &'a [Vec<u32>],
}

impl<'a> Classes<'a> {
    fn of(report: &'a ModelReport) -> Self {
        Self {
            labels: &report.dataset.labels,
            none: report.dataset.none.map(usize::from),
            matrix: &report.evaluation.int8_confusion,
        }
    }

    fn name(&self, class: usize) -> &str {
        if self.none == Some(class) { "none of the classes" } else { &self.labels[class] }
    }

    fn pictures_of(&self, class: usize) -> String {
        if self.none == Some(class) {
            "pictures that show none of the classes".to_owned()
        } else {
            format!("pictures of {}", self.labels[class])
        }
    }

    /// Test pictures of the class that are recognized, and all of them.
    fn recognized(&self, class: usize) -> [u32; 2] {
        [self.matrix[class][class], self.matrix[class].iter().sum()]
    }

    /// Test pictures that the class is named for rightly, and all that it is named for.
    fn named(&self, class: usize) -> [u32; 2] {
        [self.matrix[class][class], self.matrix.iter().map(|row| row[class]).sum()]
    }

    /// By rule 1, most pictures first.
    fn confusions(&self) -> Vec<Confusion> {
        let mut found = Vec::new();
        for (truth, row) in self.matrix.iter().enumerate() {
            let [_, tested] = self.recognized(truth);
            for (said, &pictures) in row.iter().enumerate().filter(|&(said, _)| said != truth) {
                if pictures >= FEWEST_MISTAKES && interval(pictures, tested)[0] > LEAST_SHARE {
                    found.push(Confusion { truth, said, pictures });
                }
            }
        }
        found.sort_by_key(|confusion| Reverse(confusion.pictures));
        found
    }

    fn confusion(&self, Confusion { truth, said, pictures }: Confusion) -> String {
        let [_, tested] = self.recognized(truth);
        let remedy = if self.none == Some(said) {
            format!(
                "take more {} in the situations of these mistakes, and see that no picture of none shows one",
                self.pictures_of(truth)
            )
        } else if self.none == Some(truth) {
            format!("take more {}, in the situations of these mistakes", self.pictures_of(truth))
        } else {
            "take more pictures of both, in the situations of these mistakes".to_owned()
        };
        format!(
            "{}: {pictures} of {tested} test pictures are taken for {}: {remedy}.",
            self.name(truth),
            self.name(said)
        )
    }

    /// The classes beside `class` with the most pictures, most first, and how many.
    fn most(&self, pictures: impl Fn(usize) -> u32, class: usize) -> String {
        let mut others: Vec<usize> =
            (0..self.labels.len()).filter(|&other| other != class && pictures(other) > 0).collect();
        others.sort_by_key(|&other| Reverse(pictures(other)));
        list(others.into_iter().take(MOST).map(|other| format!("{} {}", self.name(other), pictures(other))))
    }

    /// Rule 4; the pictures of none are no measure for the others.
    fn few(&self, class: usize, train: &[usize]) -> Option<String> {
        let others = (0..train.len()).filter(|&other| other != class && Some(other) != self.none);
        let mut others: Vec<usize> = others.map(|other| train[other]).collect();
        others.sort_unstable();
        let median = *others.get(others.len() / 2)?;
        let count = train[class];
        let others = match others.len() {
            1 => format!("the other class has {median}"),
            _ => format!("half of the other classes have {median} or more"),
        };
        (count * FEW <= median).then(|| {
            format!(
                "{}: only {count} pictures to train with, and {others}: take more {}.",
                self.name(class),
                self.pictures_of(class)
            )
        })
    }

    /// Points that the recall of a class may be off by.
    fn off_by(&self, class: usize) -> f64 {
        let [right, tested] = self.recognized(class);
        let recall = 100.0 * f64::from(right) / f64::from(tested.max(1));
        let [least, most] = interval(right, tested);
        (recall - least).max(most - recall)
    }

    /// Rule 5, the least certain first.
    fn uncertain(&self) -> Option<String> {
        let mut uncertain: Vec<usize> =
            (0..self.labels.len()).filter(|&class| self.off_by(class) > UNCERTAIN).collect();
        uncertain.sort_by(|&a, &b| self.off_by(b).total_cmp(&self.off_by(a)));
        let count = uncertain.len();
        let classes = list(uncertain.into_iter().take(MOST).map(|class| {
            let [_, tested] = self.recognized(class);
            let pictures = if tested == 1 { "picture" } else { "pictures" };
            format!("{} by {:.0} points ({tested} {pictures})", self.name(class), self.off_by(class))
        }));
        let more = if count > MOST { format!(", and those of {} more classes", count - MOST) } else { String::new() };
        (count > 0).then(|| {
            format!(
                "Figures from few test pictures are uncertain. They may be off: {classes}{more}. With a hundred test pictures of a class \
                 it is ten points at most."
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::report::model::tests::sample;

    /// The advice for a model that made `matrix` of its test pictures and was trained with so many pictures of each class; the last class is
    /// that of none if `none`.
    fn advice_for(matrix: &[&[u32]], train: &[usize], none: bool) -> String {
        let mut report = sample("own", Recipe::preset("vgg3-best").unwrap());
        let labels = ["cat", "dog", "ship", "bird"].iter().take(matrix.len()).map(|&label| label.to_owned());
        report.dataset.labels = labels.collect();
        report.dataset.none = none.then_some(matrix.len() as u16 - 1);
        report.evaluation.int8_confusion = matrix.iter().map(|row| row.to_vec()).collect();
        let right: u32 = (0..matrix.len()).map(|class| matrix[class][class]).sum();
        let all: u32 = matrix.iter().copied().flatten().sum();
        report.evaluation.int8_top1 = 100.0 * f64::from(right) / f64::from(all);
        let counts = [train.to_vec(), vec![0; train.len()], vec![0; train.len()]];
        advice(&report, &OwnPictures { counts, findings: None }).join("\n")
    }

    /// Confusion matrix, pictures to train with, whether the last class is that of none, and what is said and not said.
    type Case<'a> = (&'a [&'a [u32]], &'a [usize], bool, &'a [&'a str], &'a [&'a str]);

    #[test]
    fn advice_is_what_the_figures_support() {
        const NOTHING: &str = "No class stands out";
        const UNCERTAIN: &str = "are uncertain";
        let both = "take more pictures of both, in the situations of these mistakes.";
        let cases: [Case; 9] = [
            (&[&[95, 5], &[4, 96]], &[400, 400], false, &[NOTHING, "95.5 %", "of all."], &[UNCERTAIN, both]),
            (
                &[&[18, 12], &[0, 100]],
                &[400, 400],
                false,
                &[&format!("cat: 12 of 30 test pictures are taken for dog: {both}"), "cat by 18 points (30 pictures)."],
                &[NOTHING, "dog by"],
            ),
            // Two mistakes, or few of many, may be chance.
            (&[&[8, 2], &[0, 10]], &[40, 40], false, &[NOTHING, "cat by 31 points (10 pictures), dog by 28"], &[both]),
            (&[&[27, 3], &[0, 30]], &[40, 40], false, &[NOTHING], &[both]),
            // Pictures of none are told in words.
            (
                &[&[90, 0, 10], &[0, 100, 0], &[30, 0, 70]],
                &[400, 400, 400],
                true,
                &[
                    "none of the classes: 30 of 100 test pictures are taken for cat: take more pictures that show none of the classes,",
                    "cat: 10 of 100 test pictures are taken for none of the classes: take more pictures of cat in the situations of these \
                     mistakes, and see that no picture of none shows one.",
                ],
                &["ship", "both", UNCERTAIN],
            ),
            // Mistakes that are spread: of a class, and with a class.
            (
                &[&[110, 30, 30, 30], &[0, 200, 0, 0], &[0, 0, 200, 0], &[0, 0, 0, 200]],
                &[400; 4],
                false,
                &["cat: 30 of 200 test pictures are taken for dog"],
                &["only 110 of 200"],
            ),
            (
                &[&[873, 42, 43, 42], &[0, 1000, 0, 0], &[0, 0, 1000, 0], &[42, 43, 42, 873]],
                &[4000; 4],
                false,
                &[
                    "cat: only 873 of 1000 test pictures are recognized (taken for: ship 43, dog 42, bird 42): take more pictures of cat, and more",
                ],
                &[both, UNCERTAIN],
            ),
            (
                &[&[996, 4, 0, 0], &[0, 1000, 0, 0], &[0, 40, 960, 0], &[0, 40, 0, 960]],
                &[4000; 4],
                false,
                &[
                    "dog: 84 of 1084 test pictures that are taken for it show something else (ship 40, bird 40, cat 4): take more pictures of these.",
                ],
                &[both],
            ),
            (
                &[&[100, 0, 0, 0], &[0, 100, 0, 0], &[0, 0, 100, 0], &[0, 0, 0, 100]],
                &[24, 50, 52, 10],
                true,
                &[
                    "cat: only 24 pictures to train with, and half of the other classes have 52 or more: take more pictures of cat.",
                    "none of the classes: only 10 pictures to train with",
                ],
                &["dog", "ship", NOTHING],
            ),
        ];
        for (matrix, train, none, expected, absent) in cases {
            let advice = advice_for(matrix, train, none);
            for part in expected {
                assert!(advice.contains(part), "{part}\n{advice}");
            }
            for part in absent {
                assert!(!advice.contains(part), "{part}\n{advice}");
            }
        }
        // The only class beside none has no others to be compared with.
        assert!(!advice_for(&[&[100, 0], &[0, 100]], &[10, 400], true).contains("cat: only"));
    }

    #[test]
    fn a_hundred_test_pictures_are_certain_within_ten_points() {
        for right in 0..=100 {
            let advice = advice_for(&[&[right, 100 - right], &[0, 100]], &[400, 400], false);
            assert!(!advice.contains("uncertain"), "{right}: {advice}");
        }
    }
}
