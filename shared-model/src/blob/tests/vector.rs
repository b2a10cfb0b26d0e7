//! The frozen test vector, `test-vector.blob`: what it is made of, and what it computes.

use super::*;
use crate::{
    Interpreter, Range,
    encode::{Layer, assemble},
    graph::{Accuracy, Provenance},
    ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Output},
    testing::{assert_equals_oracle, oracle},
};
use sha2::{Digest, Sha256};
use std::{env, format, fs, string::String};

/// Beside this crate's manifest.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/test-vector.blob");

const INPUT: Shape = Shape::new(10, 9, 1);

/// Bias and offset of a channel at the limits of rule 5, for a multiplier and the sum of the magnitudes of the weights.
fn limits(weight_sum: i64, multiplier: i32) -> (i32, i64) {
    let bias = i64::from(i32::MAX) - 128 * weight_sum;
    let offset = i64::MAX - i64::from(i32::MAX) * i64::from(multiplier.unsigned_abs());
    (bias as i32, offset)
}

/// An operation with small numbers, those of some channels replaced: index, the only weight, bias, multiplier and offset.
fn layer(
    numbers: &mut Numbers,
    operation: Operation,
    input: Shape,
    multiplier: i32,
    replaced: &[(usize, i8, i32, i32, i64)],
) -> Layer {
    let counts = operation.counts(input);
    let per_channel = counts.weights_per_channel;
    let mut layer = Layer::without_numbers(operation);
    for channel in 0..counts.multipliers {
        let weights = (0..per_channel).map(|_| numbers.within(127) as i8);
        layer.weights.extend(weights);
        layer.multipliers.push(match channel % 3 {
            // Of both signs.
            2 if per_channel > 0 => -multiplier,
            _ => multiplier,
        });
        layer.offsets.push(numbers.within(40 << 32));
    }
    layer.biases = (0..counts.biases)
        .map(|_| numbers.within(2000) as i32)
        .collect();
    for &(channel, weight, bias, multiplier, offset) in replaced {
        let weights = &mut layer.weights[channel * per_channel..][..per_channel];
        weights.fill(0);
        weights[per_channel / 2] = weight;
        layer.biases[channel] = bias;
        (layer.multipliers[channel], layer.offsets[channel]) = (multiplier, offset);
    }
    layer
}

fn network_of_the_vector() -> Network<'static> {
    let epilogue = |relu, output| Epilogue {
        relu,
        output,
        multipliers: Range::EMPTY,
        offsets: Range::EMPTY,
    };
    let int8 = |relu, zero_point| {
        let scale = 0.0625;
        epilogue(relu, Output::Int8 { scale, zero_point })
    };
    let convolution = |channels, relu, zero_point| {
        Operation::Convolution(Convolution::same_3x3(channels, int8(relu, zero_point)))
    };
    let pool = Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING));
    let average = Operation::AveragePool(AveragePool {
        window: [2, 2],
        epilogue: int8(false, 127),
    });
    let dense = Operation::Dense(Dense::new(3, epilogue(true, Output::Logits)));
    let numbers = &mut Numbers(9547);
    let (bias, offset) = limits(1, i32::MAX);
    let (bias_of_two, offset_of_two) = limits(2, i32::MIN);
    let layers = vec![
        layer(
            numbers,
            convolution(4, true, -128),
            INPUT,
            16_000_000,
            &[(3, -1, bias, i32::MAX, -offset)],
        ),
        pool.clone(),
        layer(
            numbers,
            convolution(8, false, 127),
            Shape::new(5, 4, 4),
            9_000_000,
            &[
                (4, 2, -bias_of_two, i32::MIN, -offset_of_two),
                (6, 127, 0, 0, i64::MAX),
                (7, 1, 77, 0, -5 << 32),
            ],
        ),
        pool,
        layer(
            numbers,
            convolution(4, false, 3),
            Shape::new(2, 2, 8),
            6_000_000,
            &[],
        ),
        layer(numbers, average, Shape::new(2, 2, 4), 2_000_000_000, &[]),
        layer(numbers, dense, Shape::new(1, 1, 4), 176_000_000, &[]),
    ];
    Network {
        name: "tiny",
        labels: ["cat", "dög", "neither"].map(String::from).to_vec(),
        input: INPUT,
        padding: vec![-128],
        mean: vec![127.5],
        scale: vec![0.0078125],
        layers,
        logit_fraction_bits: 5,
        decision: Decision {
            threshold: 39_321,
            none_class: Some(2),
        },
        known_picture: KnownPicture::Pattern,
        accuracy: Accuracy {
            images: 0,
            float_top1: 0.0,
            int8_top1: 0.0,
            agreement: 0.0,
        },
        provenance: Provenance {
            preset: "none",
            epochs: 300,
            seed: 1 << 40,
            trainer: "by hand",
        },
        extensions: vec![(0xBEEF, b"ignored".to_vec())],
    }
}

