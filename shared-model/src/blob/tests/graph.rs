//! The rules for a graph.

use super::*;
use crate::ops::{AveragePool, Convolution, Epilogue, MaxPool, Output};
use std::string::{String, ToString};

type Change = fn(&mut Message);

fn assert_refused<const N: usize>(cases: [(Change, LoadError); N]) {
    for (change, error) in cases {
        assert_eq!(with_message(change), Some(error));
    }
}

#[test]
fn input() {
    for (height, width, channels) in [(8, 256, 1), (256, 8, 3), (256, 256, 3)] {
        let shape = Shape::new(height, width, channels);
        let network = network(1, shape, &[Plain::Dense(2, false)]);
        assert_eq!(refusal_of(&network), None, "{shape}");
    }
    let sides = [(7, 8), (8, 7), (257, 8), (8, 257), (0, 8), (8, u16::MAX)];
    let sides = sides.map(|(height, width)| Shape::new(height, width, 3));
    let channels = [0, 2, 4, u16::MAX].map(|channels| Shape::new(9, 8, channels));
    for found in sides.into_iter().chain(channels) {
        assert_eq!(
            with_message(|message| message.input = found),
            Some(LoadError::InputShape { found })
        );
    }
    let error = |field, found| LoadError::InputField {
        field,
        channels: 3,
        found,
    };
    assert_refused([
        (|message| message.padding.truncate(2), error("padding", 2)),
        (|message| message.mean.truncate(1), error("mean", 1)),
        (|message| message.scale.clear(), error("scale", 0)),
        (
            |message| message.input.channels = 1,
            LoadError::InputField {
                field: "padding",
                channels: 1,
                found: 3,
            },
        ),
    ]);
    // Informative.
    let not_a_number = |network: &mut Network| network.mean[0] = f32::NAN;
    assert_eq!(with_network(not_a_number), None);
}

#[test]
fn lengths_of_lists() {
    let error = |what, found, limit| LoadError::TooMany { what, found, limit };
    assert_refused([
        (
            |message| message.labels = vec!["x"; 65],
            error("labels", 65, 64),
        ),
        (|message| message.padding.push(0), error("padding", 4, 3)),
        (|message| message.mean.push(0.0), error("mean", 4, 3)),
        (|message| message.scale.push(0.0), error("scale", 4, 3)),
        (
            |message| message.operations = vec![message.operations[1]; 33],
            error("operations", 33, 32),
        ),
        (
            |message| message.known_logits = vec![0; 65],
            error("logits", 65, 64),
        ),
        (
            |message| message.extensions = vec![message.extensions[0]; 17],
            error("extensions", 17, 16),
        ),
        (
            |message| message.operations.clear(),
            LoadError::NoOperations,
        ),
    ]);
    let most = [
        vec![Plain::Convolution(1, true); 31],
        vec![Plain::Dense(64, false)],
    ]
    .concat();
    let mut most = network(1, Shape::new(8, 8, 1), &most);
    most.extensions = vec![(7, vec![1]); 16];
    assert_eq!((most.layers.len(), most.labels.len()), (32, 64));
    assert_eq!(refusal_of(&most), None);
}

#[test]
fn tensors() {
    let limits = [
        (
            256,
            Plain::Convolution(16, true),
            Plain::Convolution(17, true),
        ),
        (
            8,
            Plain::Convolution(1024, true),
            Plain::Convolution(1025, true),
        ),
        (8, Plain::Dense(1024, true), Plain::Dense(1025, true)),
    ];
    for (side, largest, too_large) in limits {
        let refusal = |operation| {
            let operations = [operation, Plain::AveragePool, Plain::Dense(2, false)];
            refusal_of(&network(1, Shape::new(side, side, 1), &operations))
        };
        assert_eq!(refusal(largest), None);
        let shape = match too_large {
            Plain::Convolution(channels, _) => Shape::new(side, side, channels),
            _ => Shape::new(1, 1, 1025),
        };
        let error = LoadError::TensorTooLarge {
            operation: 0,
            shape,
        };
        assert_eq!(refusal(too_large), Some(error));
    }
    let error = with_message(|message| convolution(message).output_channels = u16::MAX);
    let shape = Shape::new(9, 8, u16::MAX);
    assert_eq!(
        error,
        Some(LoadError::TensorTooLarge {
            operation: 0,
            shape
        })
    );
}

