//! Signal to quantization noise ratio of the integer network against the float network.

use rayon::prelude::*;
use shared_model::graph::{Graph, Output};
use shared_model::{Hook, Image, Interpreter, Model};

use super::calibration::Calibration;
use crate::evaluate::classify_all;

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
        Self {
            signal: self.signal + other.signal,
            noise: self.noise + other.noise,
        }
    }

    fn decibels(self) -> f64 {
        10.0 * (self.signal / self.noise).log10()
    }
}

/// Of the logits, in dB.
///
/// `float` holds the float network's logits, `[images][classes]`.
pub fn of_logits(model: &Model, images: &[Image], float: &[f32]) -> f64 {
    let scale = f64::from(logit_scale(model.graph()));
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

/// Of every layer but the last, which is measured by [`of_logits`]: in dB.
pub fn of_hidden_layers(model: &Model, images: &[Image], calibration: &Calibration) -> Vec<f64> {
    let hidden = model.graph().layers.len() - 1;
    let powers = images
        .par_iter()
        .enumerate()
        .map_init(
            || vec![0; model.arena_len()],
            |arena, (index, image)| image_power(model, arena, image, index, calibration),
        )
        .collect::<Vec<_>>();
    let sums = powers
        .into_iter()
        .fold(vec![Power::default(); hidden], |sums, powers| {
            let pairs = sums.into_iter().zip(powers);
            pairs.map(|(sum, power)| sum.plus(power)).collect()
        });
    sums.into_iter().map(Power::decibels).collect()
}

/// Real value of a logit's 1.
pub fn logit_scale(graph: &Graph) -> f32 {
    1.0 / (1_u32 << graph.logit_fraction_bits) as f32
}

fn image_power(
    model: &Model,
    arena: &mut [u8],
    image: &Image,
    index: usize,
    calibration: &Calibration,
) -> Vec<Power> {
    let graph = model.graph();
    let floats = graph
        .layers
        .iter()
        .zip(&calibration.activations)
        .map(|(layer, activations)| {
            let [height, width, channels] = layer.kind.output_shape().map(usize::from);
            let size = height * width * channels;
            &activations[index * size..(index + 1) * size]
        });
    let mut comparison = Comparison {
        graph,
        floats: floats.collect(),
        powers: vec![Power::default(); graph.layers.len() - 1],
    };
    Interpreter::new(model, arena)
        .expect("the arena has the model's own length")
        .classify_with(image, &mut comparison);
    comparison.powers
}

/// Compares each row with what is left of the float network's activations of its layer.
struct Comparison<'a> {
    graph: &'a Graph<'a>,
    floats: Vec<&'a [f32]>,
    powers: Vec<Power>,
}

impl Hook for Comparison<'_> {
    fn leave(&mut self, layer: usize, row: &[i8]) {
        let Output::Int8 { scale, zero_point } = self.graph.layers[layer].output else {
            return;
        };
        let (floats, rest) = self.floats[layer].split_at(row.len());
        for (&float, &integer) in floats.iter().zip(row) {
            let real = f64::from(scale) * (f64::from(integer) - f64::from(zero_point));
            self.powers[layer].add(float, real);
        }
        self.floats[layer] = rest;
    }
}
