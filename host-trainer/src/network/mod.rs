//! The float network as a burn module: a list of layers, made from the recipe's.
//!
//! Tensors are `[batch, channels, height, width]`; behind a dense layer height and width are 1.

mod weights;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Initializer, Linear, LinearConfig, PaddingConfig2d,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use cpu_kernels::{convolution_3x3, max_pool_2x2, relu_batch_norm};
use shared_model::Shape;

use crate::dataset::{ChannelStatistics, Description, Image};
use crate::quantize::{FloatLayer, LayerKind};
use crate::recipe::{LayerConfig, Recipe};
pub use weights::{WeightsError, load_weights, save_weights};

/// A chain of layers.
#[derive(Module, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

/// One layer; see [`LayerConfig`].
#[derive(Module, Debug)]
enum Layer {
    Convolution(Convolution),
    MaxPool(MaxPool2d),
    /// Its mask is drawn outside: see [`DropoutMasks`].
    Dropout(Dropout),
    GlobalAverage(GlobalAverage),
    Dense(Dense),
}

/// Mean of each channel: `[batch, c, h, w] → [batch, c, 1, 1]`.
#[derive(Module, Debug)]
struct GlobalAverage {
    /// Height and width of the input.
    #[module(skip)]
    window: [u16; 2],
}

/// Convolution 3×3 with same padding, ReLU, batch normalization: `[batch, in, h, w] → [batch, out, h, w]`.
#[derive(Module, Debug)]
struct Convolution {
    /// Weights `[out, in, 3, 3]`.
    convolution: Conv2d,
    norm: Option<BatchNorm>,
}

/// Dense, with ReLU and batch normalization where it is not the last: `[batch, c, h, w] → [batch, out, 1, 1]`.
#[derive(Module, Debug)]
struct Dense {
    /// Weights `[c · h · w, out]`.
    linear: Linear,
    norm: Option<BatchNorm>,
    #[module(skip)]
    relu: bool,
    /// `[c, h, w]`.
    #[module(skip)]
    input: [usize; 3],
}

/// Dropout masks of one batch, one a dropout layer: `[batch, channels, height, width]`, zero or 1 / (1 − rate).
///
/// The masks are drawn outside the network, so that a training step is a function of its arguments: the same on
/// every device, however many threads compute it. Without masks nothing is dropped.
pub type DropoutMasks = Vec<Tensor<4>>;

impl Network {
    /// The untrained network of `recipe` for a data set's images and classes, its random weights drawn from the recipe's
    /// seed: He-uniform, the last layer's Glorot-uniform; biases are zero.
    pub fn new(recipe: &Recipe, dataset: &Description, device: &Device) -> Self {
        device.seed(recipe.seed);
        let mut shape = dataset.shape();
        let mut layers = Vec::new();
        for config in recipe.layers(dataset.labels.len()) {
            layers.push(Layer::new(config, shape, device));
            shape = config.output(shape);
        }
        Self { layers }
    }

    /// Logits `[batch, classes]` of normalized images `[batch, channels, height, width]`.
    ///
    /// On an autodiff device batch normalization takes the statistics of the batch, elsewhere the running ones.
    pub fn forward(&self, images: Tensor<4>, masks: &[Tensor<4>]) -> Tensor<2> {
        self.forward_with(images, masks, |_| {})
    }

    /// Like [`Network::forward`] without dropout, handing every output but the logits to `observe`, in order and where the
    /// integer network has it: a convolution's with a pool behind it after the pool.
    pub fn forward_observed(&self, images: Tensor<4>, observe: impl FnMut(Tensor<4>)) -> Tensor<2> {
        self.forward_with(images, &[], observe)
    }

    fn forward_with(&self, images: Tensor<4>, masks: &[Tensor<4>], mut observe: impl FnMut(Tensor<4>)) -> Tensor<2> {
        let mut masks = masks.iter();
        let mut x = images;
        for (index, layer) in self.layers.iter().enumerate() {
            let next = self.layers.get(index + 1);
            x = match layer {
                Layer::Convolution(convolution) => convolution.forward(x),
                Layer::MaxPool(_) => max_pool_2x2(x),
                Layer::Dropout(_) => {
                    if let Some(mask) = masks.next() {
                        x = x * mask.clone();
                    }
                    continue;
                }
                Layer::GlobalAverage(_) => x.mean_dim(3).mean_dim(2),
                Layer::Dense(dense) => dense.forward(x),
            };
            match next {
                Some(Layer::MaxPool(_)) | None => {}
                Some(Layer::Convolution(_) | Layer::Dropout(_) | Layer::GlobalAverage(_) | Layer::Dense(_)) => {
                    observe(x.clone())
                }
            }
        }
        x.flatten::<2>(1, 3)
    }

