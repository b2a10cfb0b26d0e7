//! Every kernel of every backend against the oracle, one step at a time.

use super::{
    Backend, Vectors,
    blocked::Blocked,
    inner_loops::{CHUNK_PAIRS, InnerLoops, OFFSET_FACTORS, POSITIONS, Patch, Portable},
    vector_loops::{Pairs, Quads},
};
use crate::{
    Model, OperationView, Shape,
    encode::{Layer, encode},
    interpreter::pad,
    kernels::{ALL_ROWS, Job, Kernel, Place, Places},
    ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Operation},
    rows::Rows,
    section::Range,
    step::Step,
    testing::{Numbers, any_network, operation},
};
use heapless::Vec;
use proptest::prelude::*;
use std::{vec, vec::Vec as List};

/// Output of a kernel, all of whose input is there from the start, in turns of this height.
fn compute(kernel: &dyn Kernel, step: &Step, input: &[i8], size: usize, height: usize) -> List<i8> {
    let need = kernel.need(step, height);
    let [input_rows, output_rows] = [step.input, step.output].map(|map| Rows::new(map, map.height.into()));
    let mut words = 0;
    let mut take = |len: usize| {
        words += len;
        Place { start: (words - len) as u32, len: len as u32 }
    };
    let places = Places {
        input: take(input_rows.words()),
        kept: take(need.kept),
        scratch: take(need.scratch.at(size)),
        overlay: take(need.overlay.at(size)),
    };
    let output = take(output_rows.words());
    let mut arena = vec![0x5AA5_C33C; words];
    let map: &mut [i8] = bytemuck::cast_slice_mut(&mut arena);
    map[..input.len()].copy_from_slice(input);
    pad(&mut arena, places.input, input_rows, &step.padding);
    for turn in 0.. {
        let Some(next) = kernel.turn(step, turn, height) else {
            break;
        };
        assert!(next.input_rows <= input_rows.height && next.output.len() <= output_rows.height);
        kernel.run(Job {
            step,
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
    }
    let output: &[i8] = bytemuck::cast_slice(&arena[output.range()]);
    output[..output_rows.size()].to_vec()
}

/// Kernels whose inner loops a backend takes from the processor, with the portable ones.
const TWINS: &[&dyn Kernel] = &[&Blocked(Pairs, Portable), &Blocked(Quads, Portable)];

/// An operation with random numbers and, behind a convolution, perhaps a pool; checks all kernels that can compute it.
fn check(numbers: &mut Numbers, operation: Operation, input: Shape, pool: bool, size: usize) {
    let layer = numbers.layer(operation, input);
    let first = numbers.number() as i8;
    let padding = match input.channels {
        3 => [first, numbers.number() as i8, numbers.number() as i8],
        _ => [first; 3],
    };
    let view = view(&layer, input, padding);
    let weights_per_channel = operation.counts(input).weights_per_channel.max(1);
    let channels = view.weights.chunks(weights_per_channel);
    let sums = channels.map(crate::arithmetic::weight_sum);
    let mut step = Step::new(0, &view, sums.max().unwrap_or(0));
    let values = numbers.values([-128, 127], input.elements());
    let by_definition = |view: &OperationView, input: &[i8]| -> List<i8> {
        let wide = self::operation(view, input).into_iter();
        wide.map(|wide| wide.clamp(-128, 127) as i8).collect()
    };
    let mut expected = by_definition(&view, &values);
    let pool_layer = Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING));
    if pool && view.output.height > 1 && view.output.width > 1 {
        let pool = self::view(&pool_layer, view.output, [0; 3]);
        assert!(step.fuse(&pool));
        expected = by_definition(&pool, &expected);
    }
    let kernels = Backend::ALL.iter().flat_map(|backend| backend.kernels);
    let mut computed = 0;
    for kernel in kernels.chain(TWINS).filter(|kernel| kernel.fits(&step)) {
        for height in [1, 2, ALL_ROWS] {
            let sizes = kernel.need(&step, height).sizes;
            for costs in Backend::ALL.map(|backend| &backend.costs) {
                let instructions = (1..=sizes).map(|size| kernel.instructions(&step, size, height, costs));
                assert!(instructions.is_sorted_by(|small, large| small >= large), "{}, {step:?}", kernel.name());
            }
            for size in [size.min(sizes), sizes] {
                let found = compute(*kernel, &step, &values, size, height);
                let name = kernel.name();
                assert!(found == expected, "{name}, size {size}, height {height}, {step:?}");
                computed += 1;
            }
        }
    }
    assert!(computed >= 6 * Backend::ALL.len());
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
    Epilogue { relu, output: numbers.int8(), multipliers: Range::EMPTY, offsets: Range::EMPTY }
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

/// Every value and every weight at an extreme, in shapes that fill words, tiles and blocks, or leave some of each over.
#[test]
fn blocked_convolutions_at_the_extremes() {
    const KERNELS: [&dyn Kernel; 4] =
        [&Blocked(Pairs, Vectors), &Blocked(Quads, Vectors), &Blocked(Pairs, Portable), &Blocked(Quads, Portable)];
    let mut numbers = Numbers(1);
    for (height, width, channels, outputs) in
        [(1, 1, 1, 1), (1, 7, 3, 9), (2, 2, 16, 8), (3, 2, 6, 33), (2, 5, 11, 16), (4, 4, 5, 41), (1, 2, 64, 32)]
    {
        let input = Shape::new(height, width, channels);
        let operation = Operation::Convolution(Convolution::same_3x3(outputs, epilogue(&mut numbers, false)));
        for style in 0..6 {
            let mut extreme = |least: i8, is_least: bool| match style {
                0..4 if is_least => least,
                0..4 => 127,
                _ if numbers.number().is_multiple_of(2) => least,
                _ => 127,
            };
            let counts = operation.counts(input);
            let weights = (0..counts.biases * counts.weights_per_channel).map(|_| extreme(-127, style % 2 == 0));
            let mut layer = Layer::without_numbers(operation);
            layer.weights = weights.collect();
            let values: List<i8> = (0..input.elements()).map(|_| extreme(-128, style / 2 == 0)).collect();
            layer.biases = (0..counts.biases).map(|channel| channel as i32 * 1000 - 20_000).collect();
            // The largest sums are just not clamped.
            let multiplier = ((1 << 32) / (9 * i64::from(channels) * 129)) as i32;
            let sign = |channel: usize| if channel % 3 == 1 { -1 } else { 1 };
            layer.multipliers = (0..counts.multipliers).map(|channel| sign(channel) * multiplier).collect();
            layer.offsets = vec![1 << 31; counts.multipliers];
            let view = view(&layer, input, [127, -128, 0]);
            let step = Step::new(0, &view, 0);
            let expected: List<i8> =
                self::operation(&view, &values).into_iter().map(|wide| wide.clamp(-128, 127) as i8).collect();
            for (index, kernel) in KERNELS.iter().enumerate() {
                let found = compute(*kernel, &step, &values, 1, 1);
                assert!(found == expected, "kernel {index}, style {style}, {step:?}");
            }
        }
    }
}

/// `M x Mᵀ`, row by row, where `x` has as many rows and columns as `M` has columns.
fn transformed<const N: usize>(matrix: [[i32; N]; 6], x: impl Fn(usize, usize) -> i32) -> List<i32> {
    let value = |row: usize, column: usize| -> i32 {
        let terms = (0..N * N).map(|at| matrix[row][at / N] * x(at / N, at % N) * matrix[column][at % N]);
        terms.sum()
    };
    (0..POSITIONS).map(|position| value(position / 6, position % 6)).collect()
}

/// On words of two lanes each, with values that take the lanes to their limits.
#[test]
fn transforms_are_those_of_their_matrices() {
    let filters = [[1, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 1]];
    let inputs = [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ];
    let mut numbers = Numbers(1);
    for case in 0..2000 {
        // Of the channels of a word each is random, or takes each value's extreme by chance or to fit a row and a column.
        let mut values = |least: i8, matrix: &[&[i32]]| -> List<i8> {
            let side = matrix[0].len();
            let [row, column] = [0, 1].map(|_| matrix[numbers.number() as usize % 6]);
            let random: List<u32> = (0..4 * side * side).map(|_| numbers.number() as u32 >> 8).collect();
            let value = |(index, &random): (usize, &u32)| {
                let place = index / 4;
                let sign = row[place / side] * column[place % side] * [1, -1][(index + case) % 2];
                match (case + index) % 3 {
                    0 => (random as i8).max(least),
                    1 if random % 2 == 0 => least,
                    1 => 127,
                    _ if sign < 0 => least,
                    _ => 127,
                }
            };
            random.iter().enumerate().map(value).collect()
        };
        let words = |bytes: &[i8]| -> List<u32> {
            bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(bytes.map(|byte| byte as u8))).collect()
        };
        let lane = |words: &[u32], index: usize, channel: usize| (words[index] >> (16 * (channel / 2))) as i16;

        let taps = values(-127, &filters.each_ref().map(|row| &row[..]));
        let mut u = [0; POSITIONS * CHUNK_PAIRS * 2];
        Portable.transform_filter(&words(&taps), 1, &mut u, 1, 1);
        let pixels = values(-128, &inputs.each_ref().map(|row| &row[..]));
        let mut patch = Patch::new();
        for row in 0..6 {
            patch.set(row, 0..6, 24 * row, 4);
        }
        let mut v = [0; POSITIONS * 2 * 4];
        Portable.transform_input(&words(&pixels), &patch, &mut v, 3, 1);
        for channel in 0..4 {
            let pair = channel % 2;
            let filter = transformed(filters, |row, column| taps[4 * (3 * row + column) + channel].into());
            let input = transformed(inputs, |row, column| pixels[4 * (6 * row + column) + channel].into());
            for position in 0..POSITIONS {
                let found = lane(&u, (position * CHUNK_PAIRS + pair) * 2 + 1, channel);
                let [factor, _] = OFFSET_FACTORS[position];
                assert_eq!(i32::from(found) + i32::from(factor), filter[position], "filter, {position}");
                let found = lane(&v, (position * 2 + pair) * 4 + 3, channel);
                assert_eq!(i32::from(found), input[position], "input, {position}");
            }
        }
    }
}

