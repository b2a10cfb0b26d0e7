use super::*;
use crate::fixtures::{apply, device_info, fault, frame, image, introduction, picture};
use protocol::{BootFailure, Statistics};

const EVERY: Request<'static> = Request::Pictures(PictureMode::Every);

/// The state after messages that come a tenth of a second apart.
fn after(messages: &[Message<'_>]) -> State {
    let start = Duration::ZERO;
    let mut state = State::new(start);
    for (index, message) in (0..).zip(messages) {
        let now = start + index * Duration::from_millis(100);
        state.apply(&Event::Message(message), now);
    }
    state
}

fn frames(counters: impl IntoIterator<Item = u32>) -> Vec<Message<'static>> {
    let frames = counters.into_iter().map(frame);
    frames.map(Message::Frame).collect()
}

#[test]
fn what_the_board_does_not_send_is_asked_for() {
    let image = image();
    let device = Request::DeviceInfo;
    let mut other = device_info();
    other.crc32 ^= 1;
    let known = introduction(0);
    let seen = [known.clone(), frames([0]), picture(0, &image)].concat();
    let cases: [(&[Message], &[Request]); 10] = [
        (&[], &[device, EVERY]),
        (&introduction(4), &[device, EVERY]),
        (&introduction(1), &[device, EVERY]),
        (&known, &[EVERY]),
        (&[known.clone(), frames([0])].concat(), &[EVERY]),
        (&[seen.clone(), frames([1])].concat(), &[]),
        // Pictures stop, and come again.
        (&[seen.clone(), frames([1, 2])].concat(), &[EVERY]),
        (&[seen.clone(), frames([1, 2]), picture(2, &image)].concat(), &[]),
        // A board that was reset introduces itself, and knows of no request.
        (&[seen.clone(), introduction(4)].concat(), &[EVERY]),
        // The labels of another model are others.
        (&[seen.clone(), vec![Message::DeviceInfo(other)]].concat(), &[device, EVERY]),
    ];
    for (messages, expected) in cases {
        let requests: Vec<_> = after(messages).requests().collect();
        assert_eq!(requests, expected, "{messages:?}");
    }
    let mut state = after(&seen);
    state.apply(&Event::Connected, Duration::ZERO);
    assert!(state.requests().eq([EVERY]));
}

#[test]
fn only_a_whole_picture_of_the_newest_frame_belongs_to_it() {
    let image = image();
    let now = Duration::ZERO;
    let mut state = after(&[introduction(0), frames([4])].concat());
    let incomplete = &picture(4, &image)[1..];
    let short = picture(4, &image[1..]);
    // As long as a picture.
    let other_kind = protocol::chunks(4, ChunkKind::FullFrame, &image, 0);
    let other_kind: Vec<_> = other_kind.map(Message::Chunk).collect();
    for wrong in [&picture(3, &image), incomplete, &short, &other_kind] {
        apply(&mut state, wrong, now);
        assert!(state.pictured_frame().is_none());
        assert_eq!(state.pictured, 0);
    }
    apply(&mut state, &frames([5]), now);
    apply(&mut state, &picture(5, &image), now);
    let (_, picture) = state.pictured_frame().expect("it has come");
    assert_eq!(picture.bytes, image);
    assert_eq!(state.pictured, 1);
}

#[test]
fn a_full_frame_is_decoded_when_all_of_it_has_come() {
    let start = Duration::ZERO;
    let announce = |counter, width, encoding| Message::FullFrame(FullFrame { counter, height: 1, width, encoding });
    let chunks = |counter, bytes: &'static [u8]| -> Vec<Message<'static>> {
        protocol::chunks(counter, ChunkKind::FullFrame, bytes, 0).map(Message::Chunk).collect()
    };
    const BYTES: &[u8] = &[0b1000_0100, 0b0001_0000, 0xF8, 0x00, 0x07, 0xE0, 0x00, 0x1F];
    const COLOURS: [u8; 12] = [132, 130, 132, 255, 0, 0, 0, 255, 0, 0, 0, 255];
    let mut state = after(&frames([4]));
    // Of another frame, too few or many bytes, an encoding of later, nothing, and more than a camera has.
    for (counter, width, encoding) in [
        (5, 4, Encoding::Rgb565BigEndian),
        (4, 5, Encoding::Rgb565BigEndian),
        (4, 3, Encoding::Rgb565BigEndian),
        (4, 4, Encoding::Unknown(9)),
        (4, 0, Encoding::Rgb565BigEndian),
    ] {
        apply(&mut state, &[vec![announce(counter, width, encoding)], chunks(4, BYTES)].concat(), start);
        assert_eq!(state.full_frames, 0, "{counter}, {width}, {encoding:?}");
    }
    let huge = FullFrame { counter: 4, height: u16::MAX, width: u16::MAX, encoding: Encoding::Rgb565BigEndian };
    apply(&mut state, &[Message::FullFrame(huge)], start);
    assert!(state.announced.is_none());
    apply(&mut state, &[announce(4, 4, Encoding::Rgb565BigEndian)], start);
    apply(&mut state, &chunks(4, BYTES), start + Duration::from_millis(70));
    let shape = Shape { height: 1, width: 4, channels: 3 };
    assert_eq!(state.full_frame, Some(Picture { counter: 4, shape, bytes: COLOURS.to_vec() }));
    assert_eq!(state.full_frame_time, Some(Duration::from_millis(70)));
    let swapped: &[u8] = &[0b0001_0000, 0b1000_0100, 0x00, 0xF8, 0xE0, 0x07, 0x1F, 0x00];
    apply(&mut state, &[vec![announce(5, 4, Encoding::Rgb565LittleEndian)], chunks(5, swapped)].concat(), start);
    assert_eq!(state.full_frame.unwrap().bytes, COLOURS);
    assert_eq!(state.full_frames, 2);
}

