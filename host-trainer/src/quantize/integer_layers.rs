//! From a float layer to the integer layer's numbers: see `shared-model/NUMERICS.md`.

use shared_model::ops::{AveragePool, Convolution, Dense, Epilogue, Operation, Output};
use shared_model::{Range, encode};

use super::QuantizeError;
use super::calibration::ActivationRange;
use super::float_layers::{FloatLayer, LayerKind};
use crate::dataset::ChannelStatistics;

/// Real 1 in the units of multipliers and offsets, which a requantization shifts down by 32.
const ONE: f64 = 4_294_967_296.0;

/// Output steps an accumulator step that a multiplier can express at most.
const LARGEST_MULTIPLIER: f64 = i32::MAX as f64 / ONE;

/// A hidden unit that hardly ever fires has next to no variance, and batch normalization magnifies what is left of
/// it. Its weights may be clipped to one part in so many of the largest, where its multiplier would not fit.
const LARGEST_WEIGHT_CLIP: f64 = 4.0;

/// The most that a bias may be beside the weights, in the accumulator's units. An accumulator of this size times a multiplier, which is
/// rounded, is right to 1/512 of an output step.
const LARGEST_BIAS: f64 = 16_777_216.0;

/// Most fraction bits that a logit may have.
const MOST_FRACTION_BITS: u8 = 16;

/// How a layer's input is quantized: `real = scale[c] · (q − zero_point[c])`, a channel at a time.
pub struct InputQuantization {
    scale: Vec<f64>,
    zero_point: Vec<f64>,
}

impl InputQuantization {
    /// Of the image: pixel − 128, whose scale and zero point differ from channel to channel.
    pub fn of_image(ChannelStatistics { mean, deviation }: &ChannelStatistics) -> Self {
        Self {
            scale: deviation.iter().map(|&deviation| 1.0 / (255.0 * f64::from(deviation))).collect(),
            zero_point: mean.iter().map(|&mean| 255.0 * f64::from(mean) - 128.0).collect(),
        }
    }

    /// Of a layer's output.
    pub fn of_activation(range: ActivationRange) -> Self {
        Self { scale: vec![f64::from(range.scale())], zero_point: vec![f64::from(range.zero_point())] }
    }

    /// The finest output scale that the multiplier of an average over `window` can express.
    pub fn finest_average(&self, window: [u16; 2]) -> f32 {
        // A little more than that, which survives the rounding to f32.
        (self.scale[0] / positions(window) / LARGEST_MULTIPLIER * (1.0 + 1e-6)) as f32
    }

