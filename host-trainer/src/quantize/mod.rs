//! From float weights to the integer network: calibration, rounding, and the proof that nothing overflows.
//!
//! Batch normalization is exact in the requantization; what is lost is lost by rounding weights, activations and the
//! padding of the image. The blob's reader recomputes the overflow proof, and [`quantize`] asks it.

mod calibration;
mod float_layers;
mod integer_layers;
mod sqnr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shared_model::encode::{self, EncodeError};
use shared_model::graph::{Accuracy, Output, PixelScaling, Provenance};
use shared_model::{AlignedBytes, Image, LoadError, Model};

use crate::dataset;
use crate::network::Network;
use crate::recipe::Recipe;
use calibration::{ActivationRange, Calibration};
use float_layers::{FloatLayer, float_layers};
use integer_layers::InputQuantization;

/// Parts of the activations cut off at each end, of which the quantizer takes the one with the best logits.
const CLIPS: [f64; 5] = [0.0, 1e-5, 3e-5, 1e-4, 3e-4];

/// Training images that a calibration needs, no more: further ones change nothing that can be measured.
pub const CALIBRATION_IMAGES: usize = 512;

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
    #[error("calibration needs at least one image")]
    NoImages,
    /// The writer refused: an accumulator could overflow, or a shape is not possible.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The reader refused what was written.
    #[error("the blob that was written cannot be read: {0}")]
    Load(#[from] LoadError),
}

/// An integer network, and how it was found.
pub struct Quantization {
    layers: Vec<encode::Layer>,
    padding: [i8; 3],
    logit_fraction_bits: u8,
    known_answer: Image,
    /// Scales and losses, layer by layer.
    pub report: QuantizationReport,
}

/// How a network was quantized, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizationReport {
    /// Training images that the ranges were measured on.
    pub calibration_images: usize,
    /// Part of each layer's activations that was cut off at each end.
    pub clip: f64,
    /// Signal to quantization noise ratio of the logits, in dB, for each clip that was tried.
    pub tried: Vec<(f64, f64)>,
    /// In the order of computation.
    pub layers: Vec<LayerReport>,
}

/// How one layer was quantized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Operation and shapes.
    pub layer: String,
    /// Real distance of two neighbouring output integers.
    pub scale: f32,
    /// Integer that stands for 0.
    pub zero_point: i8,
    /// Signal to quantization noise ratio of the output against the float network, in dB.
    pub sqnr_db: f64,
}

/// Quantizes `network`, which stands on `device` without autodiff, with ranges measured on `images` (training images).
pub fn quantize(
    network: &Network,
    recipe: &Recipe,
    images: &[Image],
    device: &Device,
) -> Result<Quantization, QuantizeError> {
    let known_answer = *images.first().ok_or(QuantizeError::NoImages)?;
    let layers = float_layers(network);
    check_finite(&layers)?;
    let calibration = Calibration::measure(network, images, recipe.pixel_scaling, device);
    let mut tried = Vec::new();
    let mut best: Option<(f64, f64, Quantization)> = None;
    for clip in CLIPS {
        let candidate = with_clip(&layers, recipe, &calibration, clip, known_answer)?;
        let blob = candidate.blob(&recipe.preset, recipe, 0, NOT_MEASURED)?;
        let sqnr = sqnr::of_logits(&Model::load(&blob)?, images, &calibration);
        tried.push((clip, sqnr));
        if best.as_ref().is_none_or(|(_, best, _)| sqnr > *best) {
            best = Some((clip, sqnr, candidate));
        }
    }
    let (clip, _, mut quantization) = best.expect("CLIPS is not empty");
    let blob = quantization.blob(&recipe.preset, recipe, 0, NOT_MEASURED)?;
    quantization.report = QuantizationReport {
        calibration_images: images.len(),
        clip,
        tried,
        layers: sqnr::of_layers(&Model::load(&blob)?, images, &calibration),
    };
    Ok(quantization)
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

fn with_clip(
    layers: &[FloatLayer],
    recipe: &Recipe,
    calibration: &Calibration,
    clip: f64,
    known_answer: Image,
) -> Result<Quantization, QuantizeError> {
    let mut input = InputQuantization::of_image(recipe.pixel_scaling);
    let padding = input
        .padding()
        .try_into()
        .expect("an image has three channels");
    let mut quantized = Vec::new();
    let (last, hidden) = layers.split_last().expect("a network has layers");
    for (index, (layer, activations)) in hidden.iter().zip(&calibration.activations).enumerate() {
        let range = ActivationRange::of(activations, clip);
        quantized.push(integer_layers::hidden_layer(index, layer, &input, range)?);
        input = InputQuantization::of_activation(range);
    }
    let (logits, logit_fraction_bits) = integer_layers::logits_layer(hidden.len(), last, &input)?;
    quantized.push(logits);
    Ok(Quantization {
        layers: quantized,
        padding,
        logit_fraction_bits,
        known_answer,
        report: QuantizationReport {
            calibration_images: 0,
            clip,
            tried: Vec::new(),
            layers: Vec::new(),
        },
    })
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
            labels: dataset::CLASSES.map(str::to_owned).to_vec(),
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

impl LayerReport {
    fn new(layer: &shared_model::graph::Layer, logit_scale: f32, sqnr_db: f64) -> Self {
        let (scale, zero_point) = match layer.output {
            Output::Int8 { scale, zero_point } => (scale, zero_point),
            Output::Logits => (logit_scale, 0),
        };
        Self {
            layer: integer_layers::describe(&layer.kind),
            scale,
            zero_point,
            sqnr_db,
        }
    }
}

pub use integer_layers::describe;
