//! Random networks inside the rules of `FORMAT.md`, up to their limits.

use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared_model::encode::{Layer, Network};
use shared_model::graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance};
use shared_model::{IMAGE_LEN, Image};

/// Most multiplications of a random layer, which keep the oracle fast: as many as 130 filters on the whole image need.
const LAYER_MACS: usize = 4_000_000;

/// Most weights of a dense layer.
const DENSE_WEIGHTS: usize = 200_000;

/// The shape of a random network; its numbers come from the seed.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Of weights, biases, multipliers, offsets, paddings and zero points.
    pub seed: u64,
    /// From the image on.
    pub convolutions: Vec<ConvolutionSpec>,
    /// Outputs and ReLU of the dense layers before the last one.
    pub hidden: Vec<(usize, bool)>,
    /// Outputs of the last layer.
    pub classes: usize,
    /// Whether the last layer has a ReLU.
    pub logits_relu: bool,
}

/// A convolution of a random network.
#[derive(Clone, Debug)]
pub struct ConvolutionSpec {
    /// Output channels, fewer if the layer would be too slow.
    pub channels: usize,
    /// Where height and width are even.
    pub pool: bool,
    /// Whether there is a ReLU.
    pub relu: bool,
}

/// Any network of up to eleven layers with up to 130 channels.
pub fn any_spec() -> impl Strategy<Value = Spec> {
    let channels = prop_oneof![4 => 1..=8_usize, 3 => 9..=40_usize, 3 => 120..=130_usize];
    let convolution = (channels, any::<bool>(), any::<bool>());
    let convolution = convolution.prop_map(|(channels, pool, relu)| ConvolutionSpec {
        channels,
        pool,
        relu,
    });
    (
        any::<u64>(),
        prop::collection::vec(convolution, 0..=8),
        prop::collection::vec((1..=130_usize, any::<bool>()), 0..=2),
        1..=16_usize,
        any::<bool>(),
    )
        .prop_map(|(seed, convolutions, hidden, classes, logits_relu)| Spec {
            seed,
            convolutions,
            hidden,
            classes,
            logits_relu,
        })
}

/// A network of all kinds of layers whose blob has only some thousand bytes.
pub fn small() -> Network<'static> {
    let convolution = |channels, pool| ConvolutionSpec {
        channels,
        pool,
        relu: pool,
    };
    Spec {
        seed: 20,
        convolutions: vec![
            convolution(2, true),
            convolution(3, false),
            convolution(2, true),
        ],
        hidden: vec![(5, true)],
        classes: 3,
        logits_relu: false,
    }
    .network()
}

/// An image of random pixels.
pub fn random_image(seed: u64) -> Image {
    let mut image = [0; IMAGE_LEN];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut image);
    image
}

/// The darkest and the brightest image, and single pixels of both in turn.
pub fn extreme_images() -> [Image; 3] {
    let checkerboard = std::array::from_fn(|index| {
        let (row, column) = (index / 96, index % 96 / 3);
        if (row + column) % 2 == 0 { 255 } else { 0 }
    });
    [[0; IMAGE_LEN], [255; IMAGE_LEN], checkerboard]
}

impl Spec {
    /// The network.
    pub fn network(&self) -> Network<'static> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let layers = self
            .kinds()
            .into_iter()
            .map(|(kind, relu)| random_layer(&mut random, kind, relu))
            .collect::<Vec<_>>();
        Network {
            name: "random",
            labels: (0..self.classes)
                .map(|class| format!("class {class}"))
                .collect(),
            padding: std::array::from_fn(|_| zero_point(&mut random)),
            pixel_scaling: PixelScaling {
                mean: [127.5; 3].into_iter().collect(),
                scale: [0.0078125; 3].into_iter().collect(),
            },
            layers: with_logits(layers),
            logit_fraction_bits: random.random_range(0..=16),
            known_answer: random_image(self.seed),
            accuracy: Accuracy {
                images: 10_000,
                float_top1: 50.0,
                int8_top1: 49.5,
                agreement: 97.25,
            },
            provenance: Provenance {
                preset: "none",
                epochs: 300,
                seed: self.seed,
                trainer: "0.1.0",
            },
        }
    }

    /// Operation and ReLU of every layer.
    fn kinds(&self) -> Vec<(LayerKind, bool)> {
        let mut shape = [32, 32, 3];
        let mut kinds = Vec::new();
        for (index, convolution) in self.convolutions.iter().enumerate() {
            let [height, width, inputs] = shape;
            let channels = convolution
                .channels
                .min(LAYER_MACS / (9 * inputs * height * width));
            let channels = channels.max(1);
            // A dense layer has at most 65,535 inputs.
            let is_too_large =
                index + 1 == self.convolutions.len() && height * width * channels > 65_535;
            let kind = LayerKind::Convolution {
                input: shape.map(to_u16),
                output_channels: to_u16(channels),
                pool: height % 2 == 0 && (convolution.pool || is_too_large),
            };
            kinds.push((kind, convolution.relu));
            shape = kind.output_shape().map(usize::from);
        }
        let mut inputs = shape.iter().product();
        let last = (self.classes, self.logits_relu);
        for (outputs, relu) in self.hidden.iter().copied().chain([last]) {
            let outputs = match kinds.len() == self.convolutions.len() + self.hidden.len() {
                true => outputs,
                false => outputs.min(DENSE_WEIGHTS / inputs).max(1),
            };
            let kind = LayerKind::Dense {
                inputs: to_u16(inputs),
                outputs: to_u16(outputs),
            };
            kinds.push((kind, relu));
            inputs = outputs;
        }
        kinds
    }
}

