//! What the float and the integer network are worth on labelled images.

pub mod confusion;
pub mod decision;
mod reliability;
pub mod temperature;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared_model::graph::{Accuracy, Decision};
use shared_model::{Classification, Interpreter, Model};

use crate::dataset::LabelledImages;
pub use confusion::ConfusionMatrix;
use confusion::{confusion, correct};
pub use decision::{Answers, Rejection, Threshold};
pub use reliability::{ConfidenceBin, Reliability};
pub use temperature::Temperature;

/// Mistakes that an evaluation names.
const NAMED_MISTAKES: usize = 10;

/// What the float and the integer network made of the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images that were looked at.
    pub images: usize,
    /// Correct predictions of the float network, in percent.
    pub float_top1: f64,
    /// Correct predictions of the integer network, in percent.
    pub int8_top1: f64,
    /// Images that both networks predict the same class for, in percent.
    pub agreement: f64,
    /// Of the float network.
    pub float_confusion: ConfusionMatrix,
    /// Of the integer network.
    pub int8_confusion: ConfusionMatrix,
    /// Of the float network's probabilities.
    pub float_reliability: Reliability,
    /// Of the integer network's probabilities.
    pub int8_reliability: Reliability,
    /// What the integer network's answers are worth where its blob lets it say "not sure".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// How well images of none of the classes are told from the others, if there are such images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// The wrong predictions that the integer network is surest of, surest first.
    pub mistakes: Vec<Mistake>,
}

/// What a network says about one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class with the largest logit.
    pub class: usize,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// An image that the integer network takes for something else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Position in the images that were looked at, from 0.
    pub image: usize,
    /// The true class.
    pub label: usize,
    /// The integer network's.
    pub int8: Prediction,
    /// The float network's.
    pub float: Prediction,
}

impl Evaluation {
    /// The figures that go into the blob.
    pub fn accuracy(&self) -> Accuracy {
        Accuracy {
            images: self.images as u32,
            float_top1: self.float_top1 as f32,
            int8_top1: self.int8_top1 as f32,
            agreement: self.agreement as f32,
        }
    }
}

/// Compares what the float network says of `data`, its logits for each image, with what the integer network says.
pub fn evaluate(float_logits: &[Vec<f32>], model: &Model, data: &LabelledImages) -> Evaluation {
    let float: Vec<Prediction> = float_logits.iter().map(|logits| float_prediction(logits)).collect();
    let classifications = classify_all(model, &data.images);
    let integer: Vec<Prediction> = classifications
        .iter()
        .map(|answer| Prediction {
            class: answer.class,
            probability: f32::from(answer.probability(answer.class)) / 65535.0,
        })
        .collect();
    let agreeing = float.iter().zip(&integer).filter(|(float, integer)| float.class == integer.class).count();
    let classes = model.graph().labels.len();
    let matrix = |predictions: &[Prediction]| {
        let truths = data.labels.iter().map(|&label| usize::from(label));
        confusion(classes, truths.zip(predictions.iter().map(|said| said.class)))
    };
    let decision = &model.graph().decision;
    let (float_confusion, int8_confusion) = (matrix(&float), matrix(&integer));
    Evaluation {
        images: data.len(),
        float_top1: percent(correct(&float_confusion), data.len()),
        int8_top1: percent(correct(&int8_confusion), data.len()),
        agreement: percent(agreeing, data.len()),
        float_confusion,
        int8_confusion,
        float_reliability: reliability(&data.labels, &float),
        int8_reliability: reliability(&data.labels, &integer),
        answers: (*decision != Decision::default())
            .then(|| decision::answers(&classifications, &data.labels, decision)),
        rejection: decision.none_class.and_then(|none| decision::rejection(&classifications, &data.labels, none)),
        mistakes: surest_mistakes(&data.labels, &integer, &float),
    }
}

/// The integer network's answer to each picture, on all cores.
///
/// # Panics
/// If a picture has not the shape of the network's input.
pub fn classify_all(model: &Model, pictures: &[impl AsRef<[u8]> + Sync]) -> Vec<Classification> {
    pictures
        .par_iter()
        .map_init(
            || vec![0; model.fast_arena_len()],
            |arena, picture| {
                Interpreter::new(model, arena)
                    .expect("the arena has a length that the model asks for")
                    .classify(picture.as_ref())
                    .expect("the picture has the shape of the network's input")
            },
        )
        .collect()
}

/// Softmax, for logits of the float network.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials = logits.iter().map(|logit| (logit - largest).exp());
    let sum: f32 = exponentials.clone().sum();
    exponentials.map(|exponential| exponential / sum).collect()
}

/// Position of the largest value, the first of equals.
pub fn largest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

fn float_prediction(logits: &[f32]) -> Prediction {
    let class = largest(logits);
    Prediction { class, probability: softmax(logits)[class] }
}

fn reliability(labels: &[u8], predictions: &[Prediction]) -> Reliability {
    Reliability::of(labels.iter().zip(predictions).map(|(&label, prediction)| {
        let correct = prediction.class == usize::from(label);
        (f64::from(prediction.probability), correct)
    }))
}

fn surest_mistakes(labels: &[u8], integer: &[Prediction], float: &[Prediction]) -> Vec<Mistake> {
    let predictions = labels.iter().zip(integer.iter().zip(float)).enumerate();
    let mut mistakes: Vec<Mistake> = predictions
        .map(|(image, (&label, (&int8, &float)))| Mistake { image, label: usize::from(label), int8, float })
        .filter(|mistake| mistake.int8.class != mistake.label)
        .collect();
    mistakes.sort_by(|a, b| b.int8.probability.total_cmp(&a.int8.probability));
    mistakes.truncate(NAMED_MISTAKES);
    mistakes
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_mistakes_come_first_and_right_answers_do_not_come() {
        let prediction = |class, probability| Prediction { class, probability };
        let labels = [0, 1, 2, 0];
        let integer = [(0, 0.99), (2, 0.6), (1, 0.9), (1, 0.7)].map(|(c, p)| prediction(c, p));
        let mistakes = surest_mistakes(&labels, &integer, &integer);
        let images: Vec<usize> = mistakes.iter().map(|mistake| mistake.image).collect();
        assert_eq!(images, [2, 3, 1]);
        assert_eq!(mistakes[0].label, 2);
        let many = [prediction(1, 0.5); 50];
        assert_eq!(surest_mistakes(&[0; 50], &many, &many).len(), NAMED_MISTAKES);
    }

    #[test]
    fn softmax_of_logits_sums_to_one_and_keeps_their_order() {
        let probabilities = softmax(&[1000.0, 1001.0, 998.0]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(largest(&probabilities), 1);
    }
}
