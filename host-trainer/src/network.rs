//! The float network as a burn module: blocks of two 3×3 convolutions, then two dense layers.
//!
//! The order inside a block is the tutorial's: convolution → ReLU → batch normalization, twice, then max pool
//! and dropout. Tensors are `[batch, channels, height, width]`.

use crate::dataset::{IMAGE_CHANNELS, IMAGE_SIDE};
pub use crate::quantize::float_layers::{FloatLayer, LayerKind, float_layers};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cpu_kernels::{convolution_3x3, max_pool_2x2, relu_batch_norm};

/// Outputs of the first dense layer.
pub const HIDDEN: usize = 128;

/// What a network looks like; [`Architecture::init`] makes one.
#[derive(Config, Debug, PartialEq)]
pub struct Architecture {
    /// Filters of the two convolutions of each block.
    pub filters: Vec<usize>,
    /// Whether batch normalization follows each ReLU.
    pub batch_norm: bool,
    /// Classes to tell apart, and so logits.
    #[config(default = 10)]
    pub classes: usize,
}

/// A VGG for 32×32 images: [`Block`]s, then dense layers of [`HIDDEN`] outputs and of one a class.
#[derive(Module, Debug)]
pub struct Network {
    /// The convolutional blocks, from the image on.
    pub blocks: Vec<Block>,
    /// Dense, `[batch, channels · height · width] → [batch, 128]`.
    pub hidden: Linear,
    /// After the hidden layer's ReLU.
    pub hidden_norm: Option<BatchNorm>,
    /// Dense, `[batch, 128] → [batch, classes]`: the logits.
    pub output: Linear,
}

/// Two convolutions and a 2×2 max pool: `[batch, in, h, w] → [batch, filters, h/2, w/2]`.
#[derive(Module, Debug)]
pub struct Block {
    /// The convolutions, each with ReLU and, if the architecture has it, batch normalization.
    pub convolutions: Vec<Convolution>,
}

/// Convolution 3×3 with same padding, ReLU, batch normalization: `[batch, in, h, w] → [batch, out, h, w]`.
#[derive(Module, Debug)]
pub struct Convolution {
    /// The convolution, weights `[out, in, 3, 3]`.
    pub convolution: Conv2d,
    /// After the ReLU.
    pub norm: Option<BatchNorm>,
}

/// Dropout masks of one batch: after each pool, and after the hidden layer.
///
/// The masks are drawn outside the network, so that a training step is a function of its arguments: the same on
/// every device, however many threads compute it. `None` where nothing is dropped.
#[derive(Clone, Debug, Default)]
pub struct DropoutMasks {
    /// After each pool, `[batch, channels, height, width]`: zero, or 1 / (1 − rate).
    pub blocks: Vec<Option<Tensor<4>>>,
    /// After the hidden layer, `[batch, 128]`.
    pub hidden: Option<Tensor<2>>,
}

impl Architecture {
    /// Makes a network with He-uniform weights, drawn from `device`'s random state, and zero biases.
    pub fn init(&self, device: &Device) -> Network {
        let mut channels = IMAGE_CHANNELS;
        let mut blocks = Vec::new();
        for &filters in &self.filters {
            blocks.push(Block {
                convolutions: vec![
                    self.convolution(channels, filters, device),
                    self.convolution(filters, filters, device),
                ],
            });
            channels = filters;
        }
        let [channels, height, width] = self.block_output(self.filters.len());
        Network {
            blocks,
            hidden: dense(channels * height * width, HIDDEN, he_uniform(), device),
            hidden_norm: self.norm(HIDDEN, device),
            output: dense(
                HIDDEN,
                self.classes,
                Initializer::XavierUniform { gain: 1.0 },
                device,
            ),
        }
    }

    /// Shape `[channels, height, width]` after the first `blocks` blocks.
    pub fn block_output(&self, blocks: usize) -> [usize; 3] {
        let channels = match blocks {
            0 => IMAGE_CHANNELS,
            count => self.filters[count - 1],
        };
        [channels, IMAGE_SIDE >> blocks, IMAGE_SIDE >> blocks]
    }