fn to_u16(dimension: usize) -> u16 {
    u16::try_from(dimension).expect("the dimensions above are below 65,536")
}

/// The last layer's output becomes the logits.
fn with_logits(mut layers: Vec<Layer>) -> Vec<Layer> {
    let last = layers.last_mut().expect("there is a dense layer");
    last.output = Output::Logits;
    layers
}

fn random_layer(random: &mut ChaCha8Rng, kind: LayerKind, relu: bool) -> Layer {
    let mut layer = Layer {
        kind,
        relu,
        output: Output::Int8 {
            scale: 0.05,
            zero_point: zero_point(random),
        },
        weights: Vec::new(),
        biases: Vec::new(),
        multipliers: Vec::new(),
        offsets: Vec::new(),
    };
    for _ in 0..kind.output_channels() {
        let weights = random_weights(random, kind.weights_per_channel());
        let (bias, multiplier, offset) = random_rescaling(random, &weights);
        layer.weights.extend(weights);
        layer.biases.push(bias);
        layer.multipliers.push(multiplier);
        layer.offsets.push(offset);
    }
    layer
}

/// Often at an end of its range.
fn zero_point(random: &mut ChaCha8Rng) -> i8 {
    match random.random_range(0..4) {
        0 => i8::MIN,
        1 => i8::MAX,
        _ => random.random(),
    }
}

/// One output channel's weights: mostly any, sometimes the largest of one or both signs, or none.
fn random_weights(random: &mut ChaCha8Rng, count: usize) -> Vec<i8> {
    match random.random_range(0..16) {
        0 => vec![127; count],
        1 => vec![-127; count],
        2 => vec![0; count],
        3 | 4 => (0..count)
            .map(|_| if random.random() { 127 } else { -127 })
            .collect(),
        _ => (0..count)
            .map(|_| random.random_range(-127..=127))
            .collect(),
    }
}

/// Bias, multiplier and offset: mostly such that the outputs use the range of int8, sometimes the largest that rule 5 allows.
fn random_rescaling(random: &mut ChaCha8Rng, weights: &[i8]) -> (i32, i32, i64) {
    let largest_sum = 128 * weights.iter().map(|&w| i64::from(w).abs()).sum::<i64>();
    let largest_bias = i32::try_from(i64::from(i32::MAX) - largest_sum).expect("few weights");
    let bias = match random.random_range(0..16) {
        0 => largest_bias,
        1 => -largest_bias,
        _ => random
            .random_range(-20_000..=20_000)
            .clamp(-largest_bias, largest_bias),
    };
    let bound = i64::from(bias.abs()) + largest_sum;

    // Sums of random terms have a deviation of about 127/√3 · 128/√3 · √terms, which shall become 60.
    let deviation = 5400.0 * (weights.len() as f64).sqrt() + f64::from(bias.abs());
    let typical = (60.0 * 4_294_967_296.0 / deviation) as i32;
    let multiplier = match random.random_range(0..16) {
        0 => i32::MIN,
        1 => i32::MAX,
        2 => 0,
        _ => random.random_range(-typical..=typical),
    };
    let largest_offset = i64::MAX - bound * i64::from(multiplier).abs();
    let offset = match random.random_range(0..16) {
        0 => largest_offset,
        1 => -largest_offset,
        _ => random
            .random_range(-30 << 32..=30_i64 << 32)
            .clamp(-largest_offset, largest_offset),
    };
    (bias, multiplier, offset)
}
