//! What is chosen by measurement: the part of each layer's range that is cut off, and whether biases are corrected.
//!
//! Ranges and means come from some training images, the choice is made on others; the test set has no part in it.

use rayon::prelude::*;
use shared_model::graph::LayerKind;
use shared_model::{Image, Model};

use super::calibration::{ActivationRange, Calibration};
use super::float_layers::FloatLayer;
use super::integer_layers::{self, InputQuantization};
use super::{NOT_MEASURED, Quantization, QuantizeError, sqnr};
use crate::recipe::Recipe;

/// Parts of the activations cut off at each end that are tried.
pub const CLIPS: [f64; 5] = [0.0, 1e-5, 3e-5, 1e-4, 3e-4];

/// What can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// For each layer but the last, a position in [`CLIPS`].
    pub clips: Vec<usize>,
    /// Whether each bias takes back what the rounding of weights adds to the mean of its channel.
    pub bias_correction: bool,
}

/// A choice, and what became of it.
pub struct Candidate {
    /// What was chosen.
    pub choice: Choice,
    /// The integer network.
    pub quantization: Quantization,
    /// Of its logits, in dB.
    pub sqnr_db: f64,
}

/// What choices are made from.
pub struct Search<'a> {
    layers: &'a [FloatLayer],
    recipe: &'a Recipe,
    /// Of each layer but the last, for each of [`CLIPS`].
    ranges: Vec<Vec<ActivationRange>>,
    /// Of each layer's inputs, as real numbers: a channel of a convolution's, an input of a dense layer's.
    input_means: Vec<Vec<f64>>,
    images: &'a [Image],
    logits: &'a [f32],
}

impl<'a> Search<'a> {
    /// A search that judges by `images`, of which the float network's logits are `logits`, `[images][classes]`.
    pub fn new(
        layers: &'a [FloatLayer],
        recipe: &'a Recipe,
        calibration: &Calibration,
        images: &'a [Image],
        logits: &'a [f32],
    ) -> Self {
        let ranges = calibration.activations.par_iter().map(|activations| {
            CLIPS
                .iter()
                .map(|&clip| ActivationRange::of(activations, clip))
                .collect()
        });
        let means = layers[1..]
            .iter()
            .zip(&calibration.activations)
            .map(|(layer, activations)| means(activations, inputs(&layer.kind)));
        Self {
            layers,
            recipe,
            ranges: ranges.collect(),
            input_means: std::iter::once(calibration.pixel_means.clone())
                .chain(means)
                .collect(),
            images,
            logits,
        }
    }

    /// One clip for all layers.
    pub fn uniform(&self, clip: usize, bias_correction: bool) -> Result<Candidate, QuantizeError> {
        self.candidate(Choice {
            clips: vec![clip; self.ranges.len()],
            bias_correction,
        })
    }

    /// Tries every other clip for one layer after the other, and keeps what makes the logits better.
    pub fn refined(&self, start: Candidate) -> Candidate {
        let mut best = start;
        for layer in 0..self.ranges.len() {
            let present = best.choice.clips[layer];
            for clip in (0..CLIPS.len()).filter(|&clip| clip != present) {
                let mut choice = best.choice.clone();
                choice.clips[layer] = clip;
                // A range that cannot be expressed is no candidate.
                if let Ok(candidate) = self.candidate(choice)
                    && candidate.sqnr_db > best.sqnr_db
                {
                    best = candidate;
                }
            }
        }
        best
    }

    fn candidate(&self, choice: Choice) -> Result<Candidate, QuantizeError> {
        let quantization = self.quantized(&choice)?;
        let blob = quantization.blob(&self.recipe.preset, self.recipe, 0, NOT_MEASURED)?;
        let sqnr_db = sqnr::of_logits(&Model::load(&blob)?, self.images, self.logits);
        Ok(Candidate {
            choice,
            quantization,
            sqnr_db,
        })
    }

    fn quantized(&self, choice: &Choice) -> Result<Quantization, QuantizeError> {
        let with_mean = |input: InputQuantization, layer: usize| {
            if choice.bias_correction {
                input.with_mean(&self.input_means[layer])
            } else {
                input
            }
        };
        let image = InputQuantization::of_image(self.recipe.pixel_scaling);
        let padding = image
            .padding()
            .try_into()
            .expect("an image has three channels");
        let mut input = with_mean(image, 0);
        let mut layers = Vec::new();
        let (last, hidden) = self.layers.split_last().expect("a network has layers");
        for (index, layer) in hidden.iter().enumerate() {
            let range = self.ranges[index][choice.clips[index]];
            layers.push(integer_layers::hidden_layer(index, layer, &input, range)?);
            input = with_mean(InputQuantization::of_activation(range), index + 1);
        }
        let (logits, logit_fraction_bits) =
            integer_layers::logits_layer(hidden.len(), last, &input)?;
        layers.push(logits);
        Ok(Quantization {
            layers,
            padding,
            logit_fraction_bits,
            known_answer: self.images[0],
        })
    }
}

/// How many inputs of a layer differ in their mean: its channels, or all of a dense layer's.
fn inputs(kind: &LayerKind) -> usize {
    match *kind {
        LayerKind::Convolution {
            input: [_, _, channels],
            ..
        } => channels.into(),
        LayerKind::Dense { inputs, .. } => inputs.into(),
    }
}

/// Means of `count` interleaved sequences.
fn means(values: &[f32], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for group in values.chunks_exact(count) {
        for (sum, &value) in sums.iter_mut().zip(group) {
            *sum += f64::from(value);
        }
    }
    let groups = values.len() / count;
    sums.into_iter().map(|sum| sum / groups as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_taken_a_channel() {
        assert_eq!(means(&[1.0, 10.0, 3.0, 30.0], 2), [2.0, 20.0]);
        let dense = LayerKind::Dense {
            inputs: 4,
            outputs: 2,
        };
        assert_eq!(inputs(&dense), 4);
    }
}