    fn convolution(&self, input: usize, output: usize, device: &Device) -> Convolution {
        let mut convolution = Conv2dConfig::new([input, output], [3, 3])
            .with_padding(PaddingConfig2d::Same)
            .with_initializer(he_uniform())
            .init(device);
        convolution.bias = Some(zero_bias(output, device));
        Convolution {
            convolution,
            norm: self.norm(output, device),
        }
    }

    fn norm(&self, features: usize, device: &Device) -> Option<BatchNorm> {
        // Keras' epsilon. burn's is a hundred times smaller, and lets a channel that hardly ever fires ask for a
        // multiplier that the integer network cannot express.
        self.batch_norm.then(|| {
            BatchNormConfig::new(features)
                .with_epsilon(1e-3)
                .init(device)
        })
    }
}

/// He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015): uniform within ±√(6 / fan-in).
fn he_uniform() -> Initializer {
    Initializer::KaimingUniform {
        gain: std::f64::consts::SQRT_2,
        fan_out_only: false,
    }
}

fn zero_bias(features: usize, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init([features], device)
}

fn dense(inputs: usize, outputs: usize, initializer: Initializer, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(inputs, outputs)
        .with_initializer(initializer)
        .init(device);
    linear.bias = Some(zero_bias(outputs, device));
    linear
}

impl Convolution {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let Conv2d { weight, bias, .. } = &self.convolution;
        let bias = bias
            .as_ref()
            .expect("`Architecture::init` gives every convolution a bias");
        let output = convolution_3x3(input, weight.val(), bias.val());
        match &self.norm {
            Some(norm) => relu_batch_norm(output, norm),
            None => relu(output),
        }
    }
}

impl Network {
    /// Every batch normalization, from the image on.
    pub fn norms(&self) -> impl Iterator<Item = &BatchNorm> {
        let convolutions = self.blocks.iter().flat_map(|block| &block.convolutions);
        convolutions
            .filter_map(|convolution| convolution.norm.as_ref())
            .chain(&self.hidden_norm)
    }

    /// The same network with all logits divided by `temperature`.
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        let divide = |parameter: Param<Tensor<1>>| parameter.map(|values| values / temperature);
        self.output.weight = self.output.weight.map(|values| values / temperature);
        self.output.bias = self.output.bias.map(divide);
        self
    }

    /// Logits `[batch, classes]` of images `[batch, 3, 32, 32]` that the recipe's pixel scaling was applied to.
    ///
    /// On an autodiff device batch normalization takes the statistics of the batch, elsewhere the running ones.
    pub fn forward(&self, images: Tensor<4>, masks: &DropoutMasks) -> Tensor<2> {
        self.forward_with(images, masks, |_| {})
    }

    /// Like [`Network::forward`] without dropout, handing the output of every layer but the last to `observe`, in
    /// order and where the integer network has it: after the pool for a block's second convolution; the hidden
    /// layer's as `[batch, 128, 1, 1]`.
    pub fn forward_observed(&self, images: Tensor<4>, observe: impl FnMut(Tensor<4>)) -> Tensor<2> {
        self.forward_with(images, &DropoutMasks::default(), observe)
    }

    fn forward_with(
        &self,
        images: Tensor<4>,
        masks: &DropoutMasks,
        mut observe: impl FnMut(Tensor<4>),
    ) -> Tensor<2> {
        let mut x = images;
        for (index, block) in self.blocks.iter().enumerate() {
            let last = block.convolutions.len() - 1;
            for (position, convolution) in block.convolutions.iter().enumerate() {
                x = convolution.forward(x);
                if position == last {
                    x = max_pool_2x2(x);
                }
                observe(x.clone());
            }
            x = drop_out(x, masks.blocks.get(index).and_then(Option::as_ref));
        }
        let mut x = relu(self.hidden.forward(x.flatten(1, 3)));
        if let Some(norm) = &self.hidden_norm {
            x = norm.forward(x);
        }
        observe(x.clone().reshape([0, HIDDEN as i32, 1, 1]));
        self.output.forward(drop_out(x, masks.hidden.as_ref()))
    }
}

fn drop_out<const D: usize>(x: Tensor<D>, mask: Option<&Tensor<D>>) -> Tensor<D> {
    match mask {
        Some(mask) => x * mask.clone(),
        None => x,
    }
}

/// A tensor's values in row-major order.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().expect("the data was converted to f32")
}
