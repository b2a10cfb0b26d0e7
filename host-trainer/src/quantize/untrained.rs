//! A recipe's network without what training would give: as large as the trained one.

use shared_model::ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Operation, Output};
use shared_model::{Range, Shape, encode};

use super::Quantization;
use crate::dataset::Description;
use crate::recipe::{LayerConfig, Recipe};

/// A logit of the known answer whose number takes as many bytes as any within what a network may say, ±8 with 16 fraction bits.
const LONG_LOGIT: i64 = 1 << 19;

impl Quantization {
    /// The recipe's network for a data set's pictures and classes; all its weights are zero.
    pub fn untrained(recipe: &Recipe, dataset: &Description) -> Self {
        let mut shape = dataset.shape();
        let mut layers = Vec::new();
        for config in recipe.layers(dataset.labels.len()) {
            layers.extend(layer(config, shape));
            shape = config.output(shape);
        }
        Self {
            recipe: recipe.clone(),
            dataset: dataset.clone(),
            layers,
            padding: vec![0; dataset.shape().channels.into()],
            logit_fraction_bits: 16,
            known_picture: vec![0; dataset.shape().elements()].into(),
            extensions: Vec::new(),
        }
    }
}

fn layer(config: LayerConfig, input: Shape) -> Option<encode::Layer> {
    let epilogue = |relu, output| Epilogue { relu, output, multipliers: Range::EMPTY, offsets: Range::EMPTY };
    let hidden = Output::Int8 { scale: 1.0, zero_point: 0 };
    let wide = |outputs: usize| u16::try_from(outputs).expect("a layer has at most 65,535 outputs");
    let with_numbers = |operation, outputs: usize, inputs: usize, offset: i64| encode::Layer {
        operation,
        weights: vec![0; outputs * inputs],
        biases: vec![0; outputs],
        multipliers: vec![0; outputs],
        offsets: vec![offset << 32; outputs],
    };
    Some(match config {
        LayerConfig::Convolution { filters, .. } => {
            let operation = Operation::Convolution(Convolution::same_3x3(wide(filters), epilogue(true, hidden)));
            with_numbers(operation, filters, 9 * usize::from(input.channels), 0)
        }
        LayerConfig::MaxPool => encode::Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING)),
        LayerConfig::Dropout { .. } => return None,
        LayerConfig::GlobalAverage => {
            let window = [input.height, input.width];
            let operation = Operation::AveragePool(AveragePool { window, epilogue: epilogue(false, hidden) });
            encode::Layer { multipliers: vec![0], offsets: vec![0], ..encode::Layer::without_numbers(operation) }
        }
        LayerConfig::Dense { outputs, .. } => {
            let operation = Operation::Dense(Dense::new(wide(outputs), epilogue(true, hidden)));
            with_numbers(operation, outputs, input.elements(), 0)
        }
        LayerConfig::Logits { classes } => {
            let operation = Operation::Dense(Dense::new(wide(classes), epilogue(false, Output::Logits)));
            with_numbers(operation, classes, input.elements(), LONG_LOGIT)
        }
    })
}
