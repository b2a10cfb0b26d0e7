//! Every kernel of every backend against the oracle, one step at a time.

use super::Backend;
use crate::{
    OperationView, Shape,
    encode::Layer,
    kernels::{Job, Kernel, Need, Place, Places},
    ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Operation, Output},
    rows::Rows,
    section::Range,
    step::Step,
    testing::{Numbers, operation},
};
use heapless::Vec;
use proptest::prelude::*;
use std::{vec, vec::Vec as List};

/// Words before, between and behind the regions of the arena.
const GUARD: usize = 3;

/// What stands in memory that nobody has written.
const PAINT: u32 = 0x5AA5_C33C;

/// A step with its operations, and its input.
struct Case<'a> {
    step: Step<'a>,
    view: OperationView<'a>,
    pool: Option<OperationView<'a>>,
    input: List<i8>,
}

impl Case<'_> {
    /// Output by the definition.
    fn expected(&self) -> List<i8> {
        let clamp = |wide: List<i64>| wide.into_iter().map(|wide| wide.clamp(-128, 127) as i8);
        let output: List<i8> = clamp(operation(&self.view, &self.input)).collect();
        match &self.pool {
            Some(pool) => clamp(operation(pool, &output)).collect(),
            None => output,
        }
    }

    /// Output of a kernel. All rows of the input are there from the start, as `whole` says to the kernel or not.
    fn found(&self, kernel: &dyn Kernel, size: usize, whole: bool) -> List<i8> {
        let need = kernel.need(&self.step, whole);
        let input_rows = Rows::new(self.step.input, self.step.input.height.into());
        let output_rows = Rows::new(self.step.output, self.step.output.height.into());
        let (places, output, words) = places(&need, size, whole, [input_rows, output_rows]);
        let mut arena = vec![PAINT; words];
        let map: &mut [i8] = bytemuck::cast_slice_mut(&mut arena[places.input.range()]);
        map[..self.input.len()].copy_from_slice(&self.input);
        let padding = self.step.padding.iter().cycle();
        let pixel = map[input_rows.padding()].iter_mut();
        pixel
            .zip(padding)
            .for_each(|(value, &padding)| *value = padding);
        let mut turn = 0;
        while let Some(next) = kernel.turn(&self.step, turn, whole) {
            assert!(
                next.input_rows <= input_rows.height && next.output.len() <= output_rows.height
            );
            kernel.run(Job {
                step: &self.step,
                size,
                turn,
                rows: next.output,
                arena: &mut arena,
                places,
                input_rows,
                output,
                output_rows,
                logits: &mut Vec::new(),
            });
            turn += 1;
        }
        let regions = [
            places.input,
            places.kept,
            places.scratch,
            places.overlay,
            output,
        ];
        for (index, &word) in arena.iter().enumerate() {
            let is_guard = !regions.iter().any(|region| region.range().contains(&index));
            assert!(
                !is_guard || word == PAINT,
                "{}: word {index}",
                kernel.name()
            );
        }
        let output: &[i8] = bytemuck::cast_slice(&arena[output.range()]);
        output[..output_rows.size()].to_vec()
    }
}

/// Regions with guards between them, apart from the overlay where it may lie in the input; the output; and all words.
fn places(
    need: &Need,
    size: usize,
    whole: bool,
    [input, output]: [Rows; 2],
) -> (Places, Place, usize) {
    let mut next = GUARD;
    let mut take = |words: usize| {
        let start = next;
        next += words + GUARD;
        Place {
            start: start as u32,
            len: words as u32,
        }
    };
    let overlay = need.overlay.at(size);
    let is_overlaid = whole && size == need.sizes;
    let input_words = input.words();
    let region = take(if is_overlaid {
        input_words.max(overlay)
    } else {
        input_words
    });
    let at_start = |words: usize| Place {
        start: region.start,
        len: words as u32,
    };
    let places = Places {
        input: at_start(input_words),
        kept: take(need.kept),
        scratch: take(need.scratch.at(size)),
        overlay: if is_overlaid {
            at_start(overlay)
        } else {
            take(overlay)
        },
    };
    let output = take(output.words());
    (places, output, next)
}

/// An operation with random numbers and, behind a convolution, perhaps a pool; checks all kernels that can compute it.
fn check(numbers: &mut Numbers, operation: Operation, input: Shape, pool: bool, size: usize) {
    let layer = numbers.layer(operation, input);
    let padding = [(); 3].map(|()| numbers.number() as i8);
    let padding = if input.channels == 3 {
        padding
    } else {
        [padding[0]; 3]
    };
    let view = view(&layer, input, padding);
    let weights_per_channel = operation.counts(input).weights_per_channel.max(1);
    let sums = view
        .weights
        .chunks(weights_per_channel)
        .map(crate::arithmetic::weight_sum);
    let mut step = Step::new(0, &view, sums.max().unwrap_or(0));
    let pool_layer = Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING));
    let can_pool = pool && view.output.height > 1 && view.output.width > 1;
    let pool = can_pool.then(|| self::view(&pool_layer, view.output, [0; 3]));
    let pool = pool.filter(|pool| step.fuse(pool));
    let case = Case {
        step,
        view,
        pool,
        input: numbers.values([-128, 127], input.elements()),
    };
    let expected = case.expected();
    let mut computed = 0;
    for backend in Backend::ALL {
        for kernel in backend
            .kernels
            .iter()
            .filter(|kernel| kernel.fits(&case.step))
        {
            for whole in [false, true] {
                let sizes = kernel.need(&case.step, whole).sizes;
                for size in [size.min(sizes), sizes] {
                    let found = case.found(*kernel, size, whole);
                    let name = kernel.name();
                    assert!(
                        found == expected,
                        "{name}, size {size}, whole {whole}, {:?}",
                        case.step
                    );
                    computed += 1;
                }
            }
        }
    }
    assert!(computed >= 4 * Backend::ALL.len());
}

