//! Every way in which a blob can be wrong, each with what the reader says; the limits themselves, which are valid; and the frozen
//! test vector.

use super::*;
use crate::{
    AlignedBytes, Interpreter, Range,
    encode::{KnownPicture, Network, assemble, decoded, encode, repair_crc, unanswered, write},
    graph::{KnownImage, Message},
    ops::{AveragePool, Convolution, Dense, Epilogue, MaxPool, Operation, Output, Weights},
    testing::{Answer, Numbers, Plain, network, oracle},
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::{format, string::String, string::ToString, vec, vec::Vec as List};

const VALID: &str = "valid";

/// What the reader says about a blob.
fn verdict(blob: &[u8]) -> String {
    Model::load(blob).map_or_else(|error| error.to_string(), |_| VALID.into())
}

fn verdict_on(network: &Network) -> String {
    let (message, section) = unanswered(network);
    verdict(&write(&message, &section).unwrap())
}

/// Operations of every kind, three classes, a known answer of pixels, one extension.
fn small() -> Network<'static> {
    let input = Shape::new(9, 8, 3);
    let operations = [
        Plain::Convolution(2, true),
        Plain::MaxPool,
        Plain::Convolution(3, false),
        Plain::AveragePool,
        Plain::Dense(4, true),
        Plain::Dense(3, false),
    ];
    let mut network = Network {
        name: "small",
        padding: vec![-128, 5, 127],
        known_picture: KnownPicture::Pixels(Numbers(2).picture(input)),
        extensions: vec![(7, vec![1, 2, 3])],
        ..network(1, input, &operations)
    };
    network.decision.threshold = 300;
    network.decision.none_class = Some(1);
    network
}

/// After a change of the small network.
fn with_network(change: impl FnOnce(&mut Network)) -> String {
    let mut network = small();
    change(&mut network);
    verdict_on(&network)
}

/// After a change of the small network's message.
fn with_message(change: impl FnOnce(&mut Message)) -> String {
    let network = small();
    let (mut message, section) = unanswered(&network);
    change(&mut message);
    verdict(&write(&message, &section).unwrap())
}

/// After a replacement in the small network's message as bytes.
fn with_replacement(old: &[u8], new: &[u8]) -> String {
    let network = small();
    let (message, section) = unanswered(&network);
    let message = postcard::to_allocvec(&message).unwrap();
    let mut places = message.windows(old.len()).enumerate();
    let (start, _) = places.find(|(_, window)| *window == old).unwrap();
    let changed = [&message[..start], new, &message[start + old.len()..]].concat();
    verdict(&assemble(&changed, &section).unwrap())
}

/// After a change of the small network's blob, the CRC repaired.
fn with_bytes(change: impl FnOnce(&mut List<u8>)) -> String {
    let mut bytes = encode(&small()).unwrap().to_vec();
    change(&mut bytes);
    repair_crc(&mut bytes);
    verdict(&AlignedBytes::from(bytes.as_slice()))
}

fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn set_word(bytes: &mut [u8], offset: usize, word: u32) {
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
}