#[test]
fn a_board_without_full_frames_is_known_until_it_is_another_one() {
    let mut state = after(&[Message::Unsupported { request: 3 }]);
    assert!(!state.lacks_full_frames);
    apply(&mut state, &[Message::Unsupported { request: 4 }], Duration::ZERO);
    assert!(state.lacks_full_frames);
    state.apply(&Event::Connected, Duration::ZERO);
    assert!(!state.lacks_full_frames);
}

#[test]
fn shapes_that_cannot_be_shown_give_no_pictures() {
    for (width, channels) in [(u16::MAX, 255), (32, 2), (0, 3)] {
        let mut info = device_info();
        info.input = Shape { height: width, width, channels };
        let messages = [vec![Message::DeviceInfo(info)], frames([0]), picture(0, &[0; 2048])];
        assert_eq!(after(&messages.concat()).pictured, 0, "{width}, {channels}");
    }
}

#[test]
fn gaps_of_the_counter_are_missed_reports_but_a_reset_is_none() {
    let cases: [(&[u32], u64); 5] =
        [(&[7, 8, 9], 0), (&[7, 9, 13], 1 + 3), (&[u32::MAX, 0, 2], 1), (&[500, 0, 1], 0), (&[500, 500, 501], 0)];
    for (counters, missed) in cases {
        let messages: Vec<_> = (0..)
            .zip(counters)
            .map(|(index, counter)| match index % 2 {
                0 => Message::Frame(frame(*counter)),
                _ => fault(*counter),
            })
            .collect();
        let mut state = after(&messages);
        assert_eq!(state.missed, missed, "{counters:?}");
        // Nor is one across connections.
        state.apply(&Event::Connected, Duration::ZERO);
        apply(&mut state, &frames([90]), Duration::ZERO);
        assert_eq!(state.missed, missed, "{counters:?}");
    }
}

#[test]
fn rate_and_log_are_those_of_the_newest() {
    let messages = frames(0..300);
    let state = after(&messages);
    let rate = state.rate().expect("two frames are enough");
    assert!((rate - 10.0).abs() < 1e-9, "{rate}");
    assert_eq!(after(&messages[..1]).rate(), None);
    assert_eq!(state.log.len(), LOG_LEN);
    assert!(matches!(&state.log[0], Entry::Frame(report) if report.counter == 299));
}

#[test]
fn classes_of_one_model_are_not_named_by_another() {
    let mut other = device_info();
    other.crc32 ^= 1;
    let state = after(&[introduction(0), frames([7]), vec![fault(8)], introduction(0)].concat());
    assert_eq!((state.frame.is_some(), state.log.len()), (true, 2));
    let state = after(&[introduction(0), frames([7]), vec![fault(8), Message::DeviceInfo(other)]].concat());
    assert_eq!((state.frame.is_some(), state.log.len()), (false, 1));
}

#[test]
fn names_from_the_wire_cannot_command_the_terminal() {
    let state = after(&introduction(0));
    assert_eq!(state.label(3), "a\u{fffd}[2J");
    assert_eq!(state.label(4), "class 4");
    assert_eq!(after(&[]).label(1), "class 1");
}

#[test]
fn what_keeps_frames_away_is_named() {
    let cases = [
        (0, [0, 0, 0], Some("nothing comes")),
        (999, [0, 0, 0], Some("--baud-rate")),
        (999, [0, 9, 0], Some("--baud-rate")),
        (999, [1, 9, 9], None),
    ];
    let start = Duration::ZERO;
    for (bytes, [received, corrupted, foreign], expected) in cases {
        let frames = Statistics { received, corrupted, foreign };
        let mut state = State::new(start);
        state.apply(&Event::Received(Traffic { bytes, frames }), start);
        assert_eq!(state.hint(start), None, "it is too early to say");
        let hint = state.hint(start + SILENCE);
        assert_eq!(hint.is_some(), expected.is_some(), "{hint:?}");
        assert!(hint.unwrap_or_default().contains(expected.unwrap_or("")));
    }
    let mut state = State::new(start);
    state.apply(&Event::OtherVersion(1), start);
    let hint = state.hint(start).expect("it is never too early for that");
    let expected = "the board speaks version 1 of the protocol and this program version 2; build ";
    assert!(hint.starts_with(expected), "{hint}");
}

#[test]
fn a_boot_failure_holds_until_the_board_classifies() {
    let failure = vec![Message::BootFailure(BootFailure { code: 1, text: "the blob is damaged" })];
    let text = after(&failure).hint(Duration::ZERO);
    let expected = "the board does not classify: the blob is damaged";
    assert_eq!(text.as_deref(), Some(expected));
    for next in [introduction(0), frames([0])] {
        let state = after(&[failure.clone(), next].concat());
        assert_eq!(state.hint(Duration::ZERO), None);
    }
}