fn view(layer: &Layer, input: Shape, padding: [i8; 3]) -> OperationView<'_> {
    let output = layer.operation.rules().output_shape(input);
    OperationView {
        operation: layer.operation,
        input,
        output: output.expect("the operation is supported"),
        padding,
        weights: &layer.weights,
        biases: &layer.biases,
        multipliers: &layer.multipliers,
        offsets: &layer.offsets,
    }
}

fn epilogue(numbers: &mut Numbers, relu: bool) -> Epilogue {
    let output = numbers.int8();
    assert_ne!(output, Output::Logits);
    Epilogue {
        relu,
        output,
        multipliers: Range::EMPTY,
        offsets: Range::EMPTY,
    }
}

/// The oracle shall not take long.
const MACS: usize = 1_500_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    #[test]
    fn convolutions(
        seed in any::<u64>(),
        side in (1_u16..=33, 1_u16..=33),
        channels in prop_oneof![Just(1_u16), Just(3), 2_u16..=12, (1_u16..=32).prop_map(|quads| 4 * quads), 120_u16..=130],
        outputs in prop_oneof![1_u16..=9, 1_u16..=130],
        pool in any::<bool>(),
        relu in any::<bool>(),
        size in 1_usize..=5,
    ) {
        let mut input = Shape::new(side.0, side.1, channels);
        while 9 * input.elements() > MACS {
            (input.height, input.width) = (input.height.div_ceil(2), input.width.div_ceil(2));
        }
        let outputs = outputs.min((MACS / (9 * input.elements())).max(1) as u16);
        let mut numbers = Numbers(seed);
        let epilogue = epilogue(&mut numbers, relu);
        let operation = Operation::Convolution(Convolution::same_3x3(outputs, epilogue));
        check(&mut numbers, operation, input, pool, size);
    }

    #[test]
    fn other_operations(
        seed in any::<u64>(),
        side in (2_u16..=40, 2_u16..=40),
        channels in 1_u16..=70,
        outputs in 1_u16..=20,
        relu in any::<bool>(),
    ) {
        let input = Shape::new(side.0, side.1, channels);
        let mut numbers = Numbers(seed);
        let epilogue = epilogue(&mut numbers, relu);
        let window = [input.height, input.width];
        for operation in [
            Operation::MaxPool(MaxPool::HALVING),
            Operation::AveragePool(AveragePool { window, epilogue }),
            Operation::Dense(Dense::new(outputs, epilogue)),
        ] {
            check(&mut numbers, operation, input, false, 1);
        }
    }
}

#[test]
fn whole_layers_of_the_committed_network() {
    let layers = [
        (32, 3, 32, false),
        (32, 32, 8, true),
        (16, 64, 6, true),
        (8, 64, 128, false),
        (8, 128, 128, true),
    ];
    for (seed, (side, inputs, outputs, pool)) in (0..).zip(layers) {
        let mut numbers = Numbers(seed);
        let epilogue = epilogue(&mut numbers, true);
        let operation = Operation::Convolution(Convolution::same_3x3(outputs, epilogue));
        check(
            &mut numbers,
            operation,
            Shape::new(side, side, inputs),
            pool,
            2,
        );
    }
}

/// Filters whose weights are too many and too large for Winograd's exactness are left to other kernels.
#[test]
fn winograd_is_refused_where_it_could_be_inexact() {
    let names = |weight_sum: u32| {
        let mut numbers = Numbers(1);
        let epilogue = epilogue(&mut numbers, true);
        let operation = Operation::Convolution(Convolution::same_3x3(1, epilogue));
        let input = Shape::new(8, 8, 256);
        let layer = numbers.layer(operation, input);
        let step = Step::new(0, &view(&layer, input, [0; 3]), weight_sum);
        let kernels = Backend::ARM_DSP.kernels.iter();
        let names = kernels
            .filter(|kernel| kernel.fits(&step))
            .map(|kernel| kernel.name());
        names.collect::<List<_>>()
    };
    assert_eq!(
        names((1 << 18) - 1),
        ["direct", "row-streaming", "winograd"]
    );
    assert_eq!(names(1 << 18), ["direct", "row-streaming"]);
}

#[test]
fn cores_have_backends() {
    let name = |core| Backend::of_core(core).map(Backend::name);
    assert_eq!(name("cortex-m4"), Some("arm-dsp"));
    assert_eq!(name("cortex-m0plus"), Some("portable"));
    assert_eq!(name("z80"), None);
}