#[test]
fn header() {
    let blob = encode(&small()).unwrap();
    let len = blob.len();
    assert_eq!(
        with_bytes(|bytes| bytes[7] = b'2'),
        "not a blob: it begins with [49, 4e, 54, 38, 4e, 45, 54, 32], not with \"INT8NET\" and a zero byte"
    );
    assert_eq!(with_bytes(|bytes| bytes.push(0)), format!("{} bytes given, but the blob has only {len}", len + 1));
    let mut damaged = blob.clone();
    let crc = word(&blob, 16);
    set_word(&mut damaged, 16, crc ^ 1);
    assert_eq!(verdict(&damaged), format!("damaged blob: its CRC-32 is {crc:08x}, its header says {:08x}", crc ^ 1));
    for remainder in 1..16 {
        let shifted = AlignedBytes::from([&vec![0; remainder], &*blob].concat().as_slice());
        let message = format!("the blob is {remainder} bytes past a multiple of 16: wrap it in `Aligned`");
        assert!(verdict(&shifted[remainder..]).starts_with(&message));
    }
    // A header is enough to tell the version.
    for found in [0, 1, 3, u32::MAX] {
        let header = [&blob[..8], &found.to_le_bytes(), &[0x20, 0x0F, 0, 0], &[0; 8]].concat();
        assert_eq!(
            verdict(&header),
            format!(
                "blob of format version {found}, but this program reads version 2 only: make the blob again with `cargo \
                 run -p host-trainer -- quantize --run RUN`, or use the program that belongs to the blob"
            )
        );
    }
    let end = 24 + word(&blob, 20) as usize;
    let outside = |graph_len: usize, available: usize| {
        format!("the graph ends {graph_len} bytes after the header, but only {available} follow it")
    };
    for graph_len in [len - 23, u32::MAX as usize] {
        assert_eq!(with_bytes(|bytes| set_word(bytes, 20, graph_len as u32)), outside(graph_len, len - 24));
    }
    // The graph itself fits, but not the zeros after it.
    let cut = with_bytes(|bytes| {
        bytes.truncate(24 + 30);
        set_word(bytes, 12, 24 + 30);
        set_word(bytes, 20, 30);
    });
    assert_eq!(cut, outside(30, 30));
    assert_ne!(end % 16, 0, "this test needs zeros behind the graph");
    for position in end..end.next_multiple_of(16) {
        assert_eq!(with_bytes(|bytes| bytes[position] = 1), "the bytes between graph and section are not zero");
    }
    assert_eq!(with_bytes(|bytes| set_word(bytes, 20, (end + 1 - 24) as u32)), "1 bytes of the graph are left over");
}

#[test]
fn messages_as_bytes() {
    use postcard::Error::{self, *};
    let undecodable: [(&[u8], &[u8], Error); 14] = [
        // The length of the name, then the number of labels.
        (b"\x05", b"\x85\x80\x80\x80\x80\0", DeserializeBadVarint),
        (b"\x05", b"\x85\x80\x80\x80\x10", DeserializeBadVarint),
        (b"\x05", b"\xFF\xFF\xFF\xFF\x0F", DeserializeUnexpectedEnd),
        (b"small\x03", b"small\x83\x80\x80\x80\x80\0", DeserializeBadVarint),
        // A number of 16 bits: the height.
        (b"class 2\x09", b"class 2\x89\x80\x80\0", DeserializeBadVarint),
        (b"class 2\x09", b"class 2\x89\x80\x04", DeserializeBadVarint),
        // Threshold 300, class 1.
        (&[0xAC, 2, 1, 1], &[0xAC, 2, 2, 1], DeserializeBadOption),
        (b"small", b"sma\xFFl", DeserializeBadUtf8),
        (b"class 1", b"class \xC3", DeserializeBadUtf8),
        // The number of a variant; then, of the first operation, ReLU and output.
        (&[0, 2, 3, 3], &[4, 2, 3, 3], SerdeDeCustom),
        (&[64, 8, 1, 0], &[64, 8, 2, 0], DeserializeBadBool),
        (&[64, 8, 1, 0], &[64, 8, 1, 2], SerdeDeCustom),
        (b"\x04none", b"\x7Fnone", DeserializeUnexpectedEnd),
        (b"\x050.1.0", b"\x7F0.1.0", DeserializeUnexpectedEnd),
    ];
    for (old, new, error) in undecodable {
        let message = format!("the graph cannot be decoded: {error}");
        assert_eq!(with_replacement(old, new), message, "{new:02X?}");
    }
    let others: [(&[u8], &[u8], &str); 7] = [
        (b"\x05", b"\x85\0", VALID),
        (b"\x05", b"\x85\x80\x80\x80\0", VALID),
        (b"small\x03", b"small\x83\x80\x80\x80\0", VALID),
        (b"class 2\x09", b"class 2\x89\x80\0", VALID),
        // A byte is no varint.
        (b"\x03\x80\x05\x7F", b"\x03\x80\x80\x80", VALID),
        (b"small\x03", b"small\x41", "labels: 65, but only 2 to 64 are allowed"),
        (b"small\x03", b"small\xFF\xFF\xFF\xFF\x0F", "labels: 4294967295, but only 2 to 64 are allowed"),
    ];
    for (old, new, expected) in others {
        assert_eq!(with_replacement(old, new), expected, "{new:02X?}");
    }
}

fn epilogue<'m>(message: &'m mut Message, operation: usize) -> &'m mut Epilogue {
    message.operations[operation].places_mut().1.unwrap()
}