fn convolution<'m>(message: &'m mut Message) -> &'m mut Convolution {
    match &mut message.operations[0] {
        Operation::Convolution(convolution) => convolution,
        other => panic!("{other:?}"),
    }
}

fn average_pool<'m>(message: &'m mut Message) -> &'m mut AveragePool {
    match &mut message.operations[3] {
        Operation::AveragePool(pool) => pool,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_supported() {
    let kernel = "a convolution with another kernel than 3x3";
    let stride = "a convolution with another stride than 1";
    let padding = "a convolution with another padding than one pixel on each side";
    let groups = "a convolution with groups";
    let convolutions: [(Change, _); 13] = [
        (|message| convolution(message).kernel = [1, 3], kernel),
        (|message| convolution(message).kernel = [3, 1], kernel),
        (|message| convolution(message).kernel = [5, 5], kernel),
        (|message| convolution(message).kernel = [0, 0], kernel),
        (|message| convolution(message).stride = [2, 1], stride),
        (|message| convolution(message).stride = [1, 2], stride),
        (|message| convolution(message).stride = [0, 0], stride),
        (
            |message| convolution(message).padding = [0, 1, 1, 1],
            padding,
        ),
        (
            |message| convolution(message).padding = [1, 0, 1, 1],
            padding,
        ),
        (
            |message| convolution(message).padding = [1, 1, 2, 1],
            padding,
        ),
        (
            |message| convolution(message).padding = [1, 1, 1, 0],
            padding,
        ),
        (|message| convolution(message).groups = 0, groups),
        (|message| convolution(message).groups = 3, groups),
    ];
    for (change, what) in convolutions {
        let operation = 0;
        let error = LoadError::NotSupported { operation, what };
        assert_eq!(with_message(change), Some(error));
    }
    for (window, stride) in [
        ([3, 2], [2, 2]),
        ([2, 1], [2, 2]),
        ([2, 2], [1, 2]),
        ([2, 2], [2, 3]),
        ([0, 0], [0, 0]),
    ] {
        let pool = Operation::MaxPool(MaxPool { window, stride });
        let error = LoadError::NotSupported {
            operation: 1,
            what: "a maximum pool other than 2x2 with stride 2",
        };
        assert_eq!(
            with_message(|message| message.operations[1] = pool),
            Some(error)
        );
    }
    for window in [[4, 3], [3, 4], [5, 4], [2, 2], [0, 0], [9, 8]] {
        let error = LoadError::NotSupported {
            operation: 3,
            what: "an average pool whose window is not its whole input",
        };
        assert_eq!(
            with_message(|message| average_pool(message).window = window),
            Some(error)
        );
    }
}

#[test]
fn operations_without_output() {
    let pool = || Operation::MaxPool(MaxPool::HALVING);
    assert_refused([
        (
            |message| convolution(message).output_channels = 0,
            LoadError::NoOutput {
                operation: 0,
                input: Shape::new(9, 8, 3),
            },
        ),
        (
            |message| match &mut message.operations[4] {
                Operation::Dense(dense) => dense.outputs = 0,
                other => panic!("{other:?}"),
            },
            LoadError::NoOutput {
                operation: 4,
                input: Shape::new(1, 1, 3),
            },
        ),
    ]);
    // Three pools leave one of eight rows or columns.
    for (height, width) in [(8, 16), (16, 8), (15, 31)] {
        let network = network(1, Shape::new(height, width, 1), &[Plain::Dense(2, false)]);
        let (mut message, section) = unanswered(&network).unwrap();
        message
            .operations
            .splice(..0, [pool(), pool(), pool(), pool()]);
        let input = Shape::new(height / 8, width / 8, 1);
        let error = LoadError::NoOutput {
            operation: 3,
            input,
        };
        assert_eq!(refusal(&write(&message, &section).unwrap()), Some(error));
    }
}

fn epilogue<'m>(message: &'m mut Message, operation: usize) -> &'m mut Epilogue {
    match &mut message.operations[operation] {
        Operation::Convolution(Convolution { epilogue, .. })
        | Operation::AveragePool(AveragePool { epilogue, .. })
        | Operation::Dense(crate::ops::Dense { epilogue, .. }) => epilogue,
        other => panic!("{other:?}"),
    }
}

