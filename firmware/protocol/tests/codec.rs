//! Frames: exact bytes, what is sent is received, and what is damaged costs no other frame.

use proptest::prelude::*;
use protocol::{
    Acknowledgement, BootFailure, CHUNK_LEN, Candidate, Chunk, ChunkKind, Decoder, DeviceInfo,
    FAULT_TEXT_LEN, FRAME_LEN, FaultClass, FaultCounters, FaultReport, FrameReport, Kinds, Label,
    MAX_LABEL_LEN, MAX_LABELS, Message, PictureMode, Received, Recovery, Request, Shape,
    StageTimes, Statistics, TOP_LEN, TimeUnit, TooLong, TransferState, VERSION, Verdict, encode,
};

/// Everything that a [`Message`] borrows, owned.
#[derive(Clone, Debug)]
struct Owned {
    texts: [String; 4],
    bytes: Vec<u8>,
    numbers: [u32; 4],
    index: u8,
}

fn owned() -> impl Strategy<Value = Owned> {
    let text = || "\\PC{0,24}";
    (
        [text(), text(), text(), text()],
        prop::collection::vec(any::<u8>(), 0..=CHUNK_LEN),
        any::<[u32; 4]>(),
        any::<u8>(),
    )
        .prop_map(|(texts, bytes, numbers, index)| Owned {
            texts,
            bytes,
            numbers,
            index,
        })
}