#[test]
fn lists_and_numbers() {
    fn end_with(message: &mut Message, operation: usize) {
        message.operations.truncate(operation + 1);
        epilogue(message, operation).output = Output::Logits;
    }
    type Change = fn(&mut Message);
    let cases: [(Change, &str); 37] = [
        (|m| m.labels = vec!["x"; 65], "labels: 65, but only 2 to 64 are allowed"),
        (|m| m.labels.truncate(1), "labels: 1, but only 2 to 64 are allowed"),
        (|m| m.labels.truncate(2), "3 known logits, but 2 are needed"),
        (|m| (m.labels, m.known_logits) = (vec!["x"; 2], vec![0; 2]), "2 labels, but 3 are needed"),
        (|m| m.labels[2] = "", "bytes of a label: 0, but only 1 to 48 are allowed"),
        (|m| m.labels[2] = "x", VALID),
        // In bytes, not in characters.
        (|m| m.labels[2] = "éééééééééééééééééééééééé", VALID),
        (|m| m.labels[2] = "xéééééééééééééééééééééééé", "bytes of a label: 49, but only 1 to 48 are allowed"),
        (|m| m.name = "", VALID),
        (|m| m.padding.push(0), "values of padding: 4, but only 1 to 3 are allowed"),
        (|m| m.padding.truncate(2), "2 values of padding, but 3 are needed"),
        (|m| m.mean.push(0.0), "means: 4, but only 1 to 3 are allowed"),
        (|m| m.mean.truncate(1), "1 means, but 3 are needed"),
        (|m| m.mean[0] = f32::NAN, VALID),
        (|m| m.scale.push(0.0), "scales: 4, but only 1 to 3 are allowed"),
        (|m| m.scale.clear(), "scales: 0, but only 1 to 3 are allowed"),
        (|m| m.scale.truncate(2), "2 scales, but 3 are needed"),
        (|m| m.input.channels = 1, "3 values of padding, but 1 are needed"),
        (|m| m.operations = vec![m.operations[1]; 33], "operations: 33, but only 1 to 32 are allowed"),
        (|m| m.operations.clear(), "operations: 0, but only 1 to 32 are allowed"),
        (|m| m.known_logits = vec![0; 65], "known logits: 65, but only 2 to 64 are allowed"),
        (|m| m.known_logits.truncate(2), "2 known logits, but 3 are needed"),
        (|m| m.known_logits.push(0), "4 known logits, but 3 are needed"),
        (|m| m.extensions = vec![m.extensions[0]; 17], "extensions: 17, but only 0 to 16 are allowed"),
        (|m| m.logit_fraction_bits = 16, VALID),
        (|m| m.logit_fraction_bits = 17, "fraction bits of a logit: 17, but only 0 to 16 are allowed"),
        (|m| m.decision.threshold = u16::MAX, VALID),
        (|m| m.decision.none_class = Some(2), VALID),
        (
            |m| m.decision.none_class = Some(3),
            "the class of pictures of none of the others: 3, but only 0 to 2 are allowed",
        ),
        (
            |m| m.decision.none_class = Some(255),
            "the class of pictures of none of the others: 255, but only 0 to 2 are allowed",
        ),
        (|m| epilogue(m, 0).output = Output::Logits, "operation 0 gives logits, but is not the last one"),
        (|m| epilogue(m, 4).output = Output::Logits, "operation 4 gives logits, but is not the last one"),
        (|m| epilogue(m, 5).output = epilogue(m, 4).output, "operation 5 is the last one, but does not give logits"),
        (|m| m.operations.truncate(2), "operation 1 is the last one, but does not give logits"),
        (|m| end_with(m, 2), "operation 2 gives logits, but is not dense"),
        (|m| end_with(m, 3), "operation 3 gives logits, but is not dense"),
        (|m| end_with(m, 4), "3 labels, but 4 are needed"),
    ];
    for (change, expected) in cases {
        assert_eq!(with_message(change), expected);
    }
    let sides = [(7, 8), (8, 7), (257, 8), (8, 257), (0, 8), (8, u16::MAX)];
    let sides = sides.map(|(height, width)| Shape::new(height, width, 3));
    let channels = [0, 2, 4, u16::MAX].map(|channels| Shape::new(9, 8, channels));
    for shape in sides.into_iter().chain(channels) {
        let expected =
            format!("the network's input is {shape}: its sides must be 8 to 256 pixels, its channels 1 or 3");
        assert_eq!(with_message(|m| m.input = shape), expected);
    }
}

