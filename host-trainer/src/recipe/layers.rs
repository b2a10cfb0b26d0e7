//! The layers of a recipe's network: the one list that the float network, its dropout masks, its optimizer's groups, the
//! integer network and the report are made from.

use shared_model::Shape;

use super::{Head, Recipe};

/// Outputs of the first dense layer.
const HIDDEN: usize = 128;

/// One layer. A ReLU, and batch normalization after it, belong to the layer that they follow, as in the tutorial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerConfig {
    /// Convolution 3×3 with same padding, ReLU: `[h, w, c] → [h, w, filters]`.
    Convolution {
        /// Output channels.
        filters: usize,
        /// Whether batch normalization follows.
        batch_norm: bool,
    },
    /// Maximum pool 2×2: `[h, w, c] → [h/2, w/2, c]`.
    MaxPool,
    /// Zeroes elements at random while training.
    Dropout {
        /// Probability of an element to become zero, above 0.
        rate: f64,
    },
    /// Mean of each channel: `[h, w, c] → [1, 1, c]`.
    GlobalAverage,
    /// Every output from every input, ReLU: `[h, w, c] → [1, 1, outputs]`.
    Dense {
        /// Outputs.
        outputs: usize,
        /// Whether batch normalization follows.
        batch_norm: bool,
    },
    /// The last layer, like [`LayerConfig::Dense`] without ReLU: `[h, w, c] → [1, 1, classes]`.
    Logits {
        /// Classes to tell apart.
        classes: usize,
    },
}

impl LayerConfig {
    /// Shape of the output.
    pub fn output(self, input: Shape) -> Shape {
        let wide = |channels: usize| u16::try_from(channels).expect("a layer has at most 65,535 outputs");
        match self {
            LayerConfig::Convolution { filters, .. } => Shape { channels: wide(filters), ..input },
            LayerConfig::MaxPool => Shape { height: input.height / 2, width: input.width / 2, ..input },
            LayerConfig::Dropout { .. } => input,
            LayerConfig::GlobalAverage => Shape::new(1, 1, input.channels),
            LayerConfig::Dense { outputs, .. } => Shape::new(1, 1, wide(outputs)),
            LayerConfig::Logits { classes } => Shape::new(1, 1, wide(classes)),
        }
    }

    /// Multiplications for one image.
    fn multiplications(self, input: Shape) -> usize {
        let output = self.output(input).elements();
        match self {
            LayerConfig::Convolution { .. } => output * 9 * usize::from(input.channels),
            LayerConfig::MaxPool | LayerConfig::Dropout { .. } | LayerConfig::GlobalAverage => 0,
            LayerConfig::Dense { .. } | LayerConfig::Logits { .. } => output * input.elements(),
        }
    }
}

impl Recipe {
    /// Multiplications for one image of that shape.
    pub fn multiplications(&self, input: Shape, classes: usize) -> usize {
        let layers = self.layers(classes).into_iter().scan(input, |shape, layer| {
            let input = std::mem::replace(shape, layer.output(*shape));
            Some(layer.multiplications(input))
        });
        layers.sum()
    }

    /// The layers of the recipe's network for so many classes: blocks of two convolutions and a pool, the head and the
    /// logits.
    pub fn layers(&self, classes: usize) -> Vec<LayerConfig> {
        let batch_norm = self.batch_norm;
        let dropout = |rate: f64| (rate > 0.0).then_some(LayerConfig::Dropout { rate });
        let mut layers = Vec::new();
        for (&filters, &rate) in self.filters.iter().zip(&self.block_dropout) {
            layers.extend([LayerConfig::Convolution { filters, batch_norm }; 2]);
            layers.push(LayerConfig::MaxPool);
            layers.extend(dropout(rate));
        }
        layers.push(match self.head {
            Head::Hidden => LayerConfig::Dense { outputs: HIDDEN, batch_norm },
            Head::GlobalAverage => LayerConfig::GlobalAverage,
        });
        layers.extend(dropout(self.hidden_dropout));
        layers.push(LayerConfig::Logits { classes });
        layers
    }
}
