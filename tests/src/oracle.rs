//! Sections 2 and 3 of `NUMERICS.md` as they stand there: whole feature maps, plain loops, wide integers.
//!
//! Of shared-model it reads a blob's graph and numbers, and uses none of its arithmetic.

use shared_model::graph::{LayerKind, Output};
use shared_model::{Image, LayerView, Model};

/// What the network computes for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Output `[h, w, c]` of each layer but the last.
    pub activations: Vec<Vec<i8>>,
    /// One a label.
    pub logits: Vec<i32>,
    /// Index of the largest logit, the lowest of equal ones.
    pub class: usize,
}

/// Values of shape `[height, width, channels]`, the last index fastest.
struct FeatureMap<T> {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<T>,
}

impl<T> FeatureMap<T> {
    fn new(
        [height, width, channels]: [usize; 3],
        value: impl Fn(usize, usize, usize) -> T,
    ) -> Self {
        let mut values = Vec::with_capacity(height * width * channels);
        for row in 0..height {
            for column in 0..width {
                for channel in 0..channels {
                    values.push(value(row, column, channel));
                }
            }
        }
        Self {
            height,
            width,
            channels,
            values,
        }
    }

    /// All channels at one position.
    fn pixel(&self, row: usize, column: usize) -> &[T] {
        let start = (row * self.width + column) * self.channels;
        &self.values[start..start + self.channels]
    }
}

/// Computes the network.
///
/// # Panics
///
/// If an accumulator leaves 32 bits or a requantization 64: `FORMAT.md` says that no image makes them.
pub fn run(model: &Model, image: &Image) -> Answer {
    let mut input = FeatureMap::new([32, 32, 3], |row, column, channel| {
        (i16::from(image[(row * 32 + column) * 3 + channel]) - 128) as i8
    });
    let mut padding = model.graph().input.padding.to_vec();
    let mut activations = Vec::new();
    for layer in model.layers() {
        let accumulators = accumulate(layer, &input, &padding);
        match layer.layer.output {
            Output::Logits => {
                let logits = logits(layer, &accumulators);
                let class = first_largest(&logits);
                return Answer {
                    activations,
                    logits,
                    class,
                };
            }
            Output::Int8 { zero_point, .. } => {
                input = activate(layer, &accumulators);
                activations.push(input.values.clone());
                padding = vec![zero_point; input.channels];
            }
        }
    }
    panic!("rule 3: the last layer has the output Logits");
}

/// All accumulators of a layer, after the pool and before the ReLU.
fn accumulate(layer: &LayerView, input: &FeatureMap<i8>, padding: &[i8]) -> FeatureMap<i64> {
    match layer.layer.kind {
        LayerKind::Convolution {
            output_channels,
            pool,
            ..
        } => {
            let shape = [input.height, input.width, usize::from(output_channels)];
            let full = FeatureMap::new(shape, |r, q, o| convolve(layer, input, padding, [r, q, o]));
            if pool { max_pool(layer, &full) } else { full }
        }
        LayerKind::Dense { outputs, .. } => {
            let inputs = input.values.len();
            FeatureMap::new([1, 1, usize::from(outputs)], |_, _, o| {
                let weights = &layer.weights[o * inputs..(o + 1) * inputs];
                i64::from(layer.biases[o]) + sum_of_products(weights, &input.values)
            })
        }
    }
}

/// The accumulator at row `r`, column `q`, output channel `o`.
fn convolve(
    layer: &LayerView,
    input: &FeatureMap<i8>,
    padding: &[i8],
    [r, q, o]: [usize; 3],
) -> i64 {
    let mut accumulator = i64::from(layer.biases[o]);
    for ky in 0..3 {
        for kx in 0..3 {
            let is_inside =
                (1..=input.height).contains(&(r + ky)) && (1..=input.width).contains(&(q + kx));
            let pixel = match is_inside {
                true => input.pixel(r + ky - 1, q + kx - 1),
                false => padding,
            };
            let start = ((o * 3 + ky) * 3 + kx) * input.channels;
            let weights = &layer.weights[start..start + input.channels];
            accumulator += sum_of_products(weights, pixel);
        }
    }
    accumulator
}