#[test]
fn operations() {
    let epilogue = Epilogue { relu: true, output: Output::Logits, multipliers: Range::EMPTY, offsets: Range::EMPTY };
    let changed = |index: usize, operation| {
        let verdict = with_message(|message| message.operations[index] = operation);
        let rest = verdict.strip_prefix(&format!("operation {index} ")).unwrap();
        rest.to_string()
    };
    let same = Convolution::same_3x3(2, epilogue);
    let kernels = [[1, 3], [3, 1], [5, 5], [0, 0]];
    let strides = [[2, 1], [1, 2], [0, 0]];
    let paddings = [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 2, 1], [1, 1, 1, 0]];
    let kernels = kernels.map(|kernel| Convolution { kernel, ..same });
    let strides = strides.map(|stride| Convolution { stride, ..same });
    let paddings = paddings.map(|padding| Convolution { padding, ..same });
    let groups = [0, 3].map(|groups| Convolution { groups, ..same });
    for (convolutions, what) in [
        (&kernels[..], "kernel than 3x3"),
        (&strides, "stride than 1"),
        (&paddings, "padding than one pixel on each side"),
        (&groups, "number of groups than 1"),
    ] {
        for &convolution in convolutions {
            assert_eq!(
                changed(0, Operation::Convolution(convolution)),
                format!("is a convolution with another {what}, which this version does not support")
            );
        }
    }
    let [two, three] = [[2, 2], [2, 3]];
    for (window, stride) in [([3, 2], two), ([2, 1], two), (two, [1, 2]), (two, three), ([0, 0], [0, 0])] {
        assert_eq!(
            changed(1, Operation::MaxPool(MaxPool { window, stride })),
            "is a maximum pool other than 2x2 with stride 2, which this version does not support"
        );
    }
    for window in [[4, 3], [3, 4], [5, 4], [2, 2], [0, 0], [9, 8]] {
        assert_eq!(
            changed(3, Operation::AveragePool(AveragePool { window, epilogue })),
            "is an average pool whose window is not its whole input, which this version does not support"
        );
    }
    let size = |shape: &str| format!("gives {shape}: 1 to 1024 channels and 1 to 2^20 elements are allowed");
    for channels in [0, 1025, u16::MAX] {
        let convolution = Operation::Convolution(Convolution::same_3x3(channels, epilogue));
        assert_eq!(changed(0, convolution), size(&format!("9x8x{channels}")));
        let dense = Operation::Dense(Dense::new(channels, epilogue));
        assert_eq!(changed(4, dense), size(&format!("1x1x{channels}")));
    }
    let large = network(
        1,
        Shape::new(256, 256, 1),
        &[Plain::Convolution(17, true), Plain::AveragePool, Plain::Dense(2, false)],
    );
    assert_eq!(verdict_on(&large), format!("operation 0 {}", size("256x256x17")));
    // Three pools leave one of eight rows or columns.
    for (height, width, shape) in [(8, 16, "0x1x1"), (16, 8, "1x0x1"), (15, 31, "0x1x1")] {
        let network = network(1, Shape::new(height, width, 1), &[Plain::Dense(2, false)]);
        let (mut message, section) = unanswered(&network);
        let pools = [Operation::MaxPool(MaxPool::HALVING); 4];
        message.operations.splice(..0, pools);
        let blob = write(&message, &section).unwrap();
        assert_eq!(verdict(&blob), format!("operation 3 {}", size(shape)));
    }
}

#[test]
fn networks_at_the_limits_are_valid() {
    let pooled = |operation| vec![operation, Plain::AveragePool, Plain::Dense(2, false)];
    let mut most = vec![Plain::Convolution(1, true); 31];
    most.push(Plain::Dense(64, false));
    for (height, width, channels, operations) in [
        (8, 256, 1, vec![Plain::Dense(2, false)]),
        (256, 8, 3, vec![Plain::Dense(2, false)]),
        (256, 256, 3, vec![Plain::Dense(2, false)]),
        (8, 8, 1, most),
        (256, 256, 1, pooled(Plain::Convolution(16, true))),
        (8, 8, 1, pooled(Plain::Convolution(1024, true))),
        (8, 8, 1, pooled(Plain::Dense(1024, true))),
    ] {
        let mut network = network(1, Shape::new(height, width, channels), &operations);
        network.extensions = vec![(7, vec![1]); 16];
        assert_eq!(verdict_on(&network), VALID);
    }
}

