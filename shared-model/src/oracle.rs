//! Whole networks, layer by layer, in wide arithmetic and with nothing clever: what the kernels are checked against.

use crate::{
    IMAGE_SIDE, Image,
    encode::{Layer, Network},
    graph::{LayerKind, Output},
};
use std::{vec, vec::Vec};

/// Output `[h, w, c]` of a layer before it is clamped, `input` being `[h, w, c]`.
pub fn layer(layer: &Layer, input: &[i8], padding: &[i8]) -> Vec<i64> {
    let accumulators = match layer.kind {
        LayerKind::Convolution {
            input: shape,
            output_channels,
            pool,
        } => {
            let full = convolution(
                layer,
                shape.map(usize::from),
                output_channels.into(),
                input,
                padding,
            );
            if pool {
                max_pool(layer, shape.map(usize::from), output_channels.into(), &full)
            } else {
                full
            }
        }
        LayerKind::Dense { .. } => {
            let rows = layer.weights.chunks(input.len()).zip(&layer.biases);
            let dot = |row: &[i8]| {
                row.iter()
                    .zip(input)
                    .map(|(&w, &x)| i64::from(w) * i64::from(x))
                    .sum::<i64>()
            };
            rows.map(|(row, &bias)| i64::from(bias) + dot(row))
                .collect()
        }
    };
    let channels = layer.biases.len();
    let rescaled = accumulators
        .into_iter()
        .enumerate()
        .map(|(index, accumulator)| {
            let channel = index % channels;
            let cut = if layer.relu {
                accumulator.max(0)
            } else {
                accumulator
            };
            (cut * i64::from(layer.multipliers[channel]) + layer.offsets[channel]) >> 32
        });
    rescaled.collect()
}

fn convolution(
    layer: &Layer,
    [height, width, inputs]: [usize; 3],
    outputs: usize,
    input: &[i8],
    padding: &[i8],
) -> Vec<i64> {
    let mut accumulators = vec![0; height * width * outputs];
    for (index, accumulator) in accumulators.iter_mut().enumerate() {
        let (row, column, output) = (
            index / outputs / width,
            index / outputs % width,
            index % outputs,
        );
        *accumulator = i64::from(layer.biases[output]);
        for tap in 0..9 * inputs {
            let (ky, kx, channel) = (tap / inputs / 3, tap / inputs % 3, tap % inputs);
            // Counted from the border of padding.
            let (y, x) = (row + ky, column + kx);
            let inside = (1..=height).contains(&y) && (1..=width).contains(&x);
            let value = match inside {
                true => input[((y - 1) * width + x - 1) * inputs + channel],
                false => padding[channel % padding.len()],
            };
            *accumulator += i64::from(layer.weights[output * 9 * inputs + tap]) * i64::from(value);
        }
    }
    accumulators
}

fn max_pool(
    layer: &Layer,
    [height, width, _]: [usize; 3],
    outputs: usize,
    full: &[i64],
) -> Vec<i64> {
    let mut pooled = vec![0; height / 2 * (width / 2) * outputs];
    for (index, value) in pooled.iter_mut().enumerate() {
        let (row, column, output) = (
            index / outputs / (width / 2),
            index / outputs % (width / 2),
            index % outputs,
        );
        let square = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(y, x)| full[((2 * row + y) * width + 2 * column + x) * outputs + output]);
        // The output with the largest value comes from the largest product with the multiplier.
        *value = square
            .into_iter()
            .max_by_key(|v| v * i64::from(layer.multipliers[output]))
            .unwrap();
    }
    pooled
}

/// Activations of every layer but the last, `[h, w, c]`, and the logits.
pub fn run(network: &Network, image: &Image) -> (Vec<Vec<i8>>, Vec<i32>) {
    assert_eq!(image.len(), IMAGE_SIDE * IMAGE_SIDE * 3);
    let mut activations: Vec<i8> = image
        .iter()
        .map(|&pixel| (i16::from(pixel) - 128) as i8)
        .collect();
    let mut padding = network.padding.to_vec();
    let mut outputs = Vec::new();
    for parameters in &network.layers {
        let rescaled = layer(parameters, &activations, &padding);
        match parameters.output {
            Output::Logits => {
                return (
                    outputs,
                    rescaled
                        .iter()
                        .map(|&logit| i32::try_from(logit).unwrap())
                        .collect(),
                );
            }
            Output::Int8 { zero_point, .. } => {
                activations = rescaled
                    .iter()
                    .map(|&value| value.clamp(-128, 127) as i8)
                    .collect();
                outputs.push(activations.clone());
                padding = vec![zero_point];
            }
        }
    }
    unreachable!("a network ends in logits")
}