    /// What padding writes, a channel: the zero point, rounded to the nearest integer.
    pub fn padding(&self) -> Vec<i8> {
        self.zero_point.iter().map(|zero_point| zero_point.round().clamp(-128.0, 127.0) as i8).collect()
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
    let output = Output::Int8 { scale: range.scale(), zero_point: range.zero_point() };
    if let LayerKind::GlobalAverage { window } = layer.kind {
        return Ok(global_average(window, input, output, range));
    }
    let units = OutputUnits { in_one: 1.0 / scale, zero_point, weight_clip: LARGEST_WEIGHT_CLIP };
    integer_layer(index, layer, input, output, units)
}

/// The mean of each channel: the sum over the window, times what a sum's 1 is worth.
fn global_average(
    window: [u16; 2],
    input: &InputQuantization,
    output: Output,
    range: ActivationRange,
) -> encode::Layer {
    let epilogue = Epilogue { relu: false, output, multipliers: Range::EMPTY, offsets: Range::EMPTY };
    let mut result = encode::Layer::without_numbers(Operation::AveragePool(AveragePool { window, epilogue }));
    // Behind a layer all channels have the same scale and zero point.
    let slope = input.scale[0] / f64::from(range.scale());
    let shift = f64::from(range.zero_point()) - slope * input.zero_point[0];
    result.multipliers.push((slope / positions(window) * ONE).round() as i32);
    result.offsets.push(((shift + 0.5) * ONE).round() as i64);
    result
}

/// Elements of a window, of one channel.
fn positions([height, width]: [u16; 2]) -> f64 {
    f64::from(height) * f64::from(width)
}

/// The last layer, with as many fraction bits in the logits as its multipliers allow, and their number.
pub fn logits_layer(
    index: usize,
    layer: &FloatLayer,
    input: &InputQuantization,
) -> Result<(encode::Layer, u8), QuantizeError> {
    let with_bits = |fraction_bits: u8| {
        let units = OutputUnits { in_one: f64::from(1_u32 << fraction_bits), zero_point: 0.0, weight_clip: 1.0 };
        integer_layer(index, layer, input, Output::Logits, units).map(|layer| (layer, fraction_bits))
    };
    let expressible = (1..=MOST_FRACTION_BITS)
        .rev()
        .map(with_bits)
        .find(|result| !matches!(result, Err(QuantizeError::MultiplierTooLarge { .. })));
    expressible.unwrap_or_else(|| with_bits(0))
}

/// What the integers of a layer's output stand for.
struct OutputUnits {
    /// Integers in a real 1.
    in_one: f64,
    /// The integer of a real 0.
    zero_point: f64,
    /// How far below their largest weights may be clipped, as a factor.
    weight_clip: f64,
}

fn integer_layer(
    index: usize,
    layer: &FloatLayer,
    input: &InputQuantization,
    output: Output,
    units: OutputUnits,
) -> Result<encode::Layer, QuantizeError> {
    let inputs = layer.weights.len() / layer.outputs();
    let mut result = encode::Layer::without_numbers(operation(layer, output));
    for (channel, weights) in layer.weights.chunks_exact(inputs).enumerate() {
        let place = Place { layer: index, channel };
        let slope = units.in_one * f64::from(layer.scale[channel]);
        let shift = units.in_one * f64::from(layer.shift[channel]) + units.zero_point;
        let weights = scaled_weights(weights, &input.scale);
        let bias = f64::from(layer.bias[channel]);
        let scale = weight_scale(&weights, bias, slope, units.weight_clip, place)?;
        let weights = quantize_weights(&weights, scale);
        let bias = bias / scale - zero_point_sum(&weights, input);
        result.biases.push(to_i32(bias, place)?);
        result.multipliers.push((slope * scale * ONE).round() as i32);
        result.offsets.push(to_i64((shift + 0.5) * ONE, place)?);
        result.weights.extend(weights);
    }
    Ok(result)
}

/// What an integer layer computes; the pool behind it is another operation.
fn operation(layer: &FloatLayer, output: Output) -> Operation {
    let outputs = u16::try_from(layer.outputs()).expect("no layer has 65,536 outputs");
    let epilogue = Epilogue { relu: layer.relu, output, multipliers: Range::EMPTY, offsets: Range::EMPTY };
    match layer.kind {
        LayerKind::Convolution { .. } => Operation::Convolution(Convolution::same_3x3(outputs, epilogue)),
        LayerKind::GlobalAverage { window } => Operation::AveragePool(AveragePool { window, epilogue }),
        LayerKind::Dense => Operation::Dense(Dense::new(outputs, epilogue)),
    }
}

/// One output channel's weights, times the real value of 1 in their input channel.
fn scaled_weights(weights: &[f32], input_scale: &[f64]) -> Vec<f64> {
    weights.iter().zip(input_scale.iter().cycle()).map(|(&weight, scale)| f64::from(weight) * scale).collect()
}

/// The real value of an accumulator's 1: the largest weight becomes 127, or less beside a `bias` that they hardly change, as that of a unit which
/// never fires; or it is clipped, at most by the factor `clip`, where the multiplier would otherwise be too large. `slope` is the output's integers in a
/// real 1.
fn weight_scale(weights: &[f64], bias: f64, slope: f64, clip: f64, place: Place) -> Result<f64, QuantizeError> {
    let largest = weights.iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
    let natural = (largest / 127.0).max(bias.abs() / LARGEST_BIAS);
    let expressible = LARGEST_MULTIPLIER / slope.abs();
    if natural == 0.0 {
        // Whatever the scale, the accumulator is zero.
        return Ok(expressible.min(1.0));
    }
    if natural > clip * expressible {
        return Err(QuantizeError::MultiplierTooLarge {
            layer: place.layer,
            channel: place.channel,
            value: (slope * natural).abs(),
        });
    }
    Ok(natural.min(expressible))
}

fn quantize_weights(weights: &[f64], scale: f64) -> Vec<i8> {
    weights.iter().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8).collect()
}

/// What the input's zero points add to an accumulator, which the bias takes away again.
fn zero_point_sum(weights: &[i8], input: &InputQuantization) -> f64 {
    weights
        .iter()
        .zip(input.zero_point.iter().cycle())
        .map(|(&weight, zero_point)| f64::from(weight) * zero_point)
        .sum()
}