    /// Every batch normalization, from the image on.
    pub fn norms(&self) -> impl Iterator<Item = &BatchNorm> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Convolution(Convolution { norm, .. }) | Layer::Dense(Dense { norm, .. }) => norm.as_ref(),
            Layer::MaxPool(_) | Layer::Dropout(_) | Layer::GlobalAverage(_) => None,
        })
    }

    /// The weights that decay, and that an optimizer for matrices takes: all but the last layer's, no biases and nothing of
    /// batch normalization.
    pub fn matrices(&self) -> Vec<ParamId> {
        let weights = self.layers.iter().filter_map(|layer| match layer {
            Layer::Convolution(layer) => Some(layer.convolution.weight.id),
            Layer::Dense(layer) => layer.relu.then_some(layer.linear.weight.id),
            Layer::MaxPool(_) | Layer::Dropout(_) | Layer::GlobalAverage(_) => None,
        });
        weights.collect()
    }

    /// Whether every weight and statistic is a number.
    pub fn is_finite(&self) -> bool {
        struct Finite(bool);
        impl ModuleVisitor for Finite {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                // A sum over them is none if one is none.
                self.0 &= parameter.val().abs().sum().into_scalar::<f32>().is_finite();
            }
        }
        let mut finite = Finite(true);
        self.visit(&mut finite);
        finite.0
    }

    /// The same network with the convolutions of `other`, which has as many with as many filters. Where this one's images
    /// are grey and the other's are not, the filters of the first are summed over the colours.
    pub fn with_convolutions_of(mut self, other: Self) -> Self {
        let mut convolutions = other.layers.into_iter().filter_map(|layer| match layer {
            Layer::Convolution(convolution) => Some(convolution),
            Layer::MaxPool(_) | Layer::Dropout(_) | Layer::GlobalAverage(_) | Layer::Dense(_) => None,
        });
        for layer in &mut self.layers {
            if let Layer::Convolution(own) = layer {
                let mut other = convolutions.next().expect("both networks have the same convolutions");
                let [_, channels, ..] = own.convolution.weight.dims();
                other.convolution.weight = other.convolution.weight.map(|weight| match weight.dims() {
                    [_, others, ..] if others != channels && channels == 1 => weight.sum_dim(1),
                    _ => weight,
                });
                *own = other;
            }
        }
        self
    }

    /// Shows `visitor` the parameters of every convolution, with its batch normalization.
    pub fn visit_convolutions(&self, visitor: &mut impl ModuleVisitor) {
        for layer in &self.layers {
            if let Layer::Convolution(convolution) = layer {
                convolution.visit(visitor);
            }
        }
    }

    /// The same network with all logits divided by `temperature`.
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        if let Some(Layer::Dense(mut logits)) = self.layers.pop() {
            let divide = |parameter: Param<Tensor<1>>| parameter.map(|values| values / temperature);
            logits.linear.weight = logits.linear.weight.map(|values| values / temperature);
            logits.linear.bias = logits.linear.bias.map(divide);
            self.layers.push(Layer::Dense(logits));
        }
        self
    }

    /// The trained network as plain numbers, in the layout of the integer network. It stands on a device without autodiff.
    pub fn float_layers(&self) -> Vec<FloatLayer> {
        let mut result = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Convolution(Convolution { convolution, norm }) => {
                    let pool = matches!(self.layers.get(index + 1), Some(Layer::MaxPool(_)));
                    let weights = convolution.weight.val().permute([0, 2, 3, 1]);
                    let kind = LayerKind::Convolution { pool };
                    result.push(float_layer(kind, true, weights, convolution.bias.as_ref(), norm.as_ref()));
                }
                Layer::Dense(Dense { linear, norm, relu, input: [channels, height, width] }) => {
                    let weight = linear.weight.val();
                    let [_, outputs] = weight.dims();
                    let weights = weight.reshape([*channels, *height, *width, outputs]).permute([3, 1, 2, 0]);
                    result.push(float_layer(LayerKind::Dense, *relu, weights, linear.bias.as_ref(), norm.as_ref()));
                }
                Layer::GlobalAverage(GlobalAverage { window }) => {
                    let kind = LayerKind::GlobalAverage { window: *window };
                    let none = Vec::new;
                    result.push(FloatLayer {
                        kind,
                        relu: false,
                        weights: none(),
                        bias: none(),
                        scale: none(),
                        shift: none(),
                    });
                }
                Layer::MaxPool(_) | Layer::Dropout(_) => {}
            }
        }
        result
    }
}

