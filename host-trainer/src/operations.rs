//! The operations of a blob's network, as reports and `inspect` list them.

use serde::{Deserialize, Serialize};
use shared_model::ops::{Operation, Output};
use shared_model::{Model, OperationView};

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationSummary {
    /// What it is, with the size of its window.
    pub operation: String,
    /// Whether negative accumulators become zero.
    pub relu: bool,
    /// The step that computes it, from 0.
    pub step: usize,
    /// Shape `[h, w, c]` of the input.
    pub input_shape: [usize; 3],
    /// Shape `[h, w, c]` of the output.
    pub output_shape: [usize; 3],
    /// Multiplications for one image.
    pub multiply_accumulates: u64,
    /// Size of its numbers in the blob.
    pub bytes: usize,
    /// Real distance of two neighbouring output integers; `None` of pixels, which have one a channel.
    pub scale: Option<f32>,
    /// Integer that stands for 0; `None` of pixels.
    pub zero_point: Option<i8>,
}

impl OperationSummary {
    /// The operation in words.
    pub fn title(&self) -> String {
        let relu = if self.relu { ", ReLU" } else { "" };
        format!("{}{relu}", self.operation)
    }
}

/// All operations of a network in the order of computation.
pub fn summaries(model: &Model) -> Vec<OperationSummary> {
    let mut quantization = None;
    let operations = model.operations().enumerate();
    let summaries = operations.map(|(index, view)| {
        let epilogue = view.operation.epilogue();
        // A maximum pool passes values on as they are.
        quantization = match epilogue.map(|epilogue| epilogue.output) {
            Some(Output::Int8 { scale, zero_point }) => Some((scale, zero_point)),
            Some(Output::Logits) => Some((logit_scale(model), 0)),
            None => quantization,
        };
        let (scale, zero_point) = quantization.unzip();
        OperationSummary {
            operation: name(&view.operation),
            relu: epilogue.is_some_and(|epilogue| epilogue.relu),
            step: step_of(model, index),
            input_shape: view.input.dimensions(),
            output_shape: view.output.dimensions(),
            multiply_accumulates: view.operation.multiply_accumulates(view.input),
            bytes: bytes(&view),
            scale,
            zero_point,
        }
    });
    summaries.collect()
}

/// Real value of a logit's 1.
pub fn logit_scale(model: &Model) -> f32 {
    1.0 / (1_u32 << model.graph().logit_fraction_bits) as f32
}

/// `[h, w, c]` as a person writes it.
pub fn shape([height, width, channels]: [usize; 3]) -> String {
    format!("{height}×{width}×{channels}")
}

/// A table's cell.
pub fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// The step that computes an operation.
fn step_of(model: &Model, operation: usize) -> usize {
    let steps = model.steps();
    steps.partition_point(|step| step.operation <= operation) - 1
}

fn name(operation: &Operation) -> String {
    let window = match operation {
        Operation::Convolution(convolution) => Some(convolution.kernel.map(u16::from)),
        Operation::MaxPool(pool) => Some(pool.window),
        Operation::AveragePool(pool) => Some(pool.window),
        Operation::Dense(_) => None,
    };
    let size = window.map(|[height, width]| format!(" {height}×{width}"));
    operation.kind().name().to_owned() + &size.unwrap_or_default()
}

fn bytes(view: &OperationView) -> usize {
    size_of_val(view.weights) + size_of_val(view.biases) + size_of_val(view.multipliers) + size_of_val(view.offsets)
}
