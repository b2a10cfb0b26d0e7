//! The rules for ranges and for the numbers in them.

use super::*;
use crate::{
    Range,
    error::SectionPart::{self, *},
    graph::KnownImage,
};
use std::string::ToString;

/// All kinds of parts, those of operations from each that has numbers.
const PARTS: [SectionPart; 12] = [
    Weights(0),
    Biases(0),
    Multipliers(0),
    Offsets(2),
    Multipliers(3),
    Offsets(3),
    Weights(4),
    Biases(5),
    Multipliers(4),
    Offsets(5),
    KnownAnswerImage,
    Extension(0),
];

/// Changes a range and gives it.
fn change_range(
    message: &mut Message,
    part: SectionPart,
    change: impl FnOnce(&mut Range),
) -> Range {
    let mut image = match message.known_image {
        KnownImage::Pixels(range) => range,
        KnownImage::Pattern => Range::EMPTY,
    };
    let operation = match part {
        Weights(index) | Biases(index) | Multipliers(index) | Offsets(index) => index,
        KnownAnswerImage | Extension(_) => 0,
    };
    let operation = &mut message.operations[operation];
    let mut parameters = operation.parameters();
    let range = match part {
        Weights(_) => &mut parameters.weights,
        Biases(_) => &mut parameters.biases,
        Multipliers(_) => &mut parameters.multipliers,
        Offsets(_) => &mut parameters.offsets,
        KnownAnswerImage => &mut image,
        Extension(index) => &mut message.extensions[index].range,
    };
    change(range);
    let range = *range;
    operation.set_parameters(parameters);
    message.known_image = KnownImage::Pixels(image);
    range
}

/// Checks what the reader says about a changed range.
fn assert_refused(
    part: SectionPart,
    change: impl FnOnce(&mut Range),
    error: impl FnOnce(Range) -> Option<LoadError>,
) {
    let mut changed = Range::EMPTY;
    let found = with_message(|message| changed = change_range(message, part, change));
    assert_eq!(found, error(changed), "{part:?} {changed:?}");
}

#[test]
fn ranges() {
    let section_len = unanswered(&small()).unwrap().1.len();
    let outside = |part, range: Range| {
        let end = range.end();
        Some(LoadError::RangeOutside {
            part,
            end,
            section_len,
        })
    };
    for part in PARTS {
        let misaligned = |range: Range| {
            let offset = range.offset;
            Some(LoadError::RangeMisaligned { part, offset })
        };
        for shift in [1, 8, 15] {
            assert_refused(part, |range| range.offset += shift, misaligned);
        }
        for offset in [section_len.next_multiple_of(16) as u32, u32::MAX - 15] {
            assert_refused(
                part,
                |range| range.offset = offset,
                |range| outside(part, range),
            );
        }
        if let Extension(_) = part {
            continue;
        }
        for change in [|len| len - 1, |len| len + 1, |_| 0, |_| u32::MAX] {
            let mut expected = 0;
            let set = |range: &mut Range| {
                expected = range.len;
                range.len = change(range.len);
            };
            let mut found = 0;
            let error = with_message(|message| found = change_range(message, part, set).len);
            assert_eq!(
                error,
                Some(LoadError::RangeLength {
                    part,
                    expected,
                    found
                })
            );
        }
    }
    // An extension, which is at the end of the section, has the length that it says.
    let extension = Extension(0);
    for len in [0, 1, 2, 3] {
        assert_refused(extension, |range| range.len = len, |_| None);
    }
    for len in [4, u32::MAX] {
        assert_refused(
            extension,
            |range| range.len = len,
            |range| outside(extension, range),
        );
    }
}

#[test]
fn overlapping_ranges() {
    for (first, second) in [
        (Biases(2), Multipliers(2)),
        (Offsets(0), Offsets(3)),
        (Weights(0), KnownAnswerImage),
        (KnownAnswerImage, Extension(0)),
    ] {
        let error = with_message(|message| {
            let offset = change_range(message, first, |_| ()).offset;
            change_range(message, second, |range| range.offset = offset);
        });
        assert_eq!(error, Some(LoadError::RangesOverlap { first, second }));
    }
    // The weights of the first operation end at 54; nothing is between there and 64.
    let overlap = LoadError::RangesOverlap {
        first: Weights(0),
        second: Extension(0),
    };
    for (offset, len, error) in [
        (48, 1, Some(overlap.clone())),
        (48, 6, Some(overlap.clone())),
        (0, 1, Some(overlap)),
        (48, 0, None),
        (0, 0, None),
    ] {
        let range = Range { offset, len };
        assert_refused(Extension(0), |extension| *extension = range, |_| error);
    }
}