#[test]
fn logits_in_the_wrong_place() {
    fn end_with(message: &mut Message, operation: usize) {
        message.operations.truncate(operation + 1);
        epilogue(message, operation).output = Output::Logits;
    }
    assert_refused([
        (
            |message| epilogue(message, 0).output = Output::Logits,
            LoadError::EarlyLogits { operation: 0 },
        ),
        (
            |message| epilogue(message, 4).output = Output::Logits,
            LoadError::EarlyLogits { operation: 4 },
        ),
        (
            |message| {
                epilogue(message, 5).output = Output::Int8 {
                    scale: 1.0,
                    zero_point: 0,
                }
            },
            LoadError::NoLogits { operation: 5 },
        ),
        (
            |message| message.operations.truncate(2),
            LoadError::NoLogits { operation: 1 },
        ),
        (
            |message| end_with(message, 2),
            LoadError::LogitsNotDense { operation: 2 },
        ),
        (
            |message| end_with(message, 3),
            LoadError::LogitsNotDense { operation: 3 },
        ),
        (
            |message| end_with(message, 4),
            LoadError::LabelCount {
                labels: 3,
                logits: 4,
            },
        ),
    ]);
}

#[test]
fn labels_and_what_goes_with_them() {
    let pops: Change = |message| {
        message.labels.pop();
        message.known_logits.pop();
    };
    let known_answer = |found| LoadError::KnownAnswerLogits { expected: 3, found };
    assert_refused([
        (
            |message| message.labels.clear(),
            LoadError::TooFewLabels { found: 0 },
        ),
        (
            |message| message.labels.truncate(1),
            LoadError::TooFewLabels { found: 1 },
        ),
        (
            pops,
            LoadError::LabelCount {
                labels: 2,
                logits: 3,
            },
        ),
        (|message| message.known_logits.truncate(2), known_answer(2)),
        (|message| message.known_logits.push(0), known_answer(4)),
        (|message| message.known_logits.clear(), known_answer(0)),
        (
            |message| message.logit_fraction_bits = 17,
            LoadError::FractionBits {
                found: 17,
                limit: 16,
            },
        ),
        (
            |message| message.decision.none_class = Some(3),
            LoadError::NoneClass {
                class: 3,
                labels: 3,
            },
        ),
        (
            |message| message.decision.none_class = Some(255),
            LoadError::NoneClass {
                class: 255,
                labels: 3,
            },
        ),
    ]);
    let valid: [Change; 4] = [
        |message| message.logit_fraction_bits = 16,
        |message| message.decision.none_class = Some(2),
        |message| message.decision.threshold = u16::MAX,
        |message| message.name = "",
    ];
    for change in valid {
        assert_eq!(with_message(change), None);
    }
    let two = network(1, Shape::new(8, 8, 1), &[Plain::Dense(2, false)]);
    assert_eq!(refusal_of(&two), None);
    let one = network(1, Shape::new(8, 8, 1), &[Plain::Dense(1, false)]);
    assert_eq!(refusal_of(&one), Some(LoadError::TooFewLabels { found: 1 }));
    // In bytes, not in characters.
    for (label, found) in [
        ("", Some(0)),
        ("x", None),
        (&"é".repeat(24), None),
        (&(String::from("x") + &"é".repeat(24)), Some(49)),
    ] {
        let error = with_network(|network| network.labels[2] = label.to_string());
        assert_eq!(
            error,
            found.map(|found| LoadError::LabelLength { index: 2, found })
        );
    }
}
