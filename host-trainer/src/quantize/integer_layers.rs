//! From a float layer to the integer layer's numbers: see `shared-model/NUMERICS.md`.

use shared_model::encode;
use shared_model::graph::{LayerKind, Output};

use super::QuantizeError;
use super::calibration::ActivationRange;
use super::float_layers::FloatLayer;
use crate::recipe::PixelScaling;

/// Real 1 in the units of multipliers and offsets, which a requantization shifts down by 32.
const ONE: f64 = 4_294_967_296.0;

/// Most fraction bits that a logit may have.
const MOST_FRACTION_BITS: u8 = 16;

/// How a layer's input is quantized: `real = scale[c] · (q − zero_point[c])`, a channel at a time.
pub struct InputQuantization {
    scale: Vec<f64>,
    zero_point: Vec<f64>,
}

impl InputQuantization {
    /// Of the image: pixel − 128, whose scale and zero point differ from channel to channel.
    pub fn of_image(scaling: PixelScaling) -> Self {
        let (mean, deviation) = scaling.mean_and_deviation();
        Self {
            scale: deviation
                .iter()
                .map(|&deviation| 1.0 / (255.0 * f64::from(deviation)))
                .collect(),
            zero_point: mean
                .iter()
                .map(|&mean| 255.0 * f64::from(mean) - 128.0)
                .collect(),
        }
    }

    /// Of a layer's output.
    pub fn of_activation(range: ActivationRange) -> Self {
        Self {
            scale: vec![f64::from(range.scale())],
            zero_point: vec![f64::from(range.zero_point())],
        }
    }

    /// What padding writes, a channel: the zero point, rounded to the nearest integer.
    pub fn padding(&self) -> Vec<i8> {
        self.zero_point
            .iter()
            .map(|zero_point| zero_point.round().clamp(-128.0, 127.0) as i8)
            .collect()
    }
}

/// A layer with int8 outputs in `range`.
pub fn hidden_layer(
    index: usize,
    layer: &FloatLayer,
    input: &InputQuantization,
    range: ActivationRange,
) -> Result<encode::Layer, QuantizeError> {
    let (scale, zero_point) = (f64::from(range.scale()), f64::from(range.zero_point()));
    let output = Output::Int8 {
        scale: range.scale(),
        zero_point: range.zero_point(),
    };
    integer_layer(
        index,
        layer,
        input,
        output,
        |value| value / scale,
        zero_point,
    )
}

/// The last layer, with as many fraction bits in the logits as its multipliers allow, and their number.
pub fn logits_layer(
    index: usize,
    layer: &FloatLayer,
    input: &InputQuantization,
) -> Result<(encode::Layer, u8), QuantizeError> {
    let mut result = Err(QuantizeError::NotFinite {
        layer: index,
        channel: 0,
    });
    for fraction_bits in (0..=MOST_FRACTION_BITS).rev() {
        let unit = f64::from(1_u32 << fraction_bits);
        result = integer_layer(
            index,
            layer,
            input,
            Output::Logits,
            |value| value * unit,
            0.0,
        )
        .map(|layer| (layer, fraction_bits));
        if !matches!(result, Err(QuantizeError::MultiplierTooLarge { .. })) {
            break;
        }
    }
    result
}

/// `to_units` scales a real output to the units of the integer output, in which `zero_point` is then added.
fn integer_layer(
    index: usize,
    layer: &FloatLayer,
    input: &InputQuantization,
    output: Output,
    to_units: impl Fn(f64) -> f64,
    zero_point: f64,
) -> Result<encode::Layer, QuantizeError> {
    let inputs = layer.weights.len() / layer.outputs();
    let mut result = encode::Layer {
        kind: layer.kind,
        relu: layer.relu,
        output,
        weights: Vec::with_capacity(layer.weights.len()),
        biases: Vec::new(),
        multipliers: Vec::new(),
        offsets: Vec::new(),
    };
    for (channel, weights) in layer.weights.chunks_exact(inputs).enumerate() {
        let (quantized, weight_scale) = quantize_weights(weights, &input.scale);
        let zero_points = input.zero_point.iter().cycle();
        let shifted: f64 = quantized
            .iter()
            .zip(zero_points)
            .map(|(&w, zero)| f64::from(w) * zero)
            .sum();
        let bias = f64::from(layer.bias[channel]) / weight_scale - shifted;
        let slope = f64::from(layer.scale[channel]);
        let multiplier = to_units(slope * weight_scale) * ONE;
        let offset = (to_units(f64::from(layer.shift[channel])) + zero_point) * ONE + ONE / 2.0;
        let place = (index, channel);
        result
            .biases
            .push(to_i32(bias, place, |layer, channel, value| {
                QuantizeError::BiasTooLarge {
                    layer,
                    channel,
                    value,
                }
            })?);
        result
            .multipliers
            .push(to_i32(multiplier, place, |layer, channel, value| {
                QuantizeError::MultiplierTooLarge {
                    layer,
                    channel,
                    value: value / ONE,
                }
            })?);
        result.offsets.push(to_i64(offset, place)?);
        result.weights.extend(quantized);
    }
    Ok(result)
}

/// One output channel's weights, times their input channel's scale, as −127…127; and the real value of 1.
fn quantize_weights(weights: &[f32], input_scale: &[f64]) -> (Vec<i8>, f64) {
    let scaled: Vec<f64> = weights
        .iter()
        .zip(input_scale.iter().cycle())
        .map(|(&weight, scale)| f64::from(weight) * scale)
        .collect();
    let largest = scaled
        .iter()
        .fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    let quantized = scaled
        .iter()
        .map(|weight| (weight / scale).round() as i8)
        .collect();
    (quantized, scale)
}

fn to_i32(
    value: f64,
    (layer, channel): (usize, usize),
    too_large: impl Fn(usize, usize, f64) -> QuantizeError,
) -> Result<i32, QuantizeError> {
    if !value.is_finite() {
        return Err(QuantizeError::NotFinite { layer, channel });
    }
    let rounded = value.round();
    if rounded < f64::from(i32::MIN) || rounded > f64::from(i32::MAX) {
        return Err(too_large(layer, channel, value));
    }
    Ok(rounded as i32)
}

fn to_i64(value: f64, (layer, channel): (usize, usize)) -> Result<i64, QuantizeError> {
    /// Far inside of i64, and far beyond what an int8 output can need.
    const LIMIT: f64 = 4.0e18;
    match value.is_finite() {
        false => Err(QuantizeError::NotFinite { layer, channel }),
        true if value.abs() > LIMIT => Err(QuantizeError::OffsetTooLarge {
            layer,
            channel,
            value: value / ONE,
        }),
        true => Ok(value.round() as i64),
    }
}

/// Whether a layer is a convolution, for people.
pub fn describe(kind: &LayerKind) -> String {
    match kind {
        LayerKind::Convolution {
            input: [height, width, channels],
            output_channels,
            pool,
        } => format!(
            "conv 3×3 {height}×{width}×{channels} → {output_channels}{}",
            if *pool { ", pool" } else { "" }
        ),
        LayerKind::Dense { inputs, outputs } => format!("dense {inputs} → {outputs}"),
    }
}