/// Where a number belongs, for errors.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    channel: usize,
}

fn to_i32(value: f64, Place { layer, channel }: Place) -> Result<i32, QuantizeError> {
    let rounded = value.round();
    if rounded < f64::from(i32::MIN) || rounded > f64::from(i32::MAX) {
        return Err(QuantizeError::BiasTooLarge { layer, channel, value });
    }
    Ok(rounded as i32)
}

fn to_i64(value: f64, Place { layer, channel }: Place) -> Result<i64, QuantizeError> {
    /// Far inside of i64, and far beyond what an int8 output can need.
    const LIMIT: f64 = 4.0e18;
    if value.abs() > LIMIT {
        return Err(QuantizeError::OffsetTooLarge { layer, channel, value: value / ONE });
    }
    Ok(value.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { layer: 6, channel: 97 };

    #[test]
    fn the_largest_weight_becomes_127_where_the_multiplier_allows_it() {
        let weights = [0.5, -1.27, 0.004];
        let scale = weight_scale(&weights, 0.0, 10.0, 4.0, PLACE).unwrap();
        assert_eq!(quantize_weights(&weights, scale), [50, -127, 0]);
    }

    #[test]
    fn weights_are_clipped_so_that_the_multiplier_fits_and_refused_beyond() {
        let weights = [1.27, 0.25];
        // Naturally 0.01 real an accumulator step, times 100 output steps: 1.0, twice what fits.
        let scale = weight_scale(&weights, 0.0, 100.0, 4.0, PLACE).unwrap();
        assert!(scale * 100.0 <= LARGEST_MULTIPLIER);
        assert_eq!(quantize_weights(&weights, scale), [127, 50]);
        let error = weight_scale(&weights, 0.0, 300.0, 4.0, PLACE).unwrap_err();
        assert!(matches!(
            error,
            QuantizeError::MultiplierTooLarge { layer: 6, channel: 97, value } if (value - 3.0).abs() < 1e-9
        ));
    }

    #[test]
    fn a_unit_whose_weights_have_died_is_its_bias() {
        let input = InputQuantization { scale: vec![0.04], zero_point: vec![-10.0] };
        for (weight, bias) in [(0.0, 0.0), (0.0, 0.7), (1e-30, 0.7), (1e-12, -0.7), (1e-9, 0.7)] {
            let layer = FloatLayer {
                kind: LayerKind::Dense,
                relu: false,
                weights: vec![weight; 8],
                bias: vec![bias],
                scale: vec![1.0],
                shift: vec![0.25],
            };
            let output = Output::Int8 { scale: 0.01, zero_point: 0 };
            let units = OutputUnits { in_one: 100.0, zero_point: 0.0, weight_clip: 4.0 };
            let quantized = integer_layer(6, &layer, &input, output, units).unwrap();
            let weights: i64 = quantized.weights.iter().map(|&weight| i64::from(weight) * 117).sum();
            let accumulator = weights + i64::from(quantized.biases[0]);
            let steps = (accumulator * i64::from(quantized.multipliers[0]) + quantized.offsets[0]) as f64 / ONE - 0.5;
            let expected = 100.0 * (f64::from(bias) + 25.0 / 100.0 + 8.0 * f64::from(weight) * 0.04 * 127.0);
            assert!((steps - expected).abs() < 0.01, "{weight} {bias}: {steps}, not {expected}");
        }
    }

    #[test]
    fn logits_get_fewer_fraction_bits_rather_than_clipped_weights() {
        let layer = |weight: f32| FloatLayer {
            kind: LayerKind::Dense,
            relu: false,
            weights: vec![weight, -weight],
            bias: vec![0.0],
            scale: vec![1.0],
            shift: vec![0.0],
        };
        let input = InputQuantization { scale: vec![0.04], zero_point: vec![-10.0] };
        for (weight, bits) in [(0.01, 16), (1.0, 10), (100.0, 3), (1500.0, 0)] {
            let (quantized, fraction_bits) = logits_layer(7, &layer(weight), &input).unwrap();
            assert_eq!(quantized.weights, [127, -127]);
            assert_eq!(fraction_bits, bits, "weight {weight}");
        }
        assert!(logits_layer(7, &layer(1e6), &input).is_err());
    }
}