#[test]
fn extensions_of_any_kind_change_nothing_else() {
    let with = |extensions| Network {
        extensions,
        ..small()
    };
    let plain = encode(&with(vec![])).unwrap();
    let plain = Model::load(&plain).unwrap();
    let content = vec![0xFF; 1000];
    for kind in [0, 7, u16::MAX] {
        let blob = encode(&with(vec![(kind, content.clone()), (kind, vec![])])).unwrap();
        let model = Model::load(&blob).unwrap();
        assert_eq!(model.extension(kind), Some(&content[..]));
        assert_eq!(model.extension(kind ^ 1), None);
        let logits = model.graph().known_answer.logits;
        assert!(logits.iter().eq(plain.graph().known_answer.logits.iter()));
    }
    assert_eq!(plain.extension(7), None);
}

#[test]
fn weights() {
    let extremes = |network: &mut Network| network.layers[2].weights.fill(-127);
    assert_eq!(with_network(extremes), None);
    let error = with_network(|network| network.layers[2].weights[2 * 18 + 5] = -128);
    let (operation, channel, index) = (2, 2, 5);
    let expected = LoadError::WeightOutOfRange {
        operation,
        channel,
        index,
    };
    assert_eq!(error, Some(expected));
}

/// The small network with weights of -127 in one channel, whose bound without bias is `sum`.
fn with_channel(
    (operation, channel, sum): (usize, usize, i64),
    bias: i32,
    multiplier: i32,
    offset: i64,
) -> Option<LoadError> {
    with_network(|network| {
        let layer = &mut network.layers[operation];
        if let Some(value) = layer.biases.get_mut(channel) {
            *value = bias;
            let weights = (sum / (128 * 127)) as usize;
            layer.weights[channel * weights..][..weights].fill(-127);
        }
        (layer.multipliers[channel], layer.offsets[channel]) = (multiplier, offset);
    })
}

/// Operation, channel, and the bound of its sums: 18 and 4 weights; the average pool has 16 terms and no weights.
const CHANNELS: [(usize, usize, i64); 3] = [
    (2, 1, 18 * 128 * 127),
    (5, 2, 4 * 128 * 127),
    (3, 0, 16 * 128),
];

#[test]
fn accumulators_up_to_32_bits() {
    for place in &CHANNELS[..2] {
        let &(operation, channel, sum) = place;
        let overflow = |bound| {
            Some(LoadError::AccumulatorOverflow {
                operation,
                channel,
                bound,
            })
        };
        let largest = i32::MAX - sum as i32;
        for sign in [1, -1] {
            assert_eq!(with_channel(*place, sign * largest, 1, 0), None);
            let found = with_channel(*place, sign * (largest + 1), 1, 0);
            assert_eq!(found, overflow(1 << 31));
        }
        let found = with_channel(*place, i32::MIN, 0, 0);
        assert_eq!(found, overflow((1 << 31) + sum as u64));
    }
}

#[test]
fn requantizations_up_to_64_bits() {
    for place in CHANNELS {
        let (operation, channel, sum) = place;
        let overflow = |bound| {
            Some(LoadError::RequantizationOverflow {
                operation,
                channel,
                bound,
            })
        };
        for multiplier in [i32::MIN, i32::MAX, 7, 0, -7] {
            let largest = i64::MAX - sum * i64::from(multiplier.unsigned_abs());
            for sign in [1, -1] {
                assert_eq!(with_channel(place, 0, multiplier, sign * largest), None);
                if multiplier != 0 {
                    let found = with_channel(place, 0, multiplier, sign * (largest + 1));
                    assert_eq!(found, overflow(1 << 63));
                }
            }
        }
        assert_eq!(with_channel(place, 0, 0, i64::MIN), overflow(1 << 63));
        let bound = (sum as u64 + (1 << 32)) << 31;
        assert_eq!(with_channel(place, 0, i32::MIN, i64::MIN), overflow(bound));
    }
    // Bias, multiplier and offset at their limits at once.
    let (place, sum) = (CHANNELS[0], CHANNELS[0].2 as i32);
    let offset = i64::MAX - (i64::from(i32::MAX) << 31);
    assert_eq!(with_channel(place, i32::MAX - sum, i32::MIN, -offset), None);
}

#[test]
fn messages_name_the_value() {
    let error = with_network(|network| network.layers[2].weights[2 * 18 + 5] = -128).unwrap();
    let message = "operation 2, channel 2: weight 5 is -128, below the range -127 … 127";
    assert_eq!(error.to_string(), message);
    for (part, name) in [
        (Weights(1), "the weights of operation 1"),
        (Biases(0), "the biases of operation 0"),
        (Multipliers(31), "the multipliers of operation 31"),
        (Offsets(2), "the offsets of operation 2"),
        (KnownAnswerImage, "the pixels of the known answer"),
        (Extension(3), "the bytes of extension 3"),
    ] {
        assert_eq!(part.to_string(), name);
    }
}
