extern crate std;

use super::*;
use crate::camera::Remedy;
use crate::fault::{Fault, FaultCounters, FaultKind, Wait};
use crate::pipeline::Verdict;
use heapless::Vec;
use proptest::prelude::*;
use shared_model::IMAGE_LEN;
use std::{string::String, vec, vec::Vec as List};

/// Everything that a [`Message`] borrows, owned.
#[derive(Clone, Debug)]
struct Owned {
    texts: [String; 4],
    labels: List<String>,
    rgb: List<u8>,
}

fn owned() -> impl Strategy<Value = Owned> {
    let text = || "\\PC{0,24}";
    (
        [text(), text(), text(), text()],
        prop::collection::vec("[a-z]{0,12}", 0..=16),
        prop::collection::vec(any::<u8>(), IMAGE_LEN),
    )
        .prop_map(|(texts, labels, rgb)| Owned { texts, labels, rgb })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Nack),
        Just(Fault::Timeout(Wait::Frame)),
        (any::<u16>(), any::<u16>())
            .prop_map(|(expected, found)| Fault::WrongProduct { expected, found }),
        (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(address, written, found)| {
            Fault::RegisterLost {
                address,
                written,
                found,
            }
        }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(expected, found)| Fault::WrongLength { expected, found }),
        Just(Fault::Frozen),
    ]
}

fn counters() -> impl Strategy<Value = FaultCounters> {
    prop::collection::vec(0..FaultKind::ALL.len(), 0..300).prop_map(|kinds| {
        let mut counters = FaultCounters::new();
        for kind in kinds {
            counters.count(FaultKind::ALL[kind]);
        }
        counters
    })
}

fn frame() -> impl Strategy<Value = FrameReport> {
    let candidate = (any::<u8>(), any::<u16>())
        .prop_map(|(class, probability)| Candidate { class, probability });
    let verdict = prop_oneof![
        Just(Verdict::NotSure),
        (any::<u8>(), any::<u16>())
            .prop_map(|(class, probability)| Verdict::Class { class, probability }),
    ];
    (
        any::<u32>(),
        verdict,
        prop::collection::vec(candidate, 0..=TOP_LEN),
        prop::collection::vec(any::<i32>(), 0..=16),
        any::<[u64; 4]>(),
        counters(),
    )
        .prop_map(
            |(counter, verdict, top, logits, [capture, preprocess, classify, report], faults)| {
                FrameReport {
                    counter,
                    verdict,
                    top: top.into_iter().collect(),
                    logits: logits.into_iter().collect(),
                    times: StageTimes {
                        capture,
                        preprocess,
                        classify,
                        report,
                    },
                    faults,
                }
            },
        )
}

/// One of each kind.
fn messages<'o>(
    owned: &'o Owned,
    frame: FrameReport,
    fault: Fault,
    numbers: [u32; 3],
) -> [Message<'o>; 5] {
    let [board, camera, model, plan] = owned.texts.each_ref().map(String::as_str);
    let [crc32, blob_len, arena_len] = numbers;
    let report = FaultReport {
        counter: crc32,
        fault,
        remedy: Remedy::Initialize {
            after_ms: arena_len,
        },
        faults: frame.faults,
    };
    [
        Message::Banner(Banner {
            board,
            camera,
            model,
            crc32,
            blob_len,
            arena_len,
            plan,
            labels: owned.labels.iter().map(String::as_str).collect(),
            logit_fraction_bits: 8,
            time_unit: TimeUnit::Instructions,
        }),
        Message::Refusal(plan),
        Message::Frame(frame),
        Message::Picture(Picture {
            counter: blob_len,
            rgb: &owned.rgb,
        }),
        Message::Fault(report),
    ]
}

