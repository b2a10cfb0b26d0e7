//! Validation of a graph by itself.

use super::LoadError;
use crate::{
    IMAGE_CHANNELS, IMAGE_SIDE,
    graph::{Graph, Input, Layer, LayerKind, MAX_LOGIT_FRACTION_BITS, Output},
};

const IMAGE_SHAPE: [u16; 3] = [IMAGE_SIDE as u16, IMAGE_SIDE as u16, IMAGE_CHANNELS as u16];

/// Checks that the layers fit together, from the image to the logits.
pub(super) fn validate(graph: &Graph) -> Result<(), LoadError> {
    validate_input(&graph.input)?;
    let mut shape = IMAGE_SHAPE;
    for (index, layer) in graph.layers.iter().enumerate() {
        validate_layer(index, layer, shape)?;
        let is_last = index + 1 == graph.layers.len();
        validate_output(index, layer, is_last)?;
        shape = layer.kind.output_shape();
    }
    if graph.layers.is_empty() {
        return Err(LoadError::NoLayers);
    }
    let [_, _, logits] = shape;
    validate_classes(graph, logits.into())
}

fn validate_input(input: &Input) -> Result<(), LoadError> {
    let found = [input.height, input.width, input.channels];
    if found != IMAGE_SHAPE {
        return Err(LoadError::InputShape { found });
    }
    let fields = [
        ("padding", input.padding.len()),
        ("mean", input.pixel_scaling.mean.len()),
        ("scale", input.pixel_scaling.scale.len()),
    ];
    for (field, found) in fields {
        if found != usize::from(input.channels) {
            return Err(LoadError::InputField {
                field,
                channels: input.channels,
                found,
            });
        }
    }
    Ok(())
}

/// `shape` is what the layer is given, `[h, w, c]`.
fn validate_layer(index: usize, layer: &Layer, shape: [u16; 3]) -> Result<(), LoadError> {
    match layer.kind {
        LayerKind::Convolution { input, pool, .. } => {
            if input != shape {
                return Err(LoadError::InputMismatch {
                    layer: index,
                    expected: shape,
                    found: input,
                });
            }
            let [height, width, _] = shape;
            if pool && (height % 2 != 0 || width % 2 != 0) {
                return Err(LoadError::OddPool {
                    layer: index,
                    height,
                    width,
                });
            }
        }
        LayerKind::Dense { inputs, .. } => {
            let expected = shape.iter().map(|&side| u64::from(side)).product();
            if u64::from(inputs) != expected {
                return Err(LoadError::DenseInputMismatch {
                    layer: index,
                    expected,
                    found: inputs,
                });
            }
        }
    }
    if layer.kind.output_channels() == 0 {
        return Err(LoadError::NoOutputs { layer: index });
    }
    Ok(())
}

fn validate_output(index: usize, layer: &Layer, is_last: bool) -> Result<(), LoadError> {
    match (layer.output, layer.kind) {
        (Output::Logits, _) if !is_last => Err(LoadError::EarlyLogits { layer: index }),
        (Output::Logits, LayerKind::Convolution { .. }) => {
            Err(LoadError::LogitsNotDense { layer: index })
        }
        (Output::Int8 { .. }, _) if is_last => Err(LoadError::NoLogits { layer: index }),
        _ => Ok(()),
    }
}

fn validate_classes(graph: &Graph, logits: usize) -> Result<(), LoadError> {
    if graph.labels.len() != logits {
        return Err(LoadError::LabelCount {
            labels: graph.labels.len(),
            logits,
        });
    }
    let found = graph.known_answer.logits.len();
    if found != logits {
        return Err(LoadError::KnownAnswerLogits {
            expected: logits,
            found,
        });
    }
    let (found, limit) = (graph.logit_fraction_bits, MAX_LOGIT_FRACTION_BITS);
    if found > limit {
        return Err(LoadError::FractionBits { found, limit });
    }
    Ok(())
}