fn sum_of_products(weights: &[i8], values: &[i8]) -> i64 {
    assert_eq!(weights.len(), values.len());
    let pairs = weights.iter().zip(values);
    pairs.map(|(&w, &x)| i64::from(w) * i64::from(x)).sum()
}

fn max_pool(layer: &LayerView, full: &FeatureMap<i64>) -> FeatureMap<i64> {
    let shape = [full.height / 2, full.width / 2, full.channels];
    FeatureMap::new(shape, |r, q, o| {
        let (top, bottom) = (2 * r, 2 * r + 1);
        let (left, right) = (2 * q, 2 * q + 1);
        let square = [(top, left), (top, right), (bottom, left), (bottom, right)];
        let four = square.map(|(row, column)| full.pixel(row, column)[o]);
        let [a, b, c, d] = four;
        if layer.multipliers[o] >= 0 {
            a.max(b).max(c).max(d)
        } else {
            a.min(b).min(c).min(d)
        }
    })
}

fn activate(layer: &LayerView, accumulators: &FeatureMap<i64>) -> FeatureMap<i8> {
    let shape = [
        accumulators.height,
        accumulators.width,
        accumulators.channels,
    ];
    FeatureMap::new(shape, |r, q, o| {
        requantize(layer, o, accumulators.pixel(r, q)[o]).clamp(-128, 127) as i8
    })
}

fn logits(layer: &LayerView, accumulators: &FeatureMap<i64>) -> Vec<i32> {
    let values = accumulators.values.iter().enumerate();
    let logit = |(o, &accumulator)| {
        i32::try_from(requantize(layer, o, accumulator))
            .expect("a 64-bit integer shifted by 32 always fits")
    };
    values.map(logit).collect()
}

/// ReLU and requantization of output channel `o`, before any clamp.
fn requantize(layer: &LayerView, o: usize, accumulator: i64) -> i64 {
    let accumulator = i32::try_from(accumulator).expect("rule 5: an accumulator has 32 bits");
    let accumulator = match layer.layer.relu {
        true => accumulator.max(0),
        false => accumulator,
    };
    let product = i128::from(accumulator) * i128::from(layer.multipliers[o]);
    let sum = product + i128::from(layer.offsets[o]);
    i64::try_from(sum).expect("rule 5: a requantization has 64 bits") >> 32
}

fn first_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max();
    let position = logits.iter().position(|logit| Some(logit) == largest);
    position.expect("there are logits")
}

/// Section 3: the probabilities, in units of 1/65535. The constants come from their definition, not from the table.
pub fn probabilities(logits: &[i32], fraction_bits: u8) -> Vec<u16> {
    let largest = logits.iter().max().expect("there are logits");
    let exponentials: Vec<u128> = logits
        .iter()
        .map(|logit| exponential(i128::from(*largest) - i128::from(*logit), fraction_bits))
        .collect();
    let sum: u128 = exponentials.iter().sum();
    let probability = |e: &u128| ((131_070 * e + sum) / (2 * sum)) as u16;
    exponentials.iter().map(probability).collect()
}

/// `2^31 · exp(-difference / 2^fraction_bits)` as section 3 defines it.
fn exponential(difference: i128, fraction_bits: u8) -> u128 {
    let t = difference as u128 * (std::f64::consts::LOG2_E * 1_073_741_824.0).round() as u128;
    let n = t >> (30 + fraction_bits);
    let f = (t >> (10 + fraction_bits)) & 0xF_FFFF;
    let mut y = 1_u128 << 31;
    for k in 1..=20 {
        if f >> (20 - k) & 1 == 1 {
            let constant = (32.0 - 0.5_f64.powi(k)).exp2().round() as u128;
            y = (y * constant + (1 << 31)) >> 32;
        }
    }
    if n < 32 { y >> n } else { 0 }
}
