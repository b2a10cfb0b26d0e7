//! The trained network as plain numbers, in the layout of the integer network.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use crate::dataset::SHAPE;
use crate::network::{HIDDEN, Network, numbers};

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// A 3×3 convolution, perhaps with a 2×2 maximum pool behind it.
    Convolution {
        /// Whether there is the pool.
        pool: bool,
    },
    /// Every output from every input.
    Dense,
}

/// One layer: `y = scale · relu(w · x + bias) + shift`, a channel at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// What it computes.
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
    let [mut height, mut width, mut channels] = SHAPE.dimensions();
    for block in &network.blocks {
        let last = block.convolutions.len() - 1;
        for (position, convolution) in block.convolutions.iter().enumerate() {
            let weight = convolution.convolution.weight.val();
            let outputs = weight.dims()[0];
            let (scale, shift) = affine(convolution.norm.as_ref(), outputs);
            layers.push(FloatLayer {
                kind: LayerKind::Convolution {
                    pool: position == last,
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
            channels = outputs;
        }
        (height, width) = (height / 2, width / 2);
    }
    layers.push(hidden_layer(network, [height, width, channels]));
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
        kind: LayerKind::Dense,
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
        kind: LayerKind::Dense,
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