/// All ranges, in the order in which the graph names them, and whose each is.
fn ranges<'m>(message: &'m mut Message) -> List<(String, &'m mut Range)> {
    let mut ranges = List::new();
    for (index, operation) in message.operations.iter_mut().enumerate() {
        let (weights, epilogue) = operation.places_mut();
        let mut push = |what, range| ranges.push((format!("the {what} of operation {index}"), range));
        if let Some(Weights { weights, biases }) = weights {
            push("weights", weights);
            push("biases", biases);
        }
        if let Some(epilogue) = epilogue {
            push("multipliers", &mut epilogue.multipliers);
            push("offsets", &mut epilogue.offsets);
        }
    }
    if let KnownImage::Pixels(range) = &mut message.known_image {
        ranges.push(("the pixels of the known answer".into(), range));
    }
    for (index, extension) in message.extensions.iter_mut().enumerate() {
        ranges.push((format!("the bytes of extension {index}"), &mut extension.range));
    }
    ranges
}

/// Changes one of the ranges; what is expected is made of its name, the range before, and the range after.
fn check_range(part: usize, change: impl FnOnce(&mut Range), expected: impl FnOnce(&str, Range, Range) -> String) {
    let mut message = String::new();
    let found = with_message(|graph| {
        let (name, range) = &mut ranges(graph)[part];
        let before = **range;
        change(range);
        message = expected(name, before, **range);
    });
    assert_eq!(found, message);
}

#[test]
fn ranges_lie_in_the_section_and_have_their_lengths() {
    const PARTS: usize = 20;
    let network = small();
    let (mut message, section) = unanswered(&network);
    assert_eq!(ranges(&mut message).len(), PARTS);
    let outside = |name: &str, _: Range, range: Range| {
        let (end, len) = (range.end(), section.len());
        format!("{name} end at {end}, after the section of {len} bytes")
    };
    for part in 0..PARTS {
        for shift in [1, 8, 15] {
            check_range(
                part,
                |range| range.offset += shift,
                |name, _, Range { offset, .. }| format!("{name} begin at {offset}, which is no multiple of 16"),
            );
        }
        for offset in [section.len().next_multiple_of(16) as u32, u32::MAX - 15] {
            check_range(part, |range| range.offset = offset, outside);
        }
        for change in [|len| len - 1, |len| len + 1, |_| 0, |_| u32::MAX] {
            check_range(
                part,
                |range| range.len = change(range.len),
                |name, before, after| {
                    // An extension, here at the end of the section, may have any length.
                    if part < PARTS - 1 {
                        format!("{name} take {} bytes, but their shape asks for {}", after.len, before.len)
                    } else if after.len < before.len {
                        VALID.into()
                    } else {
                        outside(name, before, after)
                    }
                },
            );
        }
        // Among zeros no number can be wrong.
        let zeros = vec![0; section.len()];
        for earlier in 0..part {
            let mut changed = message.clone();
            let ranges = &mut ranges(&mut changed);
            let expected = format!("{} and {} overlap", ranges[earlier].0, ranges[part].0);
            ranges[part].1.offset = ranges[earlier].1.offset;
            assert_eq!(verdict(&write(&changed, &zeros).unwrap()), expected);
        }
    }
    // The weights of the first operation end at 54; nothing is between there and 64.
    let overlap = "the weights of operation 0 and the bytes of extension 0 overlap";
    for (offset, len, expected) in [(48, 1, overlap), (48, 6, overlap), (0, 1, overlap), (48, 0, VALID), (0, 0, VALID)]
    {
        check_range(PARTS - 1, |range| *range = Range { offset, len }, |_, _, _| expected.into());
    }
}

