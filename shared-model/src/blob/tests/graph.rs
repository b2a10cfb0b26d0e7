//! The rules for a graph.

use super::*;
use crate::graph::{LayerKind, Output};

#[test]
fn input_of_another_shape() {
    let error = error_of_graph(|graph| graph.input.width = 28);
    assert_eq!(error, LoadError::InputShape { found: [32, 28, 3] });
}

#[test]
fn input_fields_without_one_value_a_channel() {
    let error = |field, found| LoadError::InputField {
        field,
        channels: 3,
        found,
    };
    let found = error_of_graph(|graph| graph.input.padding.pop());
    assert_eq!(found, error("padding", 2));
    let found = error_of_graph(|graph| graph.input.pixel_scaling.mean.push(0.0));
    assert_eq!(found, error("mean", 4));
    let found = error_of_graph(|graph| graph.input.pixel_scaling.scale.clear());
    assert_eq!(found, error("scale", 0));
}

#[test]
fn no_layers() {
    assert_eq!(
        error_of_graph(|graph| graph.layers.clear()),
        LoadError::NoLayers
    );
}

#[test]
fn layers_that_do_not_fit_together() {
    let error = error_of_graph(|graph| graph.layers.remove(0));
    assert_eq!(
        error,
        LoadError::InputMismatch {
            layer: 0,
            expected: [32, 32, 3],
            found: [16, 16, 2]
        }
    );
    let error = error_of_graph(|graph| graph.layers.remove(1));
    assert_eq!(
        error,
        LoadError::DenseInputMismatch {
            layer: 1,
            expected: 16 * 16 * 2,
            found: 8 * 8 * 3
        }
    );
}

#[test]
fn pool_of_an_odd_side() {
    let network = network(1, &[(1, true, true); 6], &[2]);
    let (graph, section) = unanswered(&network).unwrap();
    let error = error_of(&write(&graph, &section).unwrap());
    assert_eq!(
        error,
        LoadError::OddPool {
            layer: 5,
            height: 1,
            width: 1
        }
    );
}

#[test]
fn no_outputs() {
    let error = error_of_graph(|graph| {
        graph.layers[1].kind = LayerKind::Convolution {
            input: [16, 16, 2],
            output_channels: 0,
            pool: true,
        };
    });
    assert_eq!(error, LoadError::NoOutputs { layer: 1 });
}

#[test]
fn logits_in_the_wrong_place() {
    let error = error_of_graph(|graph| graph.layers[2].output = Output::Logits);
    assert_eq!(error, LoadError::EarlyLogits { layer: 2 });
    let error = error_of_graph(|graph| {
        graph.layers[3].output = Output::Int8 {
            scale: 1.0,
            zero_point: 0,
        };
    });
    assert_eq!(error, LoadError::NoLogits { layer: 3 });
    let error = error_of_graph(|graph| {
        graph.layers.truncate(2);
        graph.layers[1].output = Output::Logits;
    });
    assert_eq!(error, LoadError::LogitsNotDense { layer: 1 });
}

#[test]
fn labels_and_known_answer_that_do_not_fit_the_logits() {
    let error = error_of_graph(|graph| graph.labels.pop().is_some());
    assert_eq!(
        error,
        LoadError::LabelCount {
            labels: 2,
            logits: 3
        }
    );
    let error = error_of_graph(|graph| graph.known_answer.logits.push(0));
    assert_eq!(
        error,
        LoadError::KnownAnswerLogits {
            expected: 3,
            found: 4
        }
    );
}

#[test]
fn too_many_fraction_bits() {
    let error = error_of_graph(|graph| graph.logit_fraction_bits = 17);
    assert_eq!(
        error,
        LoadError::FractionBits {
            found: 17,
            limit: 16
        }
    );
}
