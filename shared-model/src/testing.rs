//! What tests of this and of other crates share: the oracle, random networks, a recorder of rows.
//!
//! The oracle computes whole networks, operation by operation, in wide arithmetic and with nothing clever: what the kernels are
//! checked against. Of this crate's arithmetic it uses none.

use crate::{
    Classification, Hook, Interpreter, Model, OperationView, Shape,
    arithmetic::weight_sum,
    encode::{KnownPicture, Layer, Network, encode},
    graph::{Accuracy, Decision, Provenance},
    ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Operation, OperationKind, Output},
    section::Range,
    transformed_filters,
};
use alloc::{format, string::String, vec, vec::Vec};

/// What a network computes for one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Output `[h, w, c]` of each operation but the last.
    pub activations: Vec<Vec<i8>>,
    /// One a label.
    pub logits: Vec<i32>,
}

impl Answer {
    /// Checks that an interpreter computes this from `picture`: every row of every step, the logits, and the same again with the rows of
    /// the picture handed in one by one.
    ///
    /// # Panics
    ///
    /// If it computes something else.
    pub fn assert_computed_by(&self, interpreter: &mut Interpreter, picture: &[u8]) {
        let model = interpreter.model();
        let (classification, recorder) = record(interpreter, picture);
        assert_eq!(classification.logits, self.logits.as_slice());
        let steps = model.steps();
        assert_eq!(recorder.steps.len(), steps.len());
        // A pool does not need the last of an odd number of rows, and then other steps need fewer rows as well.
        let leaves_out_rows =
            steps.iter().any(|step| step.kind == OperationKind::MaxPool && step.input.height % 2 == 1);
        for (index, found) in recorder.steps.iter().enumerate() {
            let Some(next) = steps.get(index + 1) else {
                assert!(found.is_empty());
                break;
            };
            // A step's output is that of its last operation.
            let mut expected = &self.activations[next.operation - 1][..];
            if leaves_out_rows {
                expected = &expected[..found.len()];
            }
            let (step, plan) = (&steps[index], interpreter.plan());
            assert!(found == expected, "step {index}, {step:?}\n{plan}");
        }
        let mut last = None;
        for row in picture.chunks(model.input_shape().row_len()) {
            assert_eq!(last, None, "a classification before the last row");
            let pushed = interpreter.push_row(row, &mut ());
            last = pushed.expect("the row has the network's width");
        }
        assert_eq!(last, Some(classification));
    }
}

/// Computes a network by the definition of its operations.
///
/// # Panics
///
/// If a value leaves the range that the rules of `FORMAT.md` prove for it.
pub fn oracle(model: &Model, picture: &[u8]) -> Answer {
    assert_eq!(picture.len(), model.input_shape().elements());
    let pixel = |&pixel: &u8| (i16::from(pixel) - 128) as i8;
    let mut values: Vec<i8> = picture.iter().map(pixel).collect();
    let mut activations = Vec::new();
    for view in model.operations() {
        let wide = operation(&view, &values);
        if view.operation.epilogue().map(|e| e.output) == Some(Output::Logits) {
            let logit = |&wide: &i64| i32::try_from(wide).expect("a logit has 32 bits");
            return Answer { activations, logits: wide.iter().map(logit).collect() };
        }
        values = wide.iter().map(|&wide| wide.clamp(-128, 127) as i8).collect();
        activations.push(values.clone());
    }
    panic!("a network ends in logits")
}

/// Output `[h, w, c]` of one operation, before it is clamped.
pub fn operation(view: &OperationView, input: &[i8]) -> Vec<i64> {
    let accumulators = view.operation.rules().reference(view, input);
    let Some(epilogue) = view.operation.epilogue() else {
        return accumulators;
    };
    let channels = usize::from(view.output.channels);
    let requantized = accumulators.into_iter().enumerate().map(|(index, value)| {
        i32::try_from(value).expect("rule 5: an accumulator has 32 bits");
        let value = if epilogue.relu { value.max(0) } else { value };
        let parameter = match view.multipliers.len() {
            1 => 0,
            _ => index % channels,
        };
        let product = i128::from(value) * i128::from(view.multipliers[parameter]);
        let sum = product + i128::from(view.offsets[parameter]);
        i64::try_from(sum).expect("rule 5: a requantization has 64 bits") >> 32
    });
    requantized.collect()
}

/// A hook that keeps every row of every step, and checks that steps take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// Output `[h, w, c]`, a step.
    pub steps: Vec<Vec<i8>>,
    entered: Option<usize>,
}

impl Hook for Recorder {
    fn enter(&mut self, step: usize) {
        assert_eq!(self.entered.replace(step), None, "step {step} interrupts");
    }

    fn leave(&mut self, step: usize, row: &[i8]) {
        assert_eq!(self.entered.take(), Some(step), "step {step} never began");
        let len = self.steps.len().max(step + 1);
        self.steps.resize(len, Vec::new());
        self.steps[step].extend(row);
    }
}