#[test]
fn weights() {
    assert_eq!(with_network(|network| network.layers[2].weights.fill(-127)), VALID);
    assert_eq!(
        with_network(|network| network.layers[2].weights[2 * 18 + 5] = -128),
        "operation 2, channel 2: weight 5 is -128, below the range -127 … 127"
    );
}

#[test]
fn sums_up_to_32_and_64_bits() {
    // Operation, channel, and the bound of its sums: 18 and 4 weights; the average pool has 16 terms and no weights.
    for (operation, channel, sum) in [(2, 1, 18 * 128 * 127), (5, 2, 4 * 128 * 127), (3, 0, 16 * 128)] {
        let verdict = |bias: i32, multiplier, offset| {
            with_network(|network| {
                let layer = &mut network.layers[operation];
                if let Some(value) = layer.biases.get_mut(channel) {
                    *value = bias;
                    let weights = (sum / (128 * 127)) as usize;
                    layer.weights[channel * weights..][..weights].fill(-127);
                }
                (layer.multipliers[channel], layer.offsets[channel]) = (multiplier, offset);
            })
        };
        let overflow =
            |what, bound: u64| format!("operation {operation}, channel {channel}: {what} could reach {bound}");
        if operation != 3 {
            let overflow = |bound| overflow("an accumulator of 32 bits", bound);
            let largest = i32::MAX - sum as i32;
            for sign in [1, -1] {
                assert_eq!(verdict(sign * largest, 1, 0), VALID);
                assert_eq!(verdict(sign * (largest + 1), 1, 0), overflow(1 << 31));
            }
            assert_eq!(verdict(i32::MIN, 0, 0), overflow((1 << 31) + sum as u64));
            // Bias, multiplier and offset at their limits at once.
            let offset = i64::MAX - (i64::from(i32::MAX) << 31);
            assert_eq!(verdict(largest, i32::MIN, -offset), VALID);
        }
        let overflow = |bound| overflow("a requantization of 64 bits", bound);
        for multiplier in [i32::MIN, i32::MAX, 7, 0, -7] {
            let largest = i64::MAX - sum * i64::from(multiplier.unsigned_abs());
            for sign in [1, -1] {
                assert_eq!(verdict(0, multiplier, sign * largest), VALID);
                if multiplier != 0 {
                    let found = verdict(0, multiplier, sign * (largest + 1));
                    assert_eq!(found, overflow(1 << 63));
                }
            }
        }
        assert_eq!(verdict(0, 0, i64::MIN), overflow(1 << 63));
        let bound = (sum as u64 + (1 << 32)) << 31;
        assert_eq!(verdict(0, i32::MIN, i64::MIN), overflow(bound));
    }
}

/// Loads and, if that works, runs: neither may panic. Whether it loads.
fn exercise(blob: &[u8]) -> bool {
    let Ok(model) = Model::load(blob) else {
        return false;
    };
    let picture: List<u8> = model.known_pixels().collect();
    let answer = oracle(&model, &picture);
    for backend in Backend::ALL {
        for more in [0, 1 << 14] {
            let mut arena = vec![0xA5; model.arena_len_on(backend) + more];
            let mut interpreter = Interpreter::on(backend, &model, &mut arena).unwrap();
            answer.assert_computed_by(&mut interpreter, &picture);
            let classification = interpreter.classify(&picture).unwrap();
            classification.decide(&model.graph().decision);
        }
    }
    true
}

#[test]
fn every_truncation() {
    let blob = encode(&small()).unwrap();
    for given in 0..blob.len() {
        let expected = match given {
            ..24 => format!("{given} bytes are too few for a blob: its header alone has 24"),
            _ => format!("truncated blob: {given} of {} bytes", blob.len()),
        };
        assert_eq!(verdict(&blob[..given]), expected);
        if given < 24 {
            continue;
        }
        // The same with a header that fits.
        let found = with_bytes(|bytes| {
            bytes.truncate(given);
            set_word(bytes, 12, given as u32);
        });
        let is_expected = found.starts_with("the graph ends") || found.contains(", after the section of");
        assert!(is_expected, "{given}: {found}");
    }
}

