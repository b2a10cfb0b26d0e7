//! From float weights to the integer network: calibration, rounding, and the proof that nothing overflows.
//!
//! Batch normalization is exact in the requantization; what is lost is lost by rounding weights, activations and the
//! padding of the image. The blob's reader recomputes the overflow proof, and [`quantize`] asks it.

mod calibration;
mod float_layers;
mod integer_layers;
mod search;
mod sqnr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shared_model::encode::{self, EncodeError};
use shared_model::graph::{Accuracy, Output, PixelScaling, Provenance};
use shared_model::{AlignedBytes, Image, LoadError, Model};

use crate::evaluate::float_logits;
use crate::network::Network;
use crate::recipe::Recipe;
use calibration::Calibration;
use float_layers::{FloatLayer, float_layers};
use search::{CLIPS, Candidate, Search};

/// Training images that the quantizer needs, no more: half of them for ranges, half to choose by. Further ones change
/// nothing that can be measured.
pub const CALIBRATION_IMAGES: usize = 1024;

/// What a blob says about its accuracy before anybody looked.
pub const NOT_MEASURED: Accuracy = Accuracy {
    images: 0,
    float_top1: 0.0,
    int8_top1: 0.0,
    agreement: 0.0,
};

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
        "layer {layer}, channel {channel}: the bias is {value:e} times the smallest product, 32 bits do not hold it; its weights are nearly zero, train again with less weight decay"
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

/// An integer network.
pub struct Quantization {
    layers: Vec<encode::Layer>,
    padding: [i8; 3],
    logit_fraction_bits: u8,
    known_answer: Image,
}

/// How a network was quantized, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizationReport {
    /// Training images that the ranges were measured on.
    pub calibration_images: usize,
    /// Other training images, by which each layer's clip was chosen.
    pub choice_images: usize,
    /// What was tried for all layers alike.
    pub tried: Vec<Trial>,
    /// Signal to quantization noise ratio of the logits in dB, with each layer's own clip.
    pub logits_sqnr_db: f64,
    /// In the order of computation.
    pub layers: Vec<LayerReport>,
}

/// A clip for all layers, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Part of each layer's outputs that is cut off at each end.
    pub clip: f64,
    /// Signal to quantization noise ratio of the logits, in dB.
    pub logits_sqnr_db: f64,
}

/// How one layer was quantized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Operation and shapes.
    pub layer: String,
    /// Shape `[h, w, c]` of the output.
    pub output_shape: [u16; 3],
    /// Multiplications for one image.
    pub multiply_accumulates: u64,
    /// Size of its numbers in the blob.
    pub bytes: u32,
    /// Part of the outputs that was cut off at each end; `None` of the logits, which have 32 bits.
    pub clip: Option<f64>,
    /// Real distance of two neighbouring output integers.
    pub scale: f32,
    /// Integer that stands for 0.
    pub zero_point: i8,
    /// Signal to quantization noise ratio of the output against the float network in dB: of the logits by the images
    /// that choices were made by, of others by the calibration's.
    pub sqnr_db: f64,
}

/// Quantizes `network`, which stands on `device` without autodiff. Ranges are measured on the first half of `images`
/// (training images), choices are made by the second half.
pub fn quantize(
    network: &Network,
    recipe: &Recipe,
    images: &[Image],
    device: &Device,
) -> Result<(Quantization, QuantizationReport), QuantizeError> {
    let (measured, chosen_by) = images.split_at(images.len() / 2);
    if measured.is_empty() {
        return Err(QuantizeError::TooFewImages);
    }
    let layers = float_layers(network);
    check_finite(&layers)?;
    let calibration = Calibration::measure(network, measured, recipe.pixel_scaling, device);
    let logits = float_logits(network, recipe.pixel_scaling, chosen_by, device).concat();
    let search = Search::new(&layers, recipe, &calibration, chosen_by, &logits);
    let (tried, best) = try_uniform(&search)?;
    let best = search.refined(best);
    let blob = best
        .quantization
        .blob(&recipe.preset, recipe, 0, NOT_MEASURED)?;
    let report = QuantizationReport {
        calibration_images: measured.len(),
        choice_images: chosen_by.len(),
        tried,
        logits_sqnr_db: best.sqnr_db,
        layers: layer_reports(&Model::load(&blob)?, &best, measured, &calibration),
    };
    Ok((best.quantization, report))
}

