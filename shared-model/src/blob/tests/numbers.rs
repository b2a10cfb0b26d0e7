//! The rules for ranges and for the numbers in them.

use super::*;
use crate::{encode::Layer, graph::Range};

/// Each range of the small network with its length; layer 2 has 4 outputs.
fn ranges<'g>(graph: &'g mut Graph) -> [(SectionPart, &'g mut Range); 5] {
    let layer = &mut graph.layers[2];
    [
        (SectionPart::Weights(2), &mut layer.weights),
        (SectionPart::Biases(2), &mut layer.biases),
        (SectionPart::Multipliers(2), &mut layer.multipliers),
        (SectionPart::Offsets(2), &mut layer.offsets),
        (SectionPart::KnownAnswerImage, &mut graph.known_answer.image),
    ]
}

#[test]
fn ranges_of_the_wrong_length() {
    let lengths = [4 * 8 * 8 * 3, 16, 16, 32, 3072];
    for (index, expected) in lengths.into_iter().enumerate() {
        for found in [expected as u32 - 1, expected as u32 + 1, 0] {
            let mut part = None;
            let error = error_of_graph(|graph| {
                let (changed, range) = &mut ranges(graph)[index];
                range.len = found;
                part = Some(*changed);
            });
            let part = part.unwrap();
            assert_eq!(
                error,
                LoadError::RangeLength {
                    part,
                    expected,
                    found
                }
            );
        }
    }
}

#[test]
fn misaligned_ranges() {
    for index in 0..5 {
        let mut expected = None;
        let error = error_of_graph(|graph| {
            let (part, range) = &mut ranges(graph)[index];
            range.offset += 8;
            expected = Some(LoadError::RangeMisaligned {
                part: *part,
                offset: range.offset,
            });
        });
        assert_eq!(Some(error), expected);
    }
}

#[test]
fn ranges_outside_the_section() {
    let section_len = unanswered(&small()).unwrap().1.len();
    for index in 0..5 {
        for offset in [section_len.next_multiple_of(16) as u32, u32::MAX - 15] {
            let mut expected = None;
            let error = error_of_graph(|graph| {
                let (part, range) = &mut ranges(graph)[index];
                range.offset = offset;
                let end = u64::from(offset) + u64::from(range.len);
                expected = Some(LoadError::RangeOutside {
                    part: *part,
                    end,
                    section_len,
                });
            });
            assert_eq!(Some(error), expected);
        }
    }
}

#[test]
fn overlapping_ranges() {
    let error = error_of_graph(|graph| graph.layers[2].biases = graph.layers[2].multipliers);
    let (first, second) = (SectionPart::Biases(2), SectionPart::Multipliers(2));
    assert_eq!(error, LoadError::RangesOverlap { first, second });
    let error = error_of_graph(|graph| {
        graph.known_answer.image.offset = graph.layers[2].weights.offset + 16;
    });
    let (first, second) = (SectionPart::Weights(2), SectionPart::KnownAnswerImage);
    assert_eq!(error, LoadError::RangesOverlap { first, second });
}

#[test]
fn weight_below_the_range() {
    let error = error_of_network(|network| network.layers[1].weights[2 * 18 + 5] = -128);
    assert_eq!(
        error,
        LoadError::WeightOutOfRange {
            layer: 1,
            channel: 2,
            index: 5
        }
    );
}

/// Sets one channel of layer 1, which has 18 weights a channel.
fn set_channel(layer: &mut Layer, bias: i32, multiplier: i32, offset: i64) {
    layer.weights[18..36].fill(-127);
    (layer.biases[1], layer.multipliers[1], layer.offsets[1]) = (bias, multiplier, offset);
}

#[test]
fn accumulator_at_its_limit_and_beyond() {
    let largest = i32::MAX - 128 * 127 * 18;
    for sign in [1, -1] {
        let mut network = small();
        set_channel(&mut network.layers[1], sign * largest, 1, 0);
        assert!(encode(&network).is_ok());
        let error = error_of_network(|network| {
            set_channel(&mut network.layers[1], sign * (largest + 1), 1, 0);
        });
        let bound = 1 << 31;
        assert_eq!(
            error,
            LoadError::AccumulatorOverflow {
                layer: 1,
                channel: 1,
                bound
            }
        );
    }
}

#[test]
fn requantization_at_its_limit_and_beyond() {
    let bound = 128 * 127 * 18_i64;
    for (multiplier, sign) in [(i32::MIN, -1), (i32::MAX, 1), (i32::MIN, 1)] {
        let largest = i64::MAX - bound * i64::from(multiplier.unsigned_abs());
        let mut network = small();
        set_channel(&mut network.layers[1], 0, multiplier, sign * largest);
        assert!(encode(&network).is_ok());
        let error = error_of_network(|network| {
            set_channel(&mut network.layers[1], 0, multiplier, sign * (largest + 1));
        });
        let bound = 1 << 63;
        assert_eq!(
            error,
            LoadError::RequantizationOverflow {
                layer: 1,
                channel: 1,
                bound
            }
        );
    }
}

#[test]
fn messages_name_the_value() {
    let error = error_of_network(|network| network.layers[1].weights[2 * 18 + 5] = -128);
    let message = "layer 1, channel 2: weight 5 is -128, below the range -127 … 127";
    assert_eq!(std::format!("{error}"), message);
}