/// Classifies `picture` and keeps every row.
pub fn record(interpreter: &mut Interpreter, picture: &[u8]) -> (Classification, Recorder) {
    let mut recorder = Recorder::default();
    let classification = interpreter.classify_with(picture, &mut recorder);
    let classification = classification.expect("the picture has the network's shape");
    (classification, recorder)
}

/// A generator of numbers without a distribution to speak of: splitmix64.
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// One of `0 .. limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// One of `-limit ..= limit`.
    pub fn within(&mut self, limit: i64) -> i64 {
        self.below(2 * limit.unsigned_abs() + 1) as i64 - limit
    }

    /// `len` values of `low ..= high`: any, all the same extreme, extremes in turn, or extremes by chance.
    pub fn values(&mut self, [low, high]: [i8; 2], len: usize) -> Vec<i8> {
        let style = self.below(8);
        let extreme = |is_high: bool| if is_high { high } else { low };
        let value = |index: usize| match style {
            0 => low,
            1 => high,
            2 => extreme(index.is_multiple_of(2)),
            3 => extreme(self.number().is_multiple_of(2)),
            _ => (self.number() as i8).clamp(low, high),
        };
        (0..len).map(value).collect()
    }

    /// A picture of random pixels, or of extremes.
    pub fn picture(&mut self, shape: Shape) -> Vec<u8> {
        let values = self.values([i8::MIN, i8::MAX], shape.elements());
        values.into_iter().map(|value| value as u8 ^ 0x80).collect()
    }

    /// Often at an end of its range.
    fn zero_point(&mut self) -> i8 {
        match self.below(4) {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => self.number() as i8,
        }
    }

    /// Activations with a zero point.
    pub fn int8(&mut self) -> Output {
        Output::Int8 { scale: 0.05, zero_point: self.zero_point() }
    }

    /// An operation with numbers: weights of all kinds; bias, multiplier and offset mostly such that the outputs use the range of
    /// int8, sometimes the largest that rule 5 allows, with multipliers of both signs.
    pub fn layer(&mut self, operation: Operation, input: Shape) -> Layer {
        // The output channels of an average pool share one multiplier.
        let counts = operation.counts(input);
        let mut layer = Layer::without_numbers(operation);
        // Rule 5 leaves no room for large weights where there are very many.
        let largest = (1 << 30) / (128 * counts.weights_per_channel.max(1));
        let largest = largest.min(127) as i8;
        for _ in 0..counts.multipliers {
            let weights = self.values([-largest, largest], counts.weights_per_channel);
            let rules = operation.rules();
            let largest_sum = rules.accumulator_bound(input, weight_sum(&weights), 0) as i64;
            let terms = match counts.weights_per_channel {
                0 => input.elements() / usize::from(input.channels),
                count => count,
            };
            let (bias, multiplier, offset) = self.epilogue(largest_sum, counts.biases > 0, terms);
            layer.weights.extend(weights);
            layer.biases.extend((counts.biases > 0).then_some(bias));
            layer.multipliers.push(multiplier);
            layer.offsets.push(offset);
        }
        layer
    }

    fn epilogue(&mut self, largest_sum: i64, has_bias: bool, terms: usize) -> (i32, i32, i64) {
        let largest_bias = i64::from(i32::MAX) - largest_sum;
        let bias = match self.below(16) {
            _ if !has_bias => 0,
            0 => largest_bias,
            1 => -largest_bias,
            _ => self.within(20_000).clamp(-largest_bias, largest_bias),
        };
        let bound = bias.abs() + largest_sum;
        // A sum of random terms has a deviation of about 127/√3 · 128/√3 · √terms, or without weights 128/√3 · √terms, which shall
        // become 60.
        let deviation = if has_bias { 5400 } else { 74 } * terms.isqrt() as i64 + bias.abs();
        let typical = (60 << 32) / deviation;
        let multiplier = match self.below(16) {
            0 => i64::from(i32::MIN),
            1 => i64::from(i32::MAX),
            2 => 0,
            _ => self.within(typical.min(i32::MAX.into())),
        };
        let largest_offset = i64::MAX - bound * multiplier.abs();
        let offset = match self.below(16) {
            0 => largest_offset,
            1 => -largest_offset,
            _ => self.within(30 << 32).clamp(-largest_offset, largest_offset),
        };
        (bias as i32, multiplier as i32, offset)
    }
}

/// An operation of a random network, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Output channels, ReLU.
    Convolution(u16, bool),
    /// See [`Operation::MaxPool`].
    MaxPool,
    /// See [`Operation::AveragePool`].
    AveragePool,
    /// Outputs, ReLU.
    Dense(u16, bool),
}

/// A convolution with ReLU and, if `pool`, the pool behind it.
pub fn convolution(channels: u16, pool: bool) -> Vec<Plain> {
    let mut operations = vec![Plain::Convolution(channels, true)];
    operations.extend(pool.then_some(Plain::MaxPool));
    operations
}

