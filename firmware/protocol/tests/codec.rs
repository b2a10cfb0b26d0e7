//! Frames: exact bytes, what is sent is received, and what is damaged costs no other frame.

use proptest::prelude::*;
use protocol::{
    Acknowledgement, Announcement, BootFailure, CHUNK_LEN, Candidate, Chunk, ChunkKind, Decoder, Deed, DeviceInfo,
    Encoding, FAULT_TEXT_LEN, FRAME_LEN, FaultClass, FaultCounters, FaultReport, Finding, FrameMarks, FrameReport,
    FullFrame, Kinds, Label, MAX_LABEL_LEN, MAX_LABELS, Marks, Message, ModelInfo, ModelRequest, ModelState, Models,
    PictureMode, Problem, Received, Recovery, Request, ResetCause, Setting, SettingAnswer, SettingRequest, Shape,
    StageTimes, Start, Statistics, Subject, TOP_LEN, TimeUnit, TooLong, TransferState, VERSION, Verdict, encode,
};

/// One of each kind, in the order of their numbers, `bytes` in the chunk.
fn messages(bytes: &[u8]) -> [Message<'_>; Message::KINDS as usize] {
    let mut faults = FaultCounters::new();
    faults.count(FaultClass::Timeout);
    [
        Message::DeviceInfo(DeviceInfo {
            protocol_version: VERSION,
            board: "b",
            camera: "cam",
            model: "m",
            crc32: 0x1234_5678,
            blob_len: 562_896,
            arena_len: 127,
            plan: "",
            input: Shape { height: 32, width: 256, channels: 3 },
            labels: 10,
            logit_fraction_bits: 8,
            time_unit: TimeUnit::Instructions,
        }),
        Message::Label(Label { index: 9, text: "truck" }),
        Message::BootFailure(BootFailure { code: 300, text: "é" }),
        Message::Frame(FrameReport {
            counter: 1,
            verdict: Verdict::Class { class: 4, probability: 65_535 },
            top: Candidate::top(&[0, 65_535]),
            logits: [-1, 64].into_iter().collect(),
            times: StageTimes { capture: 1, preprocess: 2, classify: 1 << 35, report: 0 },
            faults,
        }),
        Message::Fault(FaultReport {
            counter: 2,
            class: FaultClass::Timeout,
            code: 10,
            text: FaultReport::text_of("late"),
            recovery: Recovery::Initialize { after_ms: 50 },
            faults,
        }),
        Message::Chunk(Chunk { id: 0, kind: ChunkKind::Unknown(200), total: 3, offset: 2, bytes }),
        Message::Acknowledgement(Acknowledgement { id: 0, received: 3, state: TransferState::Complete }),
        Message::Unsupported { request: 200 },
        Message::FullFrame(FullFrame { counter: 128, height: 120, width: 160, encoding: Encoding::Rgb565LittleEndian }),
        Message::FrameMarks(FrameMarks { counter: 300, marks: Marks::SETTLING.with(Marks::STILL) }),
        Message::Start(Start { cause: ResetCause::Watchdog, crash: "ö" }),
        Message::Finding(Finding::Done {
            deed: Deed::Capture,
            time: 300,
            problem: Some(Problem { class: FaultClass::Data, code: 40, text: "short" }),
        }),
        Message::Models(Models {
            active: 1,
            models: [
                ModelInfo { state: ModelState::Failed, crc32: 128, len: 5 },
                ModelInfo { state: ModelState::Unproven, crc32: 1, len: 300 },
            ],
            room: 655_360,
            format_version: 2,
            memory: 127,
            needs_signature: true,
            note: "é",
        }),
        Message::Setting(SettingAnswer::Changed(Setting {
            index: 2,
            count: 9,
            key: "k",
            value: "é",
            default: "d",
            allowed: "a",
            meaning: "",
            note: "n",
        })),
    ]
}

fn wire_of(message: &(impl serde::Serialize + Kinds)) -> Vec<u8> {
    let mut buffer = [0; FRAME_LEN];
    encode(message, &mut buffer).expect("the buffer is long enough").to_vec()
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
    Statistics { received, corrupted, foreign }
}

/// The largest `u32` on the wire.
const FULL: [u8; 5] = [0xFF, 0xFF, 0xFF, 0xFF, 15];

/// CRC-32/ISO-HDLC, a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A frame as PROTOCOL.md describes it, byte by byte.
fn framed(content: &[u8]) -> Vec<u8> {
    let content = [content, &crc32(content).to_le_bytes()].concat();
    let mut frame = Vec::new();
    let mut is_full = false;
    for run in content.split(|byte| *byte == 0) {
        let (full, rest) = run.as_chunks::<254>();
        for block in full {
            frame.push(255);
            frame.extend(block);
        }
        frame.push(rest.len() as u8 + 1);
        frame.extend(rest);
        is_full = !full.is_empty() && rest.is_empty();
    }
    // At the end, nothing stands behind a full block.
    if is_full {
        frame.pop();
    }
    frame.push(0);
    frame
}