/// Every clip that is the same for all layers, and the best of them.
fn try_uniform(search: &Search) -> Result<(Vec<Trial>, Candidate), QuantizeError> {
    let candidates = (0..CLIPS.len()).map(|clip| search.uniform(clip));
    let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
    let trials = CLIPS
        .iter()
        .zip(&candidates)
        .map(|(&clip, candidate)| Trial {
            clip,
            logits_sqnr_db: candidate.sqnr_db,
        });
    let trials = trials.collect();
    let best = candidates
        .into_iter()
        .max_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    Ok((trials, best.expect("CLIPS is not empty")))
}

fn layer_reports(
    model: &Model,
    candidate: &Candidate,
    images: &[Image],
    calibration: &Calibration,
) -> Vec<LayerReport> {
    let graph = model.graph();
    let clips = candidate.clips.iter().map(|&clip| Some(CLIPS[clip]));
    let ratios = sqnr::of_hidden_layers(model, images, calibration);
    let layers = graph.layers.iter();
    layers
        .zip(clips.chain([None]))
        .zip(ratios.into_iter().chain([candidate.sqnr_db]))
        .map(|((layer, clip), sqnr_db)| {
            let (scale, zero_point) = match layer.output {
                Output::Int8 { scale, zero_point } => (scale, zero_point),
                Output::Logits => (sqnr::logit_scale(graph), 0),
            };
            LayerReport {
                layer: describe(&layer.kind),
                output_shape: layer.kind.output_shape(),
                multiply_accumulates: layer.kind.multiply_accumulates(),
                bytes: size(layer),
                clip,
                scale,
                zero_point,
                sqnr_db,
            }
        })
        .collect()
}

fn check_finite(layers: &[FloatLayer]) -> Result<(), QuantizeError> {
    for (index, layer) in layers.iter().enumerate() {
        let inputs = layer.weights.len() / layer.outputs();
        for (channel, weights) in layer.weights.chunks_exact(inputs).enumerate() {
            let others = [
                layer.bias[channel],
                layer.scale[channel],
                layer.shift[channel],
            ];
            if !weights.iter().chain(&others).all(|value| value.is_finite()) {
                return Err(QuantizeError::NotFinite {
                    layer: index,
                    channel,
                });
            }
        }
    }
    Ok(())
}

impl Quantization {
    /// The blob of the model `name`, with the figures that were measured for it.
    pub fn blob(
        &self,
        name: &str,
        recipe: &Recipe,
        epochs: u16,
        accuracy: Accuracy,
    ) -> Result<AlignedBytes, QuantizeError> {
        let (mean, deviation) = recipe.pixel_scaling.mean_and_deviation();
        let network = encode::Network {
            name,
            labels: recipe
                .class_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            padding: self.padding,
            pixel_scaling: PixelScaling {
                mean: mean.iter().map(|mean| 255.0 * mean).collect(),
                scale: deviation
                    .iter()
                    .map(|deviation| 1.0 / (255.0 * deviation))
                    .collect(),
            },
            layers: self.layers.clone(),
            logit_fraction_bits: self.logit_fraction_bits,
            known_answer: self.known_answer,
            accuracy,
            provenance: Provenance {
                preset: &recipe.preset,
                epochs,
                seed: recipe.seed,
                trainer: env!("CARGO_PKG_VERSION"),
            },
        };
        Ok(encode::encode(&network)?)
    }
}

pub use integer_layers::describe;

/// Bytes of a layer's numbers in the blob.
pub fn size(layer: &shared_model::graph::Layer) -> u32 {
    let ranges = [
        layer.weights,
        layer.biases,
        layer.multipliers,
        layer.offsets,
    ];
    ranges.iter().map(|range| range.len).sum()
}