/// A network of these operations on a picture of `input`, whose last one gives the logits, with random numbers. Pools of what has
/// less than two rows or columns are left out.
pub fn network(seed: u64, input: Shape, operations: &[Plain]) -> Network<'static> {
    let mut numbers = Numbers(seed);
    let mut layers = Vec::new();
    let mut shape = input;
    for (index, &plain) in operations.iter().enumerate() {
        let is_last = index + 1 == operations.len();
        let output = if is_last { Output::Logits } else { numbers.int8() };
        let epilogue = |relu| Epilogue { relu, output, multipliers: Range::EMPTY, offsets: Range::EMPTY };
        let operation = match plain {
            Plain::MaxPool if shape.height < 2 || shape.width < 2 => continue,
            Plain::MaxPool => Operation::MaxPool(MaxPool::HALVING),
            Plain::Convolution(channels, relu) => {
                Operation::Convolution(Convolution::same_3x3(channels, epilogue(relu)))
            }
            Plain::AveragePool => {
                Operation::AveragePool(AveragePool { window: [shape.height, shape.width], epilogue: epilogue(false) })
            }
            Plain::Dense(outputs, relu) => Operation::Dense(Dense::new(outputs, epilogue(relu))),
        };
        layers.push(numbers.layer(operation, shape));
        let output = operation.rules().output_shape(shape);
        shape = output.expect("the operations above are supported");
    }
    let channels = usize::from(input.channels);
    Network {
        name: "random",
        labels: (0..shape.channels).map(|class| format!("class {class}")).collect::<Vec<String>>(),
        input,
        padding: (0..channels).map(|_| numbers.zero_point()).collect(),
        mean: vec![127.5; channels],
        scale: vec![0.0078125; channels],
        layers,
        logit_fraction_bits: numbers.below(17) as u8,
        decision: Decision {
            threshold: numbers.number() as u16,
            none_class: (numbers.below(2) == 0).then(|| numbers.below(shape.channels.into()) as u8),
        },
        known_picture: match numbers.below(2) {
            0 => KnownPicture::Pattern,
            _ => KnownPicture::Pixels(numbers.picture(input)),
        },
        accuracy: Accuracy { images: 10_000, float_top1: 50.0, int8_top1: 49.5, agreement: 97.25 },
        provenance: Provenance { preset: "none", epochs: 300, seed: 1 << 40, trainer: "0.1.0" },
        extensions: match numbers.below(3) {
            0 => vec![(7, vec![1, 2, 3])],
            _ => Vec::new(),
        },
    }
}

/// A network with the transformed filters of all operations that can use them.
pub fn with_transformed_filters(mut network: Network<'static>) -> Network<'static> {
    let blob = encode(&network).expect("the network is valid");
    let model = Model::load(&blob).expect("the encoder has loaded it");
    network.extensions.extend(model.steps().iter().filter_map(transformed_filters));
    network
}

/// Any network within the limits that an oracle computes in a moment: `8×8×1` to `96×64×3`, 2 to 64 classes, up to five
/// convolutions of up to 130 channels.
pub fn any_network(seed: u64) -> Network<'static> {
    /// Most multiplications of an operation.
    const MACS: u64 = 3_000_000;
    let mut numbers = Numbers(seed);
    let side = |numbers: &mut Numbers, limit: u64| match numbers.below(3) {
        0 => [8, 16, 32][numbers.below(3) as usize],
        _ => (8 + numbers.below(limit - 7)) as u16,
    };
    let (height, width) = (side(&mut numbers, 96), side(&mut numbers, 64));
    let input = Shape::new(height, width, [1, 3][numbers.below(2) as usize]);
    let mut operations = Vec::new();
    let mut shape = input;
    for _ in 0..numbers.below(6) {
        let is_convolution = numbers.below(8) > 0;
        if is_convolution {
            let channels = match numbers.below(4) {
                0 => 1 + numbers.below(9),
                1 => 4 * (1 + numbers.below(12)),
                2 => 1 + numbers.below(40),
                _ => 120 + numbers.below(11),
            };
            let most = MACS / (9 * shape.elements() as u64);
            shape.channels = channels.min(most).max(1) as u16;
            operations.push(Plain::Convolution(shape.channels, numbers.below(2) == 0));
        }
        if !is_convolution || numbers.below(2) == 0 {
            operations.push(Plain::MaxPool);
            if shape.height > 1 && shape.width > 1 {
                (shape.height, shape.width) = (shape.height / 2, shape.width / 2);
            }
        }
    }
    if numbers.below(3) == 0 {
        operations.push(Plain::AveragePool);
        shape = Shape::new(1, 1, shape.channels);
    }
    for _ in 0..numbers.below(3) {
        let most = MACS / 4 / shape.elements() as u64;
        let outputs = (1 + numbers.below(130)).min(most).max(1) as u16;
        operations.push(Plain::Dense(outputs, numbers.below(2) == 0));
        shape = Shape::new(1, 1, outputs);
    }
    let classes = 2 + numbers.below(63) as u16;
    operations.push(Plain::Dense(classes, numbers.below(4) == 0));
    network(!seed, input, &operations)
}
