//! Networks for tests.

extern crate std;

use shared_model::encode::{KnownPicture, Layer, Network};
use shared_model::graph::{Accuracy, Decision, Provenance};
use shared_model::ops::{Dense, Epilogue, Operation, Output};
use shared_model::{Range, Shape};
use std::{format, vec, vec::Vec};

/// Of the networks' picture.
pub const SHAPE: Shape = Shape::new(32, 32, 3);

/// One dense layer that counts nothing: its logits are `logits`, whatever the picture.
pub fn network(logits: &[i32]) -> Network<'static> {
    let classes = logits.len();
    let epilogue = Epilogue {
        relu: false,
        output: Output::Logits,
        multipliers: Range::EMPTY,
        offsets: Range::EMPTY,
    };
    let layer = Layer {
        operation: Operation::Dense(Dense::new(classes as u16, epilogue)),
        weights: vec![0; classes * SHAPE.elements()],
        biases: vec![0; classes],
        multipliers: vec![0; classes],
        offsets: logits.iter().map(|logit| i64::from(*logit) << 32).collect(),
    };
    Network {
        name: "constant",
        labels: (0..classes).map(|class| format!("class {class}")).collect(),
        input: SHAPE,
        padding: vec![0; 3],
        mean: vec![0.0; 3],
        scale: vec![1.0; 3],
        layers: vec![layer],
        logit_fraction_bits: 8,
        decision: Decision::default(),
        known_picture: KnownPicture::Pattern,
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
        extensions: Vec::new(),
    }
}