impl Layer {
    fn new(config: LayerConfig, input: Shape, device: &Device) -> Self {
        let [height, width, channels] = input.dimensions();
        let dense = |outputs, initializer, relu, batch_norm: bool| {
            let config = LinearConfig::new(height * width * channels, outputs);
            let mut linear = config.with_initializer(initializer).init(device);
            linear.bias = Some(zero_bias(outputs, device));
            let norm = batch_norm.then(|| norm(outputs, device));
            Self::Dense(Dense { linear, norm, relu, input: [channels, height, width] })
        };
        match config {
            LayerConfig::Convolution { filters, batch_norm } => {
                let config = Conv2dConfig::new([channels, filters], [3, 3]).with_padding(PaddingConfig2d::Same);
                let mut convolution = config.with_initializer(he_uniform()).init(device);
                convolution.bias = Some(zero_bias(filters, device));
                let norm = batch_norm.then(|| norm(filters, device));
                Self::Convolution(Convolution { convolution, norm })
            }
            LayerConfig::MaxPool => Self::MaxPool(MaxPool2dConfig::new([2, 2]).init()),
            LayerConfig::Dropout { rate } => Self::Dropout(DropoutConfig::new(rate).init()),
            LayerConfig::GlobalAverage => Self::GlobalAverage(GlobalAverage { window: [input.height, input.width] }),
            LayerConfig::Dense { outputs, batch_norm } => dense(outputs, he_uniform(), true, batch_norm),
            LayerConfig::Logits { classes } => dense(classes, Initializer::XavierUniform { gain: 1.0 }, false, false),
        }
    }
}

/// Keras' epsilon. burn's is a hundred times smaller, and lets a channel that hardly ever fires ask for a multiplier that
/// the integer network cannot express.
fn norm(features: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(features).with_epsilon(1e-3).init(device)
}

/// He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (2015): uniform within ±√(6 / fan-in).
fn he_uniform() -> Initializer {
    Initializer::KaimingUniform { gain: std::f64::consts::SQRT_2, fan_out_only: false }
}

fn zero_bias(features: usize, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init([features], device)
}

impl Convolution {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let Conv2d { weight, bias, .. } = &self.convolution;
        let bias = bias.as_ref().expect("`Layer::new` gives every convolution a bias");
        let output = convolution_3x3(input, weight.val(), bias.val());
        match &self.norm {
            Some(norm) => relu_batch_norm(output, norm),
            None => relu(output),
        }
    }
}

impl Dense {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = self.linear.forward(input.flatten::<2>(1, 3));
        if self.relu {
            x = relu(x);
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        let [batch, outputs] = x.dims();
        x.reshape([batch, outputs, 1, 1])
    }
}

/// Batch normalization in inference (Ioffe and Szegedy, 2015, algorithm 2) is a slope and a shift.
fn float_layer(
    kind: LayerKind,
    relu: bool,
    weights: Tensor<4>,
    bias: Option<&Param<Tensor<1>>>,
    norm: Option<&BatchNorm>,
) -> FloatLayer {
    let [outputs, ..] = weights.dims();
    let (scale, shift) = match norm {
        Some(norm) => {
            let deviation = (norm.running_var.value_sync() + norm.epsilon).sqrt();
            let scale = norm.gamma.val() / deviation;
            let shift = norm.beta.val() - norm.running_mean.value_sync() * scale.clone();
            (to_vec(scale), to_vec(shift))
        }
        None => (vec![1.0; outputs], vec![0.0; outputs]),
    };
    let bias = bias.map_or_else(|| vec![0.0; outputs], |bias| to_vec(bias.val()));
    FloatLayer { kind, relu, weights: to_vec(weights), bias, scale, shift }
}

/// A tensor's values in row-major order.
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().expect("the data was converted to f32")
}

/// Images as the network takes them, `[batch, channels, height, width]`, normalized by `statistics`.
pub fn to_tensor(images: &[Image], shape: Shape, statistics: &ChannelStatistics, device: &Device) -> Tensor<4> {
    let [height, width, channels] = shape.dimensions();
    let plane = height * width;
    let moments = statistics.mean.iter().zip(&statistics.deviation);
    let tables =
        moments.map(|(mean, deviation)| std::array::from_fn(|pixel| (pixel as f32 / 255.0 - mean) / deviation));
    let tables: Vec<[f32; 256]> = tables.collect();
    let mut values = vec![0.0; images.len() * channels * plane];
    for (image, planes) in images.iter().zip(values.chunks_exact_mut(channels * plane)) {
        for (channel, plane) in planes.chunks_exact_mut(plane).enumerate() {
            let pixels = image[channel..].iter().step_by(channels);
            for (value, &pixel) in plane.iter_mut().zip(pixels) {
                *value = tables[channel][usize::from(pixel)];
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [images.len(), channels, height, width]), device)
}

/// A network's logits are infinite or no numbers.
#[derive(Debug, thiserror::Error)]
#[error(
    "the float network gives logits that are no numbers: its training diverged; train again with a lower learning rate"
)]
pub struct NotFinite;

