//! Networks for tests.

extern crate std;

use shared_model::IMAGE_LEN;
use shared_model::encode::{Layer, Network};
use shared_model::graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance};
use std::{format, vec};

/// One dense layer that counts nothing: its logits are `logits`, whatever the image.
pub fn network(logits: &[i32]) -> Network<'static> {
    let classes = logits.len();
    let layer = Layer {
        kind: LayerKind::Dense {
            inputs: IMAGE_LEN as u16,
            outputs: classes as u16,
        },
        relu: false,
        output: Output::Logits,
        weights: vec![0; classes * IMAGE_LEN],
        biases: vec![0; classes],
        multipliers: vec![0; classes],
        offsets: logits.iter().map(|logit| i64::from(*logit) << 32).collect(),
    };
    Network {
        name: "constant",
        labels: (0..classes).map(|class| format!("class {class}")).collect(),
        padding: [0; 3],
        pixel_scaling: PixelScaling {
            mean: [0.0; 3].into_iter().collect(),
            scale: [1.0; 3].into_iter().collect(),
        },
        layers: vec![layer],
        logit_fraction_bits: 8,
        known_answer: [128; IMAGE_LEN],
        accuracy: Accuracy {
            images: 0,
            float_top1: 0.0,
            int8_top1: 0.0,
            agreement: 0.0,
        },
        provenance: Provenance {
            preset: "",
            epochs: 0,
            seed: 0,
            trainer: "",
        },
    }
}
