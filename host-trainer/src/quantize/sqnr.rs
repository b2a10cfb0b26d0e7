//! Signal to quantization noise ratio of the integer network against the float network.

use rayon::prelude::*;
use shared_model::{Hook, Interpreter, Model};

use crate::dataset::Image;
use crate::evaluate::classify_all;
use crate::operations::{logit_scale, summaries};

/// Sums of squares of a signal and of its error.
#[derive(Clone, Copy, Default)]
struct Power {
    signal: f64,
    noise: f64,
}

impl Power {
    fn add(&mut self, float: f32, integer: f64) {
        let float = f64::from(float);
        self.signal += float * float;
        self.noise += (float - integer) * (float - integer);
    }

    fn plus(self, other: Self) -> Self {
        Self { signal: self.signal + other.signal, noise: self.noise + other.noise }
    }

    fn decibels(self) -> f64 {
        10.0 * (self.signal / self.noise).log10()
    }
}

/// Of the logits, in dB.
///
/// `float` holds the float network's logits, `[images][classes]`.
pub fn of_logits(model: &Model, images: &[Image], float: &[f32]) -> f64 {
    let scale = f64::from(logit_scale(model));
    let mut power = Power::default();
    let answers = classify_all(model, images);
    let classes = model.graph().labels.len();
    for (answer, floats) in answers.iter().zip(float.chunks_exact(classes)) {
        for (&logit, &float) in answer.logits.iter().zip(floats) {
            power.add(float, f64::from(logit) * scale);
        }
    }
    power.decibels()
}

/// Of every step but the last, which is measured by [`of_logits`]: in dB.
pub fn of_hidden_steps(model: &Model, images: &[Image], activations: &[Vec<f32>]) -> Vec<f64> {
    let operations = summaries(model);
    let steps = model.steps().iter().zip(activations);
    let steps = steps.map(|(step, activations)| {
        let operation = &operations[step.operation];
        let scale = operation.scale.zip(operation.zero_point);
        let (scale, zero_point) = scale.expect("a hidden step gives activations");
        HiddenStep {
            scale: scale.into(),
            zero_point: zero_point.into(),
            floats: activations.chunks_exact(step.output.elements()).collect(),
        }
    });
    let steps: Vec<HiddenStep> = steps.collect();
    let powers = images
        .par_iter()
        .enumerate()
        .map_init(
            || vec![0; model.fast_arena_len()],
            |arena, (index, image)| image_power(model, arena, image, index, &steps),
        )
        .collect::<Vec<_>>();
    let sums = powers.into_iter().fold(vec![Power::default(); steps.len()], |sums, powers| {
        let pairs = sums.into_iter().zip(powers);
        pairs.map(|(sum, power)| sum.plus(power)).collect()
    });
    sums.into_iter().map(Power::decibels).collect()
}

/// A step whose output is activations.
struct HiddenStep<'a> {
    scale: f64,
    zero_point: f64,
    /// What the float network has there, an image.
    floats: Vec<&'a [f32]>,
}

fn image_power(model: &Model, arena: &mut [u8], image: &Image, index: usize, steps: &[HiddenStep]) -> Vec<Power> {
    let mut comparison = Comparison {
        steps,
        floats: steps.iter().map(|step| step.floats[index]).collect(),
        powers: vec![Power::default(); steps.len()],
    };
    Interpreter::new(model, arena)
        .expect("the arena has a length that the model asks for")
        .classify_with(image, &mut comparison)
        .expect("the model was made for such images");
    comparison.powers
}

/// Compares each row with what is left of the float network's activations of its step.
struct Comparison<'a> {
    steps: &'a [HiddenStep<'a>],
    floats: Vec<&'a [f32]>,
    powers: Vec<Power>,
}

impl Hook for Comparison<'_> {
    fn leave(&mut self, step: usize, row: &[i8]) {
        let Some(&HiddenStep { scale, zero_point, .. }) = self.steps.get(step) else {
            return;
        };
        let (floats, rest) = self.floats[step].split_at(row.len());
        for (&float, &integer) in floats.iter().zip(row) {
            self.powers[step].add(float, scale * (f64::from(integer) - zero_point));
        }
        self.floats[step] = rest;
    }
}