/// A network that takes pictures as bytes, on a device without autodiff.
#[derive(Clone, Debug)]
pub struct FloatModel {
    /// The network.
    pub network: Network,
    /// What pixels are normalized by.
    pub statistics: ChannelStatistics,
    /// Shape of a picture.
    pub shape: Shape,
    /// What computes.
    pub device: Device,
}

impl FloatModel {
    /// The recipe's network, trained on such a data set, on a device without autodiff.
    pub fn new(network: Network, recipe: &Recipe, dataset: &Description, device: &Device) -> Self {
        let statistics = recipe.normalization.statistics(&dataset.statistics);
        Self { network, statistics, shape: dataset.shape(), device: device.clone() }
    }

    /// The logits of each image.
    ///
    /// # Errors
    /// If one is infinite or no number.
    pub fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>, NotFinite> {
        let mut logits = Vec::with_capacity(images.len());
        for batch in self.batches(images) {
            let output = self.network.forward(batch, &[]);
            let [_, classes] = output.dims();
            logits.extend(to_vec(output).chunks_exact(classes).map(<[f32]>::to_vec));
        }
        if logits.iter().flatten().all(|logit| logit.is_finite()) { Ok(logits) } else { Err(NotFinite) }
    }

    /// What [`Network::forward_observed`] observes, each output image after image, `[images][h, w, c]`.
    pub fn activations(&self, images: &[Image]) -> Vec<Vec<f32>> {
        let mut activations: Vec<Vec<f32>> = Vec::new();
        for batch in self.batches(images) {
            let mut output = 0;
            self.network.forward_observed(batch, |tensor| {
                if activations.len() == output {
                    activations.push(Vec::new());
                }
                activations[output].extend(to_vec(tensor.permute([0, 2, 3, 1])));
                output += 1;
            });
        }
        activations
    }

    fn batches(&self, images: &[Image]) -> impl Iterator<Item = Tensor<4>> {
        const IMAGES_AT_ONCE: usize = 128;
        let batches = images.chunks(IMAGES_AT_ONCE);
        batches.map(|images| to_tensor(images, self.shape, &self.statistics, &self.device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{largest, temperature};

    #[test]
    fn a_network_with_its_temperature_needs_no_other() {
        let recipe =
            Recipe { filters: vec![4], block_dropout: vec![0.0], seed: 3, ..Recipe::preset("vgg3-best").unwrap() };
        let recipe = Recipe { batch_norm: false, ..recipe };
        let dataset = Description::cifar10();
        let device = Device::flex();
        let network = Network::new(&recipe, &dataset, &device);
        let image = |seed: usize| (0..3072).map(|byte| (byte * (seed + 3) % 251) as u8).collect();
        let images: Vec<Image> = (0..20).map(image).collect();
        let logits =
            |network: &Network| FloatModel::new(network.clone(), &recipe, &dataset, &device).logits(&images).unwrap();
        // Right in 16 of 20 cases.
        let label = |(index, logits): (usize, &Vec<f32>)| (largest(logits) + index / 16) as u8 % 10;
        let labels: Vec<u8> = logits(&network).iter().enumerate().map(label).collect();
        let temperature = temperature::fit(&logits(&network), &labels);
        assert!((0.06..15.0).contains(&temperature), "{temperature}");
        let again = temperature::fit(&logits(&network.clone().with_temperature(temperature)), &labels);
        assert!((again - 1.0).abs() < 1e-3, "{again}");
        let infinite = network.with_temperature(0.0);
        assert!(FloatModel::new(infinite, &recipe, &dataset, &device).logits(&images).is_err());
    }

    #[test]
    fn outputs_are_observed_where_the_integer_network_has_them() {
        let recipe =
            Recipe { filters: vec![2, 3], block_dropout: vec![0.1, 0.0], ..Recipe::preset("vgg3-best").unwrap() };
        let dataset = Description { shape: [8, 12, 1], ..Description::cifar10() };
        let dataset =
            Description { statistics: ChannelStatistics { mean: vec![0.5], deviation: vec![0.25] }, ..dataset };
        let network = Network::new(&recipe, &dataset, &Device::flex());
        let images = [(0..96).collect()];
        let observed = FloatModel::new(network.clone(), &recipe, &dataset, &Device::flex()).activations(&images);
        let lengths: Vec<usize> = observed.iter().map(Vec::len).collect();
        assert_eq!(lengths, [8 * 12 * 2, 4 * 6 * 2, 4 * 6 * 3, 2 * 3 * 3, 128]);
        assert_eq!(network.float_layers().len(), 6);
        assert_eq!(network.matrices().len(), 5);
    }
}