#[test]
fn every_request_has_the_documented_bytes() {
    let bytes = [5, 0, 7];
    let chunk = Chunk { id: 300, kind: ChunkKind::Model, total: 562_896, offset: 1024, bytes: &bytes };
    let acknowledgement = Acknowledgement { id: 1, received: 128, state: TransferState::Rejected { reason: "no" } };
    let announcement =
        Announcement { crc32: 300, len: 3, format_version: 2, memory: 128, digest: &[9, 0], signature: &[7] };
    let cases: [(Request<'_>, &[u8]); Request::KINDS as usize] = [
        (Request::DeviceInfo, &[2, 0]),
        (Request::Pictures(PictureMode::Every), &[2, 1, 2]),
        (Request::Chunk(chunk), &[2, 2, 0xAC, 2, 3, 0xD0, 0xAD, 0x22, 0x80, 8, 3, 5, 0, 7]),
        (Request::Acknowledgement(acknowledgement), &[2, 3, 1, 0x80, 1, 2, 2, b'n', b'o']),
        (Request::FullFrames(PictureMode::Once), &[2, 4, 1]),
        (Request::Examine(Subject::TestPattern), &[2, 5, 2]),
        (Request::Models(ModelRequest::Deploy(announcement)), &[2, 6, 1, 0xAC, 2, 3, 2, 0x80, 1, 2, 9, 0, 1, 7]),
        (Request::Settings(SettingRequest::Set { key: "k", value: "é" }), &[2, 7, 1, 1, b'k', 2, 0xC3, 0xA9]),
    ];
    for (kind, (request, content)) in (0..).zip(cases) {
        assert_eq!(wire_of(&request), framed(content), "{request:?}");
        assert_eq!(request.kind(), kind);
    }
}

#[test]
fn every_message_has_the_documented_bytes() {
    #[rustfmt::skip]
    let contents: [&[u8]; Message::KINDS as usize] = [
        &[
            2, 0, 2, 1, b'b', 3, b'c', b'a', b'm', 1, b'm', 0xF8, 0xAC, 0xD1, 0x91, 1, 0xD0, 0xAD, 0x22, 127, 0,
            32, 0x80, 2, 3, 10, 8, 1,
        ],
        &[2, 1, 9, 5, b't', b'r', b'u', b'c', b'k'],
        &[2, 2, 0xAC, 2, 2, 0xC3, 0xA9],
        &[
            2, 3, 1, 1, 4, 0xFF, 0xFF, 3, 2, 1, 0xFF, 0xFF, 3, 0, 0, 2, 1, 0x80, 1, 1, 2,
            0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 0, 1, 0, 0, 0, 0, 0,
        ],
        &[2, 4, 2, 1, 10, 4, b'l', b'a', b't', b'e', 1, 50, 0, 1, 0, 0, 0, 0, 0],
        &[2, 5, 0, 200, 3, 2, 1, 9],
        &[2, 6, 0, 3, 1],
        &[2, 7, 200, 1],
        &[2, 8, 0x80, 1, 120, 0xA0, 1, 1],
        &[2, 9, 0xAC, 2, 9],
        &[2, 10, 2, 2, 0xC3, 0xB6],
        &[2, 11, 5, 2, 0xAC, 2, 1, 4, 40, 5, b's', b'h', b'o', b'r', b't'],
        &[2, 12, 1, 3, 0x80, 1, 5, 1, 1, 0xAC, 2, 0x80, 0x80, 0x28, 2, 127, 1, 2, 0xC3, 0xA9],
        &[2, 13, 1, 2, 9, 1, b'k', 2, 0xC3, 0xA9, 1, b'd', 1, b'a', 0, 1, b'n'],
    ];
    for (message, content) in messages(&[9]).iter().zip(contents) {
        assert_eq!(wire_of(message), framed(content), "{message:?}");
    }
}

#[test]
fn the_longest_messages_fit_a_frame() {
    let chunk =
        Chunk { id: u32::MAX, kind: ChunkKind::Model, total: u32::MAX, offset: u32::MAX, bytes: &[0xA5; CHUNK_LEN] };
    let (mut faults, _): (FaultCounters, _) =
        postcard::take_from_bytes(&FULL.repeat(FaultClass::ALL.len())).expect("seven numbers");
    faults.count(FaultClass::Bus);
    assert_eq!(faults.get(FaultClass::Bus), u32::MAX);
    assert_eq!(faults.total(), u32::MAX);
    let messages = [
        Message::Fault(FaultReport {
            counter: u32::MAX,
            class: FaultClass::Other,
            code: u16::MAX,
            text: FaultReport::text_of("x".repeat(FAULT_TEXT_LEN)),
            recovery: Recovery::Initialize { after_ms: u32::MAX },
            faults,
        }),
        Message::Frame(FrameReport {
            counter: u32::MAX,
            verdict: Verdict::NotSure,
            top: Candidate::top(&[u16::MAX; TOP_LEN]),
            logits: [i32::MIN; MAX_LABELS].into_iter().collect(),
            times: StageTimes { capture: u64::MAX, preprocess: u64::MAX, classify: u64::MAX, report: u64::MAX },
            faults,
        }),
        Message::Chunk(chunk),
        Message::Label(Label { index: 63, text: &"x".repeat(MAX_LABEL_LEN) }),
    ];
    assert!(decodes_to(&wire(&messages), &messages, counts(4, 0, 0)));
    // Of the longest one, any part of a buffer is too short.
    let request = Request::Chunk(chunk);
    let len = wire_of(&request).len();
    let mut buffer = [0; FRAME_LEN];
    for short in [0, 1, 2, 254, 255, 256, len - 1] {
        assert_eq!(encode(&request, &mut buffer[..short]), Err(TooLong));
    }
    assert!(encode(&request, &mut buffer[..len]).is_ok());
}

fn received<'d>(decoder: &'d mut Decoder, bytes: &[u8]) -> Option<Received<Request<'d>>> {
    let (end, before) = bytes.split_last().expect("a frame");
    for byte in before {
        assert!(decoder.push::<Request<'_>>(*byte).is_none());
    }
    decoder.push(*end)
}