#[test]
fn every_flipped_bit() {
    let blob = encode(&small()).unwrap();
    let graph = 24..24 + word(&blob, 20) as usize;
    let mut loaded = 0;
    for bit in 0..8 * blob.len() {
        let mut bytes = blob.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let found = verdict(&bytes);
        let is_expected = match bit / 8 {
            0..8 => found.starts_with("not a blob"),
            8..12 => found.starts_with("blob of format version"),
            12..16 => found.starts_with("truncated") || found.contains("but the blob has only"),
            _ => found.starts_with("damaged blob"),
        };
        assert!(is_expected, "bit {bit}: {found}");
        repair_crc(&mut bytes);
        let loads = exercise(&bytes);
        loaded += usize::from(loads && graph.contains(&(bit / 8)));
    }
    // Of the graph some bits say something else, such as a zero point; most break a rule.
    let bits = 8 * graph.len();
    assert!((bits / 10..bits / 2).contains(&loaded), "{loaded}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn damaged_messages(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        from in any::<prop::sample::Index>(), len in 0_usize..24, to in any::<prop::sample::Index>(), cut in 0_usize..3,
    ) {
        let network = small();
        let (message, section) = unanswered(&network);
        let mut message = postcard::to_allocvec(&message).unwrap();
        for (position, value) in changes {
            let position = position.index(message.len());
            message[position] = value;
        }
        let from = from.index(message.len());
        let moved = message[from..(from + len).min(message.len())].to_vec();
        let to = to.index(message.len());
        message.splice(to..(to + cut).min(message.len()), moved);
        exercise(&assemble(&message, &section).unwrap());
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `test-vector.blob`: see `FORMAT.md`.
#[test]
fn the_vector_computes_this_and_is_written_again() {
    let blob = AlignedBytes::from(&include_bytes!("../../test-vector.blob")[..]);
    assert_eq!(sha256(&blob), "d376db2fde2d2b4f07359104824ec4f9d61f91dab0ecb2eaf790dc48d5633a55");
    let model = Model::load(&blob).unwrap();
    assert_eq!(model.crc32(), 0x9255_5B3C);
    // The length of its name has five bytes instead of one.
    let end = 24 + word(&blob, 20) as usize;
    let message = [b"\x04", &blob[24 + 5..end]].concat();
    let written = encode(&decoded(&model)).unwrap();
    assert!(written == assemble(&message, &blob[end.next_multiple_of(16)..]).unwrap());
    let answered = |picture: List<u8>| (oracle(&model, &picture), picture);
    // Outputs of all operations, one after the other; logits as four bytes, little-endian.
    let outputs = |answer: &Answer| {
        let logits = answer.logits.iter().flat_map(|logit| logit.to_le_bytes());
        let activations = answer.activations.concat().into_iter();
        let activations: List<u8> = activations.map(|value| value as u8).collect();
        (activations, logits.collect::<List<u8>>())
    };
    let pattern = answered(model.known_pixels().collect());
    assert_eq!(sha256(&outputs(&pattern.0).0), "45810e4a8da9590caf71dc09ea18a07b0396f90db0d0a7583220f2eccf023c37");
    let mut numbers = Numbers(1);
    let pictures: List<_> = (0..100).map(|_| answered(numbers.picture(model.input_shape()))).collect();
    let all = pictures.iter().map(|(answer, _)| outputs(answer));
    let all: List<_> = all.map(|(activations, logits)| [activations, logits].concat()).collect();
    assert_eq!(sha256(&all.concat()), "5ee95d10fd621e9cafa1ae499a7791ef41d80174543ab9bbbcbfcde9f8213076");
    for backend in Backend::ALL {
        // What is in an arena, and where it lies, do not matter.
        for (shift, more, paint) in [(0, 0, 0), (1, 16, 0x7F), (2, 64, 0x80), (3, 256, 0xFF)] {
            let mut memory = vec![paint; shift + model.arena_len_on(backend) + more];
            let arena = &mut memory[shift..];
            let mut interpreter = Interpreter::on(backend, &model, arena).unwrap();
            for (answer, picture) in pictures.iter().chain([&pattern]) {
                answer.assert_computed_by(&mut interpreter, picture);
            }
            let found = interpreter.classify(&pattern.1).unwrap();
            assert_eq!(found.logits, [39, 78, 6]);
            assert_eq!(found.probabilities(), [13_827, 46_777, 4930]);
            assert_eq!(found.decide(&model.graph().decision), Some(1));
            assert!(interpreter.known_answer_holds());
        }
    }
}