/// The blob, with the length of its name in five bytes instead of one.
fn build() -> AlignedBytes {
    let network = network_of_the_vector();
    let (mut message, section) = unanswered(&network).unwrap();
    let blob = write(&message, &section).unwrap();
    let model = Model::load(&blob).unwrap();
    let pattern: List<u8> = model.known_pixels().collect();
    message.known_logits = oracle(&model, &pattern).logits;
    let mut message = postcard::to_allocvec(&message).unwrap();
    assert_eq!(message[0], 4);
    message.splice(..1, [0x84, 0x80, 0x80, 0x80, 0x00]);
    assemble(&message, &section).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// To write the file anew: `WRITE_TEST_VECTOR=1 cargo test -p shared-model vector`; then `FORMAT.md` and the hashes here are to be
/// changed as well.
#[test]
fn the_vector_has_these_bytes() {
    let blob = build();
    if env::var_os("WRITE_TEST_VECTOR").is_some() {
        fs::write(FILE, &*blob).unwrap();
    }
    assert!(fs::read(FILE).unwrap() == *blob);
    assert_eq!(blob.len(), 1255);
    assert_eq!(
        sha256(&blob),
        "d376db2fde2d2b4f07359104824ec4f9d61f91dab0ecb2eaf790dc48d5633a55"
    );
}

#[test]
fn the_vector_computes_this() {
    let blob = AlignedBytes::from(fs::read(FILE).unwrap().as_slice());
    let model = Model::load(&blob).unwrap();
    assert_eq!(model.crc32(), 0x9255_5B3C);
    // Outputs of all operations, one after the other; logits as four bytes, little-endian.
    let outputs = |picture: &List<u8>| {
        let answer = oracle(&model, picture);
        let logits = answer.logits.into_iter().flat_map(i32::to_le_bytes);
        let activations = answer.activations.concat().into_iter();
        let activations: List<u8> = activations.map(|value| value as u8).collect();
        (activations, logits.collect::<List<u8>>())
    };
    let pattern: List<u8> = model.known_pixels().collect();
    assert_eq!(
        sha256(&outputs(&pattern).0),
        "45810e4a8da9590caf71dc09ea18a07b0396f90db0d0a7583220f2eccf023c37"
    );
    let mut numbers = Numbers(1);
    let pictures: List<_> = (0..100).map(|_| numbers.picture(INPUT)).collect();
    let all = pictures.iter().map(outputs);
    let all: List<_> = all
        .map(|(activations, logits)| [activations, logits].concat())
        .collect();
    assert_eq!(
        sha256(&all.concat()),
        "5ee95d10fd621e9cafa1ae499a7791ef41d80174543ab9bbbcbfcde9f8213076"
    );
    for backend in Backend::ALL {
        // What is in an arena, and where it lies, do not matter.
        for (shift, (more, paint)) in [(0, 0), (16, 0x7F), (64, 0x80), (256, 0xFF), (4096, 0x5A)]
            .into_iter()
            .enumerate()
        {
            let mut memory = vec![paint; shift + model.arena_len_on(backend) + more];
            let arena = &mut memory[shift..];
            let mut interpreter = Interpreter::on(backend, &model, arena).unwrap();
            for picture in pictures.iter().chain([&pattern]) {
                assert_equals_oracle(&mut interpreter, picture);
            }
            let found = interpreter.classify(&pattern).unwrap();
            assert_eq!(found.logits, [39, 78, 6]);
            assert_eq!(found.probabilities(), [13_827, 46_777, 4930]);
            assert_eq!(found.decide(&model.graph().decision), Some(1));
            assert!(interpreter.known_answer_holds());
        }
    }
}
