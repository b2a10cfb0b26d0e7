//! Networks for tests.

use crate::{
    IMAGE_LEN, IMAGE_SIDE, Image,
    encode::{Layer, Network},
    graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance},
};
use std::{format, string::String, vec::Vec};

/// A generator of numbers without a distribution to speak of: splitmix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// In `-limit ..= limit`.
    pub fn within(&mut self, limit: i64) -> i64 {
        (self.next() % (2 * limit as u64 + 1)) as i64 - limit
    }

    pub fn image(&mut self) -> Image {
        core::array::from_fn::<u8, IMAGE_LEN, _>(|_| self.next() as u8)
    }

    /// A layer whose outputs use the range of int8, with multipliers of both signs.
    pub fn layer(&mut self, kind: LayerKind, relu: bool, output: Output) -> Layer {
        let (channels, inputs) = (kind.output_channels(), kind.weights_per_channel());
        // An accumulator of random terms is about 127/√3 · 128/√3 · √inputs; it shall become about 60.
        let multiplier = (60.0 * 4294967296.0 / (5400.0 * (inputs as f64).sqrt())) as i64;
        Layer {
            kind,
            relu,
            output,
            weights: (0..channels * inputs)
                .map(|_| self.within(127) as i8)
                .collect(),
            biases: (0..channels).map(|_| self.within(20_000) as i32).collect(),
            multipliers: (0..channels)
                .map(|_| self.within(multiplier) as i32)
                .collect(),
            offsets: (0..channels).map(|_| self.within(30 << 32)).collect(),
        }
    }

    pub fn int8(&mut self) -> Output {
        Output::Int8 {
            scale: 0.05,
            zero_point: self.within(128).clamp(-128, 127) as i8,
        }
    }
}

/// Convolutions (output channels, pool, ReLU) on the image, then dense layers; the last one gives the logits.
pub fn network(seed: u64, convolutions: &[(u16, bool, bool)], dense: &[u16]) -> Network<'static> {
    let mut numbers = Numbers(seed);
    let mut shape = [IMAGE_SIDE as u16, IMAGE_SIDE as u16, 3];
    let mut layers = Vec::new();
    for &(output_channels, pool, relu) in convolutions {
        let kind = LayerKind::Convolution {
            input: shape,
            output_channels,
            pool,
        };
        let output = numbers.int8();
        layers.push(numbers.layer(kind, relu, output));
        shape = kind.output_shape();
    }
    for (index, &outputs) in dense.iter().enumerate() {
        let is_last = index + 1 == dense.len();
        let kind = LayerKind::Dense {
            inputs: shape.iter().product(),
            outputs,
        };
        let output = if is_last {
            Output::Logits
        } else {
            numbers.int8()
        };
        layers.push(numbers.layer(kind, !is_last, output));
        shape = kind.output_shape();
    }
    let [.., classes] = shape;
    Network {
        name: "test",
        labels: (0..classes)
            .map(|class| format!("class {class}"))
            .collect::<Vec<String>>(),
        padding: [-7, 0, 9],
        pixel_scaling: PixelScaling {
            mean: [127.5; 3].into_iter().collect(),
            scale: [0.0078125; 3].into_iter().collect(),
        },
        layers,
        logit_fraction_bits: 8,
        known_answer: numbers.image(),
        accuracy: Accuracy {
            images: 10_000,
            float_top1: 50.0,
            int8_top1: 49.5,
            agreement: 97.25,
        },
        provenance: Provenance {
            preset: "none",
            epochs: 300,
            seed: 1 << 40,
            trainer: "0.1.0",
        },
    }
}