#[test]
fn what_is_no_message_is_told_apart() {
    let version = |version| Some(Received::OtherVersion(version));
    let kind = |kind| Some(Received::UnknownKind(kind));
    let cases: [(&[u8], Option<Received<Request<'_>>>); 15] = [
        (&[0, 0, 17], version(0)),
        (&[1, 0, 17], version(1)),
        (&[VERSION + 1, 0, 17], version(VERSION + 1)),
        (&[255, 0, 17], version(255)),
        (&[VERSION, Request::KINDS as u8], kind(Request::KINDS)),
        (&[VERSION, 0x80, 1, 9, 9, 9], kind(128)),
        (&[VERSION, 0xFF, 0xFF, 0xFF, 0xFF, 15], kind(u32::MAX)),
        (&[], None),
        (&[VERSION], None),
        // A varint without its end, and one that is too long.
        (&[VERSION, 0x80], None),
        (&[VERSION, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], None),
        // A field is missing, unknown, or one too many.
        (&[VERSION, 1], None),
        (&[VERSION, 1, 3], None),
        (&[VERSION, 0, 0], None),
        (&[VERSION, 2, 0, 0, 0, 0, 2, 1], None),
    ];
    let mut decoder = Decoder::new();
    for (content, expected) in cases {
        assert_eq!(received(&mut decoder, &framed(content)), expected);
    }
    assert_eq!(decoder.statistics(), counts(3, 8, 4));
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
fn marks_are_named_and_unknown_ones_are_ignored() {
    let (marks, _): (Marks, _) = postcard::take_from_bytes(&[0xFF]).expect("a byte");
    assert!(marks.names().eq(["settling", "dark", "blown out", "still"]));
    assert!(marks.contains(Marks::SETTLING.with(Marks::DARK)));
    assert!(!Marks::DARK.contains(Marks::SETTLING.with(Marks::DARK)));
    assert!(Marks::BLOWN_OUT.names().eq(["blown out"]));
    assert!(Marks::NONE.is_empty() && Marks::NONE.names().next().is_none());
}

#[test]
fn a_text_that_is_too_long_is_cut_off_between_letters() {
    let text = FaultReport::text_of("é".repeat(FAULT_TEXT_LEN));
    assert_eq!(text, "é".repeat(FAULT_TEXT_LEN / 2).as_str());
}

#[test]
fn every_class_has_its_own_counter() {
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
}

proptest! {
    #[test]
    fn what_is_sent_is_received(bytes in prop::collection::vec(any::<u8>(), 0..=CHUNK_LEN), ends in 0..3_usize) {
        let messages = messages(&bytes);
        let mut stream = vec![0; ends];
        for message in &messages {
            let body = postcard::to_slice(message, &mut [0; FRAME_LEN]).map(|body| body.to_vec()).expect("it fits");
            prop_assert_eq!(wire_of(message), framed(&[&[VERSION], body.as_slice()].concat()));
            stream.extend(wire_of(message));
        }
        prop_assert!(decodes_to(&stream, &messages, counts(Message::KINDS, 0, 0)));
    }

    #[test]
    fn a_damaged_frame_is_dropped_and_counted_and_costs_no_other(
        bytes in prop::collection::vec(any::<u8>(), 0..=CHUNK_LEN),
        victim in 0..Message::KINDS as usize, place in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let messages = messages(&bytes);
        let mut damaged = wire_of(&messages[victim]);
        // The end of a frame is its last byte, and what becomes an end cuts a frame in two.
        let place = place.index(damaged.len() - 1);
        damaged[place] ^= 1 << bit;
        let parts = damaged.split(|byte| *byte == 0).filter(|part| !part.is_empty()).count() as u32;
        let stream = [wire(&messages[..victim]), damaged, wire(&messages[victim + 1..])].concat();
        let mut expected = messages.to_vec();
        expected.remove(victim);
        prop_assert!(decodes_to(&stream, &expected, counts(Message::KINDS - 1, parts, 0)));
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