/// Filters whose weights are too many and too large for Winograd's exactness are left to other kernels.
#[test]
fn winograd_is_refused_where_it_could_be_inexact() {
    let mut numbers = Numbers(1);
    let epilogue = epilogue(&mut numbers, true);
    let operation = Operation::Convolution(Convolution::same_3x3(1, epilogue));
    let input = Shape::new(8, 8, 256);
    let layer = numbers.layer(operation, input);
    let view = view(&layer, input, [0; 3]);
    for (weight_sum, is_exact) in [((1 << 18) - 1, true), (1 << 18, false)] {
        let step = Step::new(0, &view, weight_sum);
        let mut kernels = Backend::ARM_DSP.kernels.iter();
        let fits = kernels.any(|kernel| kernel.name() == "winograd" && kernel.fits(&step));
        assert_eq!(fits, is_exact);
    }
}

#[test]
fn all_cores_of_a_cortex_m_need_the_same_memory() {
    for seed in 0..32 {
        let blob = encode(&any_network(seed)).expect("the network is valid");
        let model = Model::load(&blob).expect("the network is valid");
        let cores = [Backend::ARM_DSP, Backend::ARM_V7M, Backend::ARM_V6M, Backend::HELIUM];
        let [dsp, others @ ..] = cores.map(|backend| model.arena_len_on(backend));
        assert_eq!([dsp; 3], others, "seed {seed}");
    }
}

#[test]
fn cores_have_backends() {
    let name = |core| Backend::of_core(core).map(Backend::name);
    assert_eq!(name("cortex-m4"), Some("arm-dsp"));
    assert_eq!(name("cortex-m0plus"), Some("armv6-m"));
    assert_eq!(name("cortex-m55"), Some("helium"));
    assert_eq!(name("host"), Some(Backend::native().name()));
    assert_eq!(name("z80"), None);
}
