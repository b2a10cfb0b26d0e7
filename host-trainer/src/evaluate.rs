//! Accuracy of the float and the integer network on labelled images.

use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared_model::graph::Accuracy;
use shared_model::{Classification, Image, Interpreter, Model};

use crate::dataset::LabelledImages;
use crate::network::{CLASSES, DropoutMasks, Network, numbers};
use crate::recipe::PixelScaling;
use crate::training::batch::to_tensor;

/// Images that each class was taken for: `matrix[true class][predicted class]`.
pub type ConfusionMatrix = [[u32; CLASSES]; CLASSES];

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

/// Runs both networks on `data`; `network` stands on `device` without autodiff.
pub fn evaluate(
    network: &Network,
    scaling: PixelScaling,
    model: &Model,
    data: &LabelledImages,
    device: &Device,
) -> Evaluation {
    let float = float_classes(network, scaling, &data.images, device);
    let integer: Vec<usize> = classify_all(model, &data.images)
        .iter()
        .map(|answer| answer.class)
        .collect();
    let agreeing = float
        .iter()
        .zip(&integer)
        .filter(|(float, integer)| float == integer)
        .count();
    let float_confusion = confusion(&data.labels, &float);
    let int8_confusion = confusion(&data.labels, &integer);
    Evaluation {
        images: data.len(),
        float_top1: percent(correct(&float_confusion), data.len()),
        int8_top1: percent(correct(&int8_confusion), data.len()),
        agreement: percent(agreeing, data.len()),
        float_confusion,
        int8_confusion,
    }
}

/// The integer network's answer to each image, on all cores.
pub fn classify_all(model: &Model, images: &[Image]) -> Vec<Classification> {
    images
        .par_iter()
        .map_init(
            || vec![0; model.arena_len()],
            |arena, image| {
                Interpreter::new(model, arena)
                    .expect("the arena has the model's own length")
                    .classify(image)
            },
        )
        .collect()
}

/// The float network's logits for each image; `network` stands on `device` without autodiff.
pub fn float_logits(
    network: &Network,
    scaling: PixelScaling,
    images: &[Image],
    device: &Device,
) -> Vec<[f32; CLASSES]> {
    const IMAGES_AT_ONCE: usize = 128;
    let mut logits = Vec::with_capacity(images.len());
    for chunk in images.chunks(IMAGES_AT_ONCE) {
        let output = network.forward(to_tensor(chunk, scaling, device), &DropoutMasks::default());
        let values = numbers(output);
        let (rows, _) = values.as_chunks::<CLASSES>();
        logits.extend_from_slice(rows);
    }
    logits
}

/// Softmax, for logits of the float network.
pub fn softmax(logits: &[f32; CLASSES]) -> [f32; CLASSES] {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials = logits.map(|logit| (logit - largest).exp());
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}

/// Position of the largest value, the first of equals.
pub fn largest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, index| {
        if values[index] > values[best] {
            index
        } else {
            best
        }
    })
}

fn float_classes(
    network: &Network,
    scaling: PixelScaling,
    images: &[Image],
    device: &Device,
) -> Vec<usize> {
    let logits = float_logits(network, scaling, images, device);
    logits.iter().map(|logits| largest(logits)).collect()
}

fn confusion(labels: &[u8], predictions: &[usize]) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::default();
    for (&label, &prediction) in labels.iter().zip(predictions) {
        matrix[usize::from(label)][prediction] += 1;
    }
    matrix
}

fn correct(matrix: &ConfusionMatrix) -> usize {
    (0..CLASSES)
        .map(|class| matrix[class][class] as usize)
        .sum()
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
