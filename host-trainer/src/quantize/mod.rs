//! From float weights to the integer network: calibration, rounding, and the proof that nothing overflows.
//!
//! Batch normalization is exact in the requantization; what is lost is lost by rounding weights, activations and the
//! padding of the image. The blob's reader recomputes the overflow proof, and [`quantize`] asks it.

mod calibration;
pub(crate) mod float_layers;
mod integer_layers;
mod search;
mod sqnr;
mod transformed;
mod untrained;

use serde::{Deserialize, Serialize};
use shared_model::encode::{self, EncodeError, KnownPicture};
use shared_model::graph::{Accuracy, Decision, Provenance};
use shared_model::{AlignedBytes, LoadError, Model};

use crate::dataset::{Description, Image};
use crate::operations::{OperationSummary, summaries};
use crate::recipe::Recipe;
pub use float_layers::{FloatLayer, LayerKind};
use search::{CLIPS, Candidate, Search};
pub use transformed::NoRoom;

/// Training images that the quantizer needs, no more: half of them for ranges, half to choose by. Further ones change
/// nothing that can be measured.
pub const CALIBRATION_IMAGES: usize = 1024;

/// What a blob says about its accuracy before anybody looked.
pub const NOT_MEASURED: Accuracy = Accuracy { images: 0, float_top1: 0.0, int8_top1: 0.0, agreement: 0.0 };

/// Why a network cannot become an integer network.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A weight, bias or statistic is infinite or no number.
    #[error(
        "layer {layer}, channel {channel}: a weight or statistic is not finite; the training diverged, train again with a lower learning rate"
    )]
    NotFinite {
        /// Of the network, from 0.
        layer: usize,
        /// Output channel.
        channel: usize,
    },
    /// A bias needs more than 32 bits.
    #[error(
        "layer {layer}, channel {channel}: the bias is {value:e} times the smallest product, 32 bits do not hold it; the layer has too many inputs"
    )]
    BiasTooLarge {
        /// Of the network, from 0.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// In units of the accumulator.
        value: f64,
    },
    /// A requantization would have to enlarge.
    #[error(
        "layer {layer}, channel {channel}: an accumulator would be multiplied by {value:.3}, at most 0.5 can be expressed; its outputs are nearly constant, train again with less weight decay"
    )]
    MultiplierTooLarge {
        /// Of the network, from 0.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// Output steps an accumulator step.
        value: f64,
    },
    /// A shift is beyond all outputs.
    #[error(
        "layer {layer}, channel {channel}: batch normalization shifts outputs by {value:e} steps of 255; its variance is nearly zero"
    )]
    OffsetTooLarge {
        /// Of the network, from 0.
        layer: usize,
        /// Output channel.
        channel: usize,
        /// In output steps.
        value: f64,
    },
    /// There is nothing to calibrate on.
    #[error("calibration needs at least two images")]
    TooFewImages,
    /// The writer refused: an accumulator could overflow, or a shape is not possible.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The reader refused what was written.
    #[error("the blob that was written cannot be read: {0}")]
    Load(#[from] LoadError),
}

/// A trained network and what it makes of training images: all that the quantizer needs to know.
pub struct Trained<'a> {
    /// How it was trained.
    pub recipe: &'a Recipe,
    /// What it was trained on.
    pub dataset: &'a Description,
    /// Its numbers.
    pub layers: Vec<FloatLayer>,
    /// Images that ranges are measured on.
    pub measured: &'a [Image],
    /// What every layer but the last makes of `measured`, behind the pool where there is one, `[images][h, w, c]`.
    pub activations: Vec<Vec<f32>>,
    /// Other images, by which choices are made.
    pub chosen_by: &'a [Image],
    /// The logits of `chosen_by`, `[images][classes]`.
    pub logits: Vec<f32>,
}

/// An integer network.
pub struct Quantization {
    recipe: Recipe,
    dataset: Description,
    layers: Vec<encode::Layer>,
    padding: Vec<i8>,
    logit_fraction_bits: u8,
    known_picture: Image,
    /// Kind and content of each of the blob's.
    extensions: Vec<(u16, Vec<u8>)>,
}

/// How a network was quantized, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizationReport {
    /// Training images that the ranges were measured on.
    pub calibration_images: usize,
    /// Other training images, by which each clip was chosen.
    pub choice_images: usize,
    /// What was tried for all operations alike.
    pub tried: Vec<Trial>,
    /// Signal to quantization noise ratio of the logits in dB, with each operation's own clip.
    pub logits_sqnr_db: f64,
    /// In the order of computation.
    pub operations: Vec<OperationReport>,
}

/// A clip for all operations, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Part of each operation's outputs that is cut off at each end.
    pub clip: f64,
    /// Signal to quantization noise ratio of the logits, in dB.
    pub logits_sqnr_db: f64,
}