fn counters() -> impl Strategy<Value = FaultCounters> {
    prop::collection::vec(0..FaultClass::ALL.len(), 0..300).prop_map(|classes| {
        let mut counters = FaultCounters::new();
        for class in classes {
            counters.count(FaultClass::ALL[class]);
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
        prop::collection::vec(any::<i32>(), 0..=MAX_LABELS),
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

/// One of each kind, in the order of their numbers.
fn messages<'o>(owned: &'o Owned, frame: FrameReport) -> [Message<'o>; Message::KINDS as usize] {
    let [board, camera, model, plan] = owned.texts.each_ref().map(String::as_str);
    let [crc32, blob_len, arena_len, code] = owned.numbers;
    [
        Message::DeviceInfo(DeviceInfo {
            protocol_version: VERSION,
            board,
            camera,
            model,
            crc32,
            blob_len,
            arena_len,
            plan,
            input: Shape {
                height: code as u16,
                width: 96,
                channels: 3,
            },
            labels: owned.index,
            logit_fraction_bits: 8,
            time_unit: TimeUnit::Instructions,
        }),
        Message::Label(Label {
            index: owned.index,
            text: board,
        }),
        Message::BootFailure(BootFailure {
            code: code as u16,
            text: camera,
        }),
        Message::Frame(frame.clone()),
        Message::Fault(FaultReport {
            counter: crc32,
            class: FaultClass::ALL[crc32 as usize % FaultClass::ALL.len()],
            code: code as u16,
            text: FaultReport::text_of(plan),
            recovery: Recovery::Initialize {
                after_ms: arena_len,
            },
            faults: frame.faults,
        }),
        Message::Chunk(Chunk {
            id: crc32,
            kind: ChunkKind::from(owned.index),
            total: blob_len,
            offset: arena_len,
            bytes: &owned.bytes,
        }),
        Message::Acknowledgement(Acknowledgement {
            id: crc32,
            received: blob_len,
            state: TransferState::Rejected { reason: model },
        }),
        Message::Unsupported { request: code },
    ]
}

fn wire_of(message: &(impl serde::Serialize + Kinds)) -> Vec<u8> {
    let mut buffer = [0; FRAME_LEN];
    encode(message, &mut buffer)
        .expect("the buffer is long enough")
        .to_vec()
}

fn wire(messages: &[Message<'_>]) -> Vec<u8> {
    messages.iter().flat_map(wire_of).collect()
}

/// Whether exactly `expected` comes out of `bytes`.
fn decodes_to(bytes: &[u8], expected: &[Message<'_>], statistics: Statistics) -> bool {
    let mut decoder = Decoder::new();
    let mut expected = expected.iter();
    for byte in bytes {
        if let Some(received) = decoder.push::<Message<'_>>(*byte)
            && expected.next().cloned().map(Received::Message) != Some(received)
        {
            return false;
        }
    }
    expected.next().is_none() && decoder.statistics() == statistics
}

const fn counts(received: u32, corrupted: u32, foreign: u32) -> Statistics {
    Statistics {
        received,
        corrupted,
        foreign,
    }
}

/// CRC-32/ISO-HDLC, a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A frame as PROTOCOL.md describes it, byte by byte.
fn framed(content: &[u8]) -> Vec<u8> {
    let crc = crc32(content).to_le_bytes();
    let mut frame = Vec::new();
    let mut run = Vec::new();
    let mut is_full = false;
    for byte in [content, &crc].concat() {
        is_full = false;
        if byte == 0 {
            frame.push(run.len() as u8 + 1);
            frame.append(&mut run);
            continue;
        }
        run.push(byte);
        if run.len() == 254 {
            frame.push(255);
            frame.append(&mut run);
            is_full = true;
        }
    }
    if !is_full {
        frame.push(run.len() as u8 + 1);
        frame.append(&mut run);
    }
    frame.push(0);
    frame
}

#[test]
fn every_request_has_the_documented_bytes() {
    let bytes = [5, 0, 7];
    let chunk = Chunk {
        id: 300,
        kind: ChunkKind::Model,
        total: 562_896,
        offset: 1024,
        bytes: &bytes,
    };
    let acknowledgement = Acknowledgement {
        id: 1,
        received: 128,
        state: TransferState::Rejected { reason: "no" },
    };
    let cases: [(Request<'_>, &[u8]); Request::KINDS as usize] = [
        (Request::DeviceInfo, &[2, 0]),
        (Request::Pictures(PictureMode::Every), &[2, 1, 2]),
        (
            Request::Chunk(chunk),
            &[2, 2, 0xAC, 2, 3, 0xD0, 0xAD, 0x22, 0x80, 8, 3, 5, 0, 7],
        ),
        (
            Request::Acknowledgement(acknowledgement),
            &[2, 3, 1, 0x80, 1, 2, 2, b'n', b'o'],
        ),
    ];
    for (kind, (request, content)) in (0..).zip(cases) {
        assert_eq!(wire_of(&request), framed(content), "{request:?}");
        assert_eq!(request.kind(), kind);
    }
}

#[test]
fn every_message_has_the_documented_bytes() {
    let mut faults = FaultCounters::new();
    faults.count(FaultClass::Timeout);
    let message = Message::DeviceInfo(DeviceInfo {
        protocol_version: VERSION,
        board: "b",
        camera: "cam",
        model: "m",
        crc32: 0x1234_5678,
        blob_len: 562_896,
        arena_len: 127,
        plan: "",
        input: Shape {
            height: 32,
            width: 256,
            channels: 3,
        },
        labels: 10,
        logit_fraction_bits: 8,
        time_unit: TimeUnit::Instructions,
    });
    #[rustfmt::skip]
    let content = [
        2, 0, 2, 1, b'b', 3, b'c', b'a', b'm', 1, b'm', 0xF8, 0xAC, 0xD1, 0x91, 1, 0xD0, 0xAD, 0x22, 127, 0,
        32, 0x80, 2, 3, 10, 8, 1,
    ];
    assert_eq!(wire_of(&message), framed(&content));

    let label = Label {
        index: 9,
        text: "truck",
    };
    let content = [2, 1, 9, 5, b't', b'r', b'u', b'c', b'k'];
    assert_eq!(wire_of(&Message::Label(label)), framed(&content));

    let failure = BootFailure {
        code: 300,
        text: "é",
    };
    let content = [2, 2, 0xAC, 2, 2, 0xC3, 0xA9];
    assert_eq!(wire_of(&Message::BootFailure(failure)), framed(&content));

    let frame = FrameReport {
        counter: 1,
        verdict: Verdict::Class {
            class: 4,
            probability: 65_535,
        },
        top: Candidate::top(&[0, 65_535]),
        logits: [-1, 64].into_iter().collect(),
        times: StageTimes {
            capture: 1,
            preprocess: 2,
            classify: 1 << 35,
            report: 0,
        },
        faults,
    };
    #[rustfmt::skip]
    let content = [
        2, 3, 1, 1, 4, 0xFF, 0xFF, 3, 2, 1, 0xFF, 0xFF, 3, 0, 0, 2, 1, 0x80, 1, 1, 2,
        0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 0, 1, 0, 0, 0, 0, 0,
    ];
    assert_eq!(wire_of(&Message::Frame(frame)), framed(&content));

    let fault = FaultReport {
        counter: 2,
        class: FaultClass::Timeout,
        code: 10,
        text: FaultReport::text_of("late"),
        recovery: Recovery::Initialize { after_ms: 50 },
        faults,
    };
    #[rustfmt::skip]
    let content = [2, 4, 2, 1, 10, 4, b'l', b'a', b't', b'e', 1, 50, 0, 1, 0, 0, 0, 0, 0];
    assert_eq!(wire_of(&Message::Fault(fault)), framed(&content));

    let chunk = Chunk {
        id: 0,
        kind: ChunkKind::Unknown(200),
        total: 3,
        offset: 2,
        bytes: &[9],
    };
    let content = [2, 5, 0, 200, 3, 2, 1, 9];
    assert_eq!(wire_of(&Message::Chunk(chunk)), framed(&content));

    let acknowledgement = Acknowledgement {
        id: 0,
        received: 3,
        state: TransferState::Complete,
    };
    let message = Message::Acknowledgement(acknowledgement);
    assert_eq!(wire_of(&message), framed(&[2, 6, 0, 3, 1]));

    let message = Message::Unsupported { request: 200 };
    assert_eq!(wire_of(&message), framed(&[2, 7, 200, 1]));
}

#[test]
fn the_longest_messages_fit_a_frame() {
    let long = "x".repeat(FAULT_TEXT_LEN);
    let mut faults = FaultReport {
        counter: u32::MAX,
        class: FaultClass::Other,
        code: u16::MAX,
        text: FaultReport::text_of(&long),
        recovery: Recovery::Initialize { after_ms: u32::MAX },
        faults: FaultCounters::new(),
    };
    faults.faults.count(FaultClass::Bus);
    let frame = FrameReport {
        counter: u32::MAX,
        verdict: Verdict::Class {
            class: 63,
            probability: u16::MAX,
        },
        top: Candidate::top(&[u16::MAX; TOP_LEN]),
        logits: [i32::MIN; MAX_LABELS].into_iter().collect(),
        times: StageTimes {
            capture: u64::MAX,
            preprocess: u64::MAX,
            classify: u64::MAX,
            report: u64::MAX,
        },
        faults: FaultCounters::new(),
    };
    let chunk = Chunk {
        id: u32::MAX,
        kind: ChunkKind::Model,
        total: u32::MAX,
        offset: u32::MAX,
        bytes: &[0xA5; CHUNK_LEN],
    };
    let label = Label {
        index: 63,
        text: &"x".repeat(MAX_LABEL_LEN),
    };
    for message in [
        Message::Fault(faults),
        Message::Frame(frame),
        Message::Chunk(chunk),
        Message::Label(label),
    ] {
        assert!(wire_of(&message).len() <= FRAME_LEN);
    }
    assert!(wire_of(&Request::Chunk(chunk)).len() <= FRAME_LEN);
}

#[test]
fn a_buffer_that_is_a_byte_too_short_is_an_error() {
    let chunk = Chunk {
        id: u32::MAX,
        kind: ChunkKind::Picture,
        total: 3072,
        offset: 1024,
        bytes: &[0xA5; CHUNK_LEN],
    };
    let message = Message::Chunk(chunk);
    let len = wire_of(&message).len();
    let mut buffer = vec![0; len];
    assert!(encode(&message, &mut buffer).is_ok());
    for short in [0, 1, 2, 254, 255, 256, len - 1] {
        assert_eq!(encode(&message, &mut buffer[..short]), Err(TooLong));
    }
}

fn received<'d>(decoder: &'d mut Decoder, bytes: &[u8]) -> Option<Received<Request<'d>>> {
    let (end, before) = bytes.split_last().expect("a frame");
    for byte in before {
        assert!(decoder.push::<Request<'_>>(*byte).is_none());
    }
    decoder.push(*end)
}

#[test]
fn a_frame_of_another_version_gives_that_version() {
    let mut decoder = Decoder::new();
    for version in [0, 1, VERSION + 1, 255] {
        let found = received(&mut decoder, &framed(&[version, 0, 17]));
        assert_eq!(found, Some(Received::OtherVersion(version)));
    }
    assert_eq!(decoder.statistics(), counts(0, 0, 4));
}

#[test]
fn a_kind_that_the_reader_does_not_know_gives_its_number() {
    let mut decoder = Decoder::new();
    for (content, kind) in [
        (&[VERSION, 4][..], 4),
        (&[VERSION, 0x80, 1, 9, 9, 9], 128),
        (&[VERSION, 0xFF, 0xFF, 0xFF, 0xFF, 15], u32::MAX),
    ] {
        let found = received(&mut decoder, &framed(content));
        assert_eq!(found, Some(Received::UnknownKind(kind)));
    }
    assert_eq!(decoder.statistics(), counts(3, 0, 0));
}

#[test]
fn contents_that_no_message_has_are_corrupted() {
    let mut decoder = Decoder::new();
    let wrong: [&[u8]; 8] = [
        &[],
        &[VERSION],
        // A varint without its end, and one that is too long.
        &[VERSION, 0x80],
        &[VERSION, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
        // A field is missing, unknown, or one too many.
        &[VERSION, 1],
        &[VERSION, 1, 3],
        &[VERSION, 0, 0],
        &[VERSION, 2, 0, 0, 0, 0, 2, 1],
    ];
    for content in wrong {
        assert_eq!(received(&mut decoder, &framed(content)), None);
    }
    assert_eq!(decoder.statistics(), counts(0, 8, 0));
}

#[test]
fn a_frame_that_is_too_long_is_dropped_and_the_next_one_is_read() {
    let good = wire_of(&Request::DeviceInfo);
    let mut decoder = Decoder::new();
    for _ in 0..3 {
        let long = [&[1; FRAME_LEN][..], &[0]].concat();
        assert_eq!(received(&mut decoder, &long), None);
        let found = received(&mut decoder, &good);
        assert_eq!(found, Some(Received::Message(Request::DeviceInfo)));
    }
    assert_eq!(decoder.statistics(), counts(3, 3, 0));
}

#[test]
fn the_top_classes_are_in_order_and_the_first_of_equals_comes_first() {
    let top = Candidate::top(&[0, 300, 200, 300, 100]);
    let classes: Vec<u8> = top.iter().map(|candidate| candidate.class).collect();
    assert_eq!(classes, [1, 3, 2]);
    assert_eq!(Candidate::top(&[5]).len(), 1);
}

#[test]
fn a_text_that_is_too_long_is_cut_off_between_letters() {
    let text = FaultReport::text_of("é".repeat(FAULT_TEXT_LEN));
    assert_eq!(text, "é".repeat(FAULT_TEXT_LEN / 2).as_str());
}

#[test]
fn every_class_has_its_own_counter_which_stays_full() {
    let mut counters = FaultCounters::default();
    for (index, class) in FaultClass::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, index);
        for _ in 0..=index {
            counters.count(class);
        }
    }
    let expected: Vec<_> = FaultClass::ALL.into_iter().zip(1..).collect();
    assert_eq!(counters.iter().collect::<Vec<_>>(), expected);
    assert_eq!(counters.total(), 28);
    let full = [0xFF, 0xFF, 0xFF, 0xFF, 15].repeat(FaultClass::ALL.len());
    let (mut full, _): (FaultCounters, _) =
        postcard::take_from_bytes(&full).expect("numbers of five bytes");
    full.count(FaultClass::Bus);
    assert_eq!(full.get(FaultClass::Bus), u32::MAX);
    assert_eq!(full.total(), u32::MAX);
}

proptest! {
    #[test]
    fn what_is_sent_is_received(owned in owned(), frame in frame(), ends in 0..3_usize) {
        let messages = messages(&owned, frame);
        let mut bytes = vec![0; ends];
        for (kind, message) in (0..).zip(&messages) {
            let wire = wire_of(message);
            let body = postcard::to_slice(message, &mut [0; FRAME_LEN]).map(|body| body.to_vec()).expect("it fits");
            prop_assert_eq!(body[0], kind);
            prop_assert_eq!(&wire, &framed(&[&[VERSION], body.as_slice()].concat()));
            bytes.extend(wire);
        }
        prop_assert!(decodes_to(&bytes, &messages, counts(Message::KINDS, 0, 0)));
    }

    #[test]
    fn a_damaged_frame_is_dropped_and_counted_and_costs_no_other(
        owned in owned(), frame in frame(),
        victim in 0..Message::KINDS as usize, place in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let messages = messages(&owned, frame);
        let mut bytes = wire(&messages[..victim]);
        let mut damaged = wire_of(&messages[victim]);
        // The end of a frame is its last byte, and what becomes an end cuts a frame in two.
        let place = place.index(damaged.len() - 1);
        damaged[place] ^= 1 << bit;
        let parts = damaged.split(|byte| *byte == 0).filter(|part| !part.is_empty()).count() as u32;
        bytes.extend(damaged);
        bytes.extend(wire(&messages[victim + 1..]));
        let mut expected = messages.to_vec();
        expected.remove(victim);
        prop_assert!(decodes_to(&bytes, &expected, counts(Message::KINDS - 1, parts, 0)));
    }

    #[test]
    fn a_reader_that_comes_late_reads_the_next_frame(
        owned in owned(), frame in frame(), start in any::<prop::sample::Index>(),
    ) {
        let messages = messages(&owned, frame);
        let first = wire(&messages[..1]);
        let start = 1 + start.index(first.len() - 1);
        let bytes: Vec<u8> = first[start..].iter().copied().chain(wire(&messages[1..])).collect();
        let corrupted = u32::from(start + 1 < first.len());
        prop_assert!(decodes_to(&bytes, &messages[1..], counts(Message::KINDS - 1, corrupted, 0)));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_the_frame_behind_them_is_read(
        noise in prop::collection::vec(any::<u8>(), 0..5000), zeros in 1..4_usize,
    ) {
        let mut decoder = Decoder::new();
        for byte in &noise {
            let _ = decoder.push::<Message<'_>>(*byte);
        }
        let message = Message::Unsupported { request: 77 };
        let mut found = false;
        for byte in core::iter::repeat_n(0, zeros).chain(wire_of(&message)) {
            found |= decoder.push(byte) == Some(Received::Message(message.clone()));
        }
        prop_assert!(found);
    }

    #[test]
    fn arbitrary_contents_with_a_good_crc_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::new();
        let frame = framed(&[&[VERSION], body.as_slice()].concat());
        let (end, before) = frame.split_last().expect("a frame");
        for byte in before {
            prop_assert!(decoder.push::<Message<'_>>(*byte).is_none());
        }
        let is_whole = decoder.push::<Message<'_>>(*end).is_some();
        prop_assert_eq!(decoder.statistics(), counts(u32::from(is_whole), u32::from(!is_whole), 0));
    }
}