fn wire(messages: &[Message<'_>]) -> List<u8> {
    let mut buffer = [0; MESSAGE_FRAME_LEN];
    let mut wire = List::new();
    for message in messages {
        wire.extend(encode(message, &mut buffer).expect("the buffer is long enough"));
    }
    wire
}

/// Whether exactly `expected` comes out of `bytes`.
fn decodes_to(bytes: &[u8], expected: &[Message<'_>], statistics: Statistics) -> bool {
    let mut decoder = Decoder::<MESSAGE_FRAME_LEN>::new();
    let mut expected = expected.iter();
    for byte in bytes {
        if let Some(message) = decoder.push::<Message<'_>>(*byte)
            && expected.next() != Some(&message)
        {
            return false;
        }
    }
    expected.next().is_none() && decoder.statistics() == statistics
}

/// CRC-32/ISO-HDLC, a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_request_has_the_documented_bytes() {
    let mut buffer = [0; REQUEST_FRAME_LEN];
    let wire = encode(&Request::Pictures(PictureMode::Every), &mut buffer).expect("it fits");
    // Version, index of the variant, index of the mode, CRC: none of them zero, so that COBS adds one code in front.
    let plain = [VERSION, 1, 2];
    let [a, b, c, d] = crc32(&plain).to_le_bytes();
    assert_eq!(wire, [8, VERSION, 1, 2, a, b, c, d, 0]);
}

#[test]
fn zeros_are_stuffed_and_only_the_last_byte_is_zero() {
    let rgb = [0; IMAGE_LEN];
    let message = Message::Picture(Picture {
        counter: 0,
        rgb: &rgb,
    });
    let wire = wire(&[message]);
    assert_eq!(
        wire.iter().position(|byte| *byte == 0),
        Some(wire.len() - 1)
    );
}

#[test]
fn a_buffer_that_is_a_byte_too_short_is_an_error() {
    let rgb = [0xA5; IMAGE_LEN];
    let message = Message::Picture(Picture {
        counter: u32::MAX,
        rgb: &rgb,
    });
    let len = wire(core::slice::from_ref(&message)).len();
    let mut buffer = vec![0; len];
    assert!(encode(&message, &mut buffer).is_ok());
    for short in [0, 1, 2, 254, 255, 256, len - 1] {
        assert_eq!(encode(&message, &mut buffer[..short]), Err(TooLong));
    }
}

#[test]
fn another_version_is_counted_as_foreign() {
    let mut plain = vec![VERSION + 1, 0];
    let crc = crc32(&plain);
    plain.extend(crc.to_le_bytes());
    let mut decoder = Decoder::<REQUEST_FRAME_LEN>::new();
    let mut stuffed = vec![0; 16];
    let len = cobs::encode(&plain, &mut stuffed);
    for byte in stuffed[..len].iter().chain(&[0]) {
        assert_eq!(decoder.push::<Request>(*byte), None);
    }
    let expected = Statistics {
        received: 0,
        corrupted: 0,
        foreign: 1,
    };
    assert_eq!(decoder.statistics(), expected);
}

#[test]
fn a_frame_that_is_too_long_is_dropped_and_the_next_one_is_read() {
    let mut buffer = [0; REQUEST_FRAME_LEN];
    let good = encode(&Request::Banner, &mut buffer).expect("it fits");
    let mut decoder = Decoder::<REQUEST_FRAME_LEN>::new();
    for _ in 0..3 {
        for _ in 0..REQUEST_FRAME_LEN {
            assert_eq!(decoder.push::<Request>(1), None);
        }
        assert_eq!(decoder.push::<Request>(0), None);
        let last = good
            .iter()
            .map(|byte| decoder.push::<Request>(*byte))
            .last();
        assert_eq!(last, Some(Some(Request::Banner)));
    }
    let expected = Statistics {
        received: 3,
        corrupted: 3,
        foreign: 0,
    };
    assert_eq!(decoder.statistics(), expected);
}

#[test]
fn the_top_classes_are_in_order_and_the_first_of_equals_comes_first() {
    use shared_model::encode::encode as encode_blob;
    let blob = encode_blob(&crate::testing::network(&[0, 300, 200, 300, 100]))
        .expect("the network is valid");
    let model = shared_model::Model::load(&blob).expect("the blob is good");
    let mut arena = [0; 8192];
    let mut interpreter =
        shared_model::Interpreter::new(&model, &mut arena).expect("the arena is long enough");
    let classification = interpreter.classify(&[128; IMAGE_LEN]);
    let top: Vec<u8, 3> = Candidate::top(&classification)
        .iter()
        .map(|candidate| candidate.class)
        .collect();
    assert_eq!(top, [1, 3, 2]);
}

proptest! {
    #[test]
    fn what_is_sent_is_received(
        owned in owned(), frame in frame(), fault in fault(), numbers in any::<[u32; 3]>(), ends in 0..3_usize,
    ) {
        let messages = messages(&owned, frame, fault, numbers);
        let mut bytes = vec![0; ends];
        bytes.extend(wire(&messages));
        let statistics = Statistics { received: 5, corrupted: 0, foreign: 0 };
        prop_assert!(decodes_to(&bytes, &messages, statistics));
    }

    #[test]
    fn a_damaged_frame_is_dropped_and_counted_and_costs_no_other(
        owned in owned(), frame in frame(), fault in fault(), numbers in any::<[u32; 3]>(),
        victim in 0..5_usize, place in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let messages = messages(&owned, frame, fault, numbers);
        let mut bytes = wire(&messages[..victim]);
        let mut damaged = wire(&messages[victim..=victim]);
        // The end of a frame is its last byte, and what becomes an end cuts a frame in two.
        let place = place.index(damaged.len() - 1);
        damaged[place] ^= 1 << bit;
        let parts = damaged.split(|byte| *byte == 0).filter(|part| !part.is_empty()).count() as u32;
        bytes.extend(damaged);
        bytes.extend(wire(&messages[victim + 1..]));
        let mut expected = messages.to_vec();
        expected.remove(victim);
        let statistics = Statistics { received: 4, corrupted: parts, foreign: 0 };
        prop_assert!(decodes_to(&bytes, &expected, statistics));
    }

    #[test]
    fn a_reader_that_comes_late_reads_the_next_frame(
        owned in owned(), frame in frame(), fault in fault(), numbers in any::<[u32; 3]>(),
        start in any::<prop::sample::Index>(),
    ) {
        let messages = messages(&owned, frame, fault, numbers);
        let first = wire(&messages[..1]);
        let start = 1 + start.index(first.len() - 1);
        let bytes: List<u8> = first[start..].iter().copied().chain(wire(&messages[1..])).collect();
        let corrupted = u32::from(start + 1 < first.len());
        let statistics = Statistics { received: 4, corrupted, foreign: 0 };
        prop_assert!(decodes_to(&bytes, &messages[1..], statistics));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_the_frame_behind_them_is_read(
        noise in prop::collection::vec(any::<u8>(), 0..5000), zeros in 1..4_usize,
    ) {
        let mut decoder = Decoder::<MESSAGE_FRAME_LEN>::new();
        for byte in &noise {
            let _ = decoder.push::<Message<'_>>(*byte);
        }
        let frame = wire(&[Message::Refusal("here")]);
        let mut found = false;
        for byte in core::iter::repeat_n(0, zeros).chain(frame) {
            found |= decoder.push(byte) == Some(Message::Refusal("here"));
        }
        prop_assert!(found);
    }

    #[test]
    fn arbitrary_bodies_with_a_good_crc_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut plain = vec![VERSION];
        plain.extend(body);
        let crc = crc32(&plain);
        plain.extend(crc.to_le_bytes());
        let mut stuffed = vec![0; cobs::max_encoding_length(plain.len())];
        let len = cobs::encode(&plain, &mut stuffed);
        let mut decoder = Decoder::<MESSAGE_FRAME_LEN>::new();
        for byte in &stuffed[..len] {
            prop_assert!(decoder.push::<Message<'_>>(*byte).is_none());
        }
        let is_message = decoder.push::<Message<'_>>(0).is_some();
        let Statistics { received, corrupted, foreign } = decoder.statistics();
        prop_assert_eq!((received, corrupted, foreign), (u32::from(is_message), u32::from(!is_message), 0));
    }
}
