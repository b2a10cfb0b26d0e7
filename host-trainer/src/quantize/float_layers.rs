//! The trained network as plain numbers, in the layout of the integer network.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use shared_model::graph::LayerKind;

use crate::network::{HIDDEN, Network, numbers};

/// One layer: `y = scale · relu(w · x + bias) + shift`, a channel at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// What it computes, with its shapes.
    pub kind: LayerKind,
    /// Whether there is a ReLU.
    pub relu: bool,
    /// `[out][ky][kx][in]` of a convolution, `[out][in]` of a dense layer, its input flattened as `[h, w, c]`.
    pub weights: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<f32>,
    /// Batch normalization's slope, one an output channel.
    pub scale: Vec<f32>,
    /// Batch normalization's shift, one an output channel.
    pub shift: Vec<f32>,
}

impl FloatLayer {
    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }
}

/// Takes a network apart. It stands on a device without autodiff.
pub fn float_layers(network: &Network) -> Vec<FloatLayer> {
    let mut layers = Vec::new();
    let mut shape = [
        shared_model::IMAGE_SIDE,
        shared_model::IMAGE_SIDE,
        shared_model::IMAGE_CHANNELS,
    ];
    for block in &network.blocks {
        let last = block.convolutions.len() - 1;
        for (position, convolution) in block.convolutions.iter().enumerate() {
            let weight = convolution.convolution.weight.val();
            let outputs = weight.dims()[0];
            let pool = position == last;
            let (scale, shift) = affine(convolution.norm.as_ref(), outputs);
            layers.push(FloatLayer {
                kind: LayerKind::Convolution {
                    input: shape.map(to_u16),
                    output_channels: to_u16(outputs),
                    pool,
                },
                relu: true,
                weights: numbers(weight.permute([0, 2, 3, 1])),
                bias: bias(
                    convolution.convolution.bias.as_ref().map(|bias| bias.val()),
                    outputs,
                ),
                scale,
                shift,
            });
            let shrink = if pool { 2 } else { 1 };
            shape = [shape[0] / shrink, shape[1] / shrink, outputs];
        }
    }
    layers.push(hidden_layer(network, shape));
    layers.push(output_layer(network));
    layers
}

fn hidden_layer(network: &Network, [height, width, channels]: [usize; 3]) -> FloatLayer {
    let (scale, shift) = affine(network.hidden_norm.as_ref(), HIDDEN);
    // burn stores [inputs, outputs] with the inputs flattened as [c, h, w].
    let weight = network.hidden.weight.val();
    let weight = weight
        .reshape([channels, height, width, HIDDEN])
        .permute([3, 1, 2, 0]);
    FloatLayer {
        kind: LayerKind::Dense {
            inputs: to_u16(height * width * channels),
            outputs: to_u16(HIDDEN),
        },
        relu: true,
        weights: numbers(weight),
        bias: bias(network.hidden.bias.as_ref().map(|bias| bias.val()), HIDDEN),
        scale,
        shift,
    }
}

fn output_layer(network: &Network) -> FloatLayer {
    let weight = network.output.weight.val();
    let [_, classes] = weight.dims();
    FloatLayer {
        kind: LayerKind::Dense {
            inputs: to_u16(HIDDEN),
            outputs: to_u16(classes),
        },
        relu: false,
        weights: numbers(weight.transpose()),
        bias: bias(network.output.bias.as_ref().map(|bias| bias.val()), classes),
        scale: vec![1.0; classes],
        shift: vec![0.0; classes],
    }
}

/// Batch normalization in inference (Ioffe and Szegedy, 2015, algorithm 2) as slope and shift.
fn affine(norm: Option<&BatchNorm>, channels: usize) -> (Vec<f32>, Vec<f32>) {
    let Some(norm) = norm else {
        return (vec![1.0; channels], vec![0.0; channels]);
    };
    let deviation = (norm.running_var.value_sync() + norm.epsilon).sqrt();
    let scale = norm.gamma.val() / deviation;
    let shift = norm.beta.val() - norm.running_mean.value_sync() * scale.clone();
    (numbers(scale), numbers(shift))
}

fn bias(bias: Option<Tensor<1>>, outputs: usize) -> Vec<f32> {
    bias.map_or_else(|| vec![0.0; outputs], numbers)
}

fn to_u16(dimension: usize) -> u16 {
    u16::try_from(dimension).expect("no architecture has a dimension of 65,536")
}