/// How one operation was quantized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationReport {
    /// What the blob says about it.
    #[serde(flatten)]
    pub summary: OperationSummary,
    /// Part of the outputs that was cut off at each end; `None` of the logits, which have 32 bits, and of a pool.
    pub clip: Option<f64>,
    /// Signal to quantization noise ratio of the output against the float network in dB: of the logits by the images
    /// that choices were made by, of others by the calibration's. `None` where the same step's pool follows.
    pub sqnr_db: Option<f64>,
}

/// Quantizes a trained network.
pub fn quantize(trained: &Trained) -> Result<(Quantization, QuantizationReport), QuantizeError> {
    if trained.measured.is_empty() || trained.chosen_by.is_empty() {
        return Err(QuantizeError::TooFewImages);
    }
    check_finite(&trained.layers)?;
    let search = Search::new(trained);
    let (tried, best) = try_uniform(&search)?;
    let best = search.refined(best);
    let blob = best.quantization.blob(&trained.recipe.preset, 0, Decision::default(), NOT_MEASURED)?;
    let report = QuantizationReport {
        calibration_images: trained.measured.len(),
        choice_images: trained.chosen_by.len(),
        tried,
        logits_sqnr_db: best.sqnr_db,
        operations: operation_reports(&Model::load(&blob)?, &best, trained),
    };
    Ok((best.quantization, report))
}

/// Every clip that is the same for all layers, and the best of them.
fn try_uniform(search: &Search) -> Result<(Vec<Trial>, Candidate), QuantizeError> {
    let candidates = (0..CLIPS.len()).map(|clip| search.uniform(clip));
    let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
    let trials =
        CLIPS.iter().zip(&candidates).map(|(&clip, candidate)| Trial { clip, logits_sqnr_db: candidate.sqnr_db });
    let trials = trials.collect();
    let best = candidates.into_iter().max_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    Ok((trials, best.expect("CLIPS is not empty")))
}

fn operation_reports(model: &Model, candidate: &Candidate, trained: &Trained) -> Vec<OperationReport> {
    let mut ratios = sqnr::of_hidden_steps(model, trained.measured, &trained.activations);
    ratios.push(candidate.sqnr_db);
    let summaries = summaries(model);
    let steps: Vec<usize> = summaries.iter().map(|summary| summary.step).collect();
    let reports = summaries.into_iter().enumerate().map(|(index, summary)| {
        let step = summary.step;
        let is_first = index == 0 || steps[index - 1] != step;
        let is_last = steps.get(index + 1) != Some(&step);
        let clip = candidate.clips.get(step).filter(|_| is_first);
        OperationReport { summary, clip: clip.map(|&clip| CLIPS[clip]), sqnr_db: is_last.then_some(ratios[step]) }
    });
    reports.collect()
}

fn check_finite(layers: &[FloatLayer]) -> Result<(), QuantizeError> {
    for (index, layer) in layers.iter().enumerate() {
        let Some(inputs) = layer.weights.len().checked_div(layer.outputs()) else {
            continue;
        };
        for (channel, weights) in layer.weights.chunks_exact(inputs).enumerate() {
            let others = [layer.bias[channel], layer.scale[channel], layer.shift[channel]];
            if !weights.iter().chain(&others).all(|value| value.is_finite()) {
                return Err(QuantizeError::NotFinite { layer: index, channel });
            }
        }
    }
    Ok(())
}

impl Quantization {
    /// The blob of the model `name`, which believes its answers by `decision`, with the figures that were measured for it.
    pub fn blob(
        &self,
        name: &str,
        epochs: u16,
        decision: Decision,
        accuracy: Accuracy,
    ) -> Result<AlignedBytes, QuantizeError> {
        let statistics = self.recipe.normalization.statistics(&self.dataset.statistics);
        let network = encode::Network {
            name,
            labels: self.dataset.labels.clone(),
            input: self.dataset.shape(),
            padding: self.padding.clone(),
            mean: statistics.mean.iter().map(|mean| 255.0 * mean).collect(),
            scale: statistics.deviation.iter().map(|deviation| 1.0 / (255.0 * deviation)).collect(),
            layers: self.layers.clone(),
            logit_fraction_bits: self.logit_fraction_bits,
            decision,
            known_picture: KnownPicture::Pixels(self.known_picture.to_vec()),
            accuracy,
            provenance: Provenance {
                preset: &self.recipe.preset,
                epochs,
                seed: self.recipe.seed,
                trainer: env!("CARGO_PKG_VERSION"),
            },
            extensions: self.extensions.clone(),
        };
        Ok(encode::encode(&network)?)
    }
}
