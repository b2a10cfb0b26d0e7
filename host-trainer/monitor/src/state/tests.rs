use super::*;
use crate::fixtures::{device_info, fault, frame, image, introduction, picture};
use protocol::{BootFailure, Statistics};

const EVERY: Request<'static> = Request::Pictures(PictureMode::Every);

/// All of `messages` change `state` at `now`.
pub fn apply(state: &mut State, messages: &[Message<'_>], now: Instant) {
    for message in messages {
        state.apply(&Event::Message(message), now);
    }
}

/// The state after messages that come a tenth of a second apart.
fn after(messages: &[Message<'_>]) -> State {
    let start = Instant::now();
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
    state.apply(&Event::Connected, Instant::now());
    assert!(state.requests().eq([EVERY]));
}

#[test]
fn only_a_whole_picture_of_the_newest_frame_belongs_to_it() {
    let image = image();
    let now = Instant::now();
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
        state.apply(&Event::Connected, Instant::now());
        apply(&mut state, &frames([90]), Instant::now());
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
    let start = Instant::now();
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
    let text = after(&failure).hint(Instant::now());
    let expected = "the board does not classify: the blob is damaged";
    assert_eq!(text.as_deref(), Some(expected));
    for next in [introduction(0), frames([0])] {
        let state = after(&[failure.clone(), next].concat());
        assert_eq!(state.hint(Instant::now()), None);
    }
}
