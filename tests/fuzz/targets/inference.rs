//! A blob in flash may hold anything. What the loader accepts fits every plan and computes what the oracle does, in the least memory and
//! in more.
//!
//! The bytes are those of a real encoder, so that they are near what is accepted, with some of them changed and the checksum mended.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use shared_model::encode::{encode, repair_crc};
use shared_model::testing::{Numbers, Plain, network, oracle, with_transformed_filters};
use shared_model::{AlignedBytes, Backend, Interpreter, Model, Shape};

/// Multiplications of a network that is computed; the others are only planned.
const AFFORDABLE: u64 = 200_000;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: u64,
    sides: [u8; 2],
    is_grey: bool,
    operations: Vec<Operation>,
    /// Bytes that are changed: where, and to what.
    patches: Vec<(u16, u8)>,
    /// Memory beyond the least.
    surplus: u16,
    has_transformed_filters: bool,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Convolution(u8, bool),
    MaxPool,
    AveragePool,
    Dense(u8, bool),
}

impl Input {
    /// Nothing if the encoder refuses it: it must not panic either.
    fn blob(&self) -> Option<AlignedBytes> {
        let [height, width] = self.sides.map(|side| u16::from(side % 24) + 1);
        let input = Shape::new(height, width, if self.is_grey { 1 } else { 3 });
        let mut operations = Vec::new();
        for operation in self.operations.iter().take(8) {
            operations.push(match *operation {
                Operation::Convolution(channels, relu) => Plain::Convolution(1 + u16::from(channels % 72), relu),
                Operation::MaxPool => Plain::MaxPool,
                Operation::AveragePool => Plain::AveragePool,
                Operation::Dense(outputs, relu) => Plain::Dense(1 + u16::from(outputs % 40), relu),
            });
        }
        operations.push(Plain::Dense(2 + u16::from(self.seed as u8 % 8), false));
        let network = network(self.seed, input, &operations);
        let mut blob = encode(&network).ok()?;
        if self.has_transformed_filters {
            blob = encode(&with_transformed_filters(network)).ok()?;
        }
        for &(place, value) in &self.patches {
            let len = blob.len();
            blob[usize::from(place) % len] = value;
        }
        repair_crc(&mut blob);
        Some(blob)
    }
}

fuzz_target!(|input: Input| {
    let Some(blob) = input.blob() else { return };
    let Ok(model) = Model::load(&blob) else { return };
    let multiplications: u64 = model.steps().iter().map(|step| step.multiply_accumulates()).sum();
    let picture = Numbers(input.seed).picture(model.input_shape());
    let answer = (multiplications <= AFFORDABLE).then(|| oracle(&model, &picture));
    for backend in Backend::ALL {
        let least = model.arena_len_on(backend);
        assert!(model.plan_on(backend, least - 1).is_none(), "{backend:?}: less than the least");
        for given in [least, least + usize::from(input.surplus)] {
            let plan = model.plan_on(backend, given).expect("so much is enough");
            assert!(plan.arena_len() <= given, "{backend:?}: {} of {given}", plan.arena_len());
            if let Some(answer) = &answer {
                let mut arena = vec![0; plan.arena_len()];
                let mut interpreter = Interpreter::on(backend, &model, &mut arena).expect("the plan has the length");
                answer.assert_computed_by(&mut interpreter, &picture);
            }
        }
    }
});
