//! What is chosen by measurement: the part of each layer's range that is cut off.
//!
//! Ranges come from some training images, the choice is made by others; the test set has no part in it. On the model of
//! this repository a clip of its own for each layer gives the logits 0.9 dB over the best one for all. To correct biases
//! by what the rounding of weights adds to the mean of each channel (Nagel, van Baalen, Blankevoort, Welling, "Data-Free
//! Quantization Through Weight Equalization and Bias Correction", 2019) changed at most 0.1 dB there, up or
//! down, whatever the clip, and was left out.

use rayon::prelude::*;
use shared_model::graph::Decision;
use shared_model::ops::{MaxPool, Operation};
use shared_model::{Model, encode};

use super::calibration::ActivationRange;
use super::integer_layers::{self, InputQuantization};
use super::{LayerKind, NOT_MEASURED, Quantization, QuantizeError, Trained, sqnr};

/// Parts of the activations cut off at each end that are tried.
pub const CLIPS: [f64; 5] = [0.0, 1e-5, 3e-5, 1e-4, 3e-4];

/// A choice, and what became of it.
pub struct Candidate {
    /// For each layer but the last, a position in [`CLIPS`].
    pub clips: Vec<usize>,
    /// The integer network.
    pub quantization: Quantization,
    /// Of its logits, in dB.
    pub sqnr_db: f64,
}

/// What choices are made from.
pub struct Search<'a> {
    trained: &'a Trained<'a>,
    /// Of each layer but the last, for each of [`CLIPS`].
    ranges: Vec<Vec<ActivationRange>>,
}

impl<'a> Search<'a> {
    /// A search for the best integer network.
    pub fn new(trained: &'a Trained<'a>) -> Self {
        let ranges = trained.activations.par_iter().map(|activations| {
            let range = |&clip| ActivationRange::of(activations, clip);
            CLIPS.iter().map(range).collect()
        });
        Self { trained, ranges: ranges.collect() }
    }

    /// One clip for all layers, a position in [`CLIPS`].
    pub fn uniform(&self, clip: usize) -> Result<Candidate, QuantizeError> {
        self.candidate(vec![clip; self.ranges.len()])
    }

    /// Tries every other clip for one layer after the other, and keeps what makes the logits better.
    pub fn refined(&self, start: Candidate) -> Candidate {
        let mut best = start;
        for layer in 0..self.ranges.len() {
            let present = best.clips[layer];
            for clip in (0..CLIPS.len()).filter(|&clip| clip != present) {
                let mut clips = best.clips.clone();
                clips[layer] = clip;
                // A range that cannot be expressed is no candidate.
                if let Ok(candidate) = self.candidate(clips)
                    && candidate.sqnr_db > best.sqnr_db
                {
                    best = candidate;
                }
            }
        }
        best
    }

    fn candidate(&self, clips: Vec<usize>) -> Result<Candidate, QuantizeError> {
        let quantization = self.quantized(&clips)?;
        let blob = quantization.blob(&self.trained.recipe.preset, 0, Decision::default(), NOT_MEASURED)?;
        let sqnr_db = sqnr::of_logits(&Model::load(&blob)?, self.trained.chosen_by, &self.trained.logits);
        Ok(Candidate { clips, quantization, sqnr_db })
    }

    fn quantized(&self, clips: &[usize]) -> Result<Quantization, QuantizeError> {
        let Trained { recipe, dataset, layers: floats, .. } = self.trained;
        let mut input = InputQuantization::of_image(&recipe.normalization.statistics(&dataset.statistics));
        let padding = input.padding();
        let mut layers = Vec::new();
        let (last, hidden) = floats.split_last().expect("a network has layers");
        for (index, layer) in hidden.iter().enumerate() {
            let range = self.ranges[index][clips[index]];
            let range = match layer.kind {
                LayerKind::GlobalAverage { window } => range.at_least(input.finest_average(window)),
                LayerKind::Convolution { .. } | LayerKind::Dense => range,
            };
            layers.push(integer_layers::hidden_layer(index, layer, &input, range)?);
            match layer.kind {
                LayerKind::Convolution { pool: true } => {
                    let pool = Operation::MaxPool(MaxPool::HALVING);
                    layers.push(encode::Layer::without_numbers(pool));
                }
                LayerKind::Convolution { pool: false } | LayerKind::GlobalAverage { .. } | LayerKind::Dense => {}
            }
            input = InputQuantization::of_activation(range);
        }
        let (logits, logit_fraction_bits) = integer_layers::logits_layer(hidden.len(), last, &input)?;
        layers.push(logits);
        Ok(Quantization {
            recipe: (*recipe).clone(),
            dataset: (*dataset).clone(),
            layers,
            padding,
            logit_fraction_bits,
            known_picture: self.trained.chosen_by[0].clone(),
            extensions: Vec::new(),
        })
    }
}
