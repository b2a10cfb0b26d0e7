use super::*;
use crate::fixtures::{apply, device_info, fault, frame, image, introduction, picture};
use protocol::{BootFailure, FaultClass, Statistics};

const EVERY: Request<'static> = Request::Pictures(PictureMode::Every);

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

fn requests(state: &State) -> Vec<Request<'static>> {
    state.requests().collect()
}

#[test]
fn what_the_board_does_not_send_is_asked_for() {
    let image = image();
    let device = Request::DeviceInfo;
    let [first, second] = [0, 1].map(|counter| vec![Message::Frame(frame(counter))]);
    let known = introduction(0);
    let seen = [known.clone(), first.clone(), picture(0, &image)].concat();
    let cases: [(&[Message], &[Request]); 7] = [
        (&[], &[device, EVERY]),
        (&introduction(4), &[device, EVERY]),
        (&introduction(1), &[device, EVERY]),
        (&known, &[EVERY]),
        (&[known.clone(), first].concat(), &[EVERY]),
        (&[seen.clone(), second].concat(), &[]),
        // A board that was reset introduces itself, and knows of no request.
        (&[seen, introduction(4)].concat(), &[EVERY]),
    ];
    for (messages, expected) in cases {
        assert_eq!(requests(&after(messages)), expected, "{messages:?}");
    }
}

#[test]
fn labels_of_another_model_are_asked_for() {
    let mut other = device_info();
    other.crc32 ^= 1;
    let messages = [introduction(0), vec![Message::DeviceInfo(other)]].concat();
    let state = after(&messages);
    assert_eq!(requests(&state), [Request::DeviceInfo, EVERY]);
    assert_eq!(state.label(1), "class 1");
}

#[test]
fn pictures_that_stop_are_asked_for_again_as_after_a_new_connection() {
    let image = image();
    let messages = [
        introduction(0),
        vec![Message::Frame(frame(0))],
        picture(0, &image),
        vec![Message::Frame(frame(1)), Message::Frame(frame(2))],
    ];
    let mut state = after(&messages.concat());
    assert_eq!(requests(&state), [EVERY]);
    apply(&mut state, &picture(2, &image), Instant::now());
    assert_eq!(requests(&state), []);
    state.apply(&Event::Connected, Instant::now());
    assert_eq!(requests(&state), [EVERY]);
}

#[test]
fn only_a_whole_picture_of_the_newest_frame_belongs_to_it() {
    let image = image();
    let now = Instant::now();
    let mut state = after(&[introduction(0), vec![Message::Frame(frame(4))]].concat());
    let incomplete = &picture(4, &image)[1..];
    let short = picture(4, &image[1..]);
    for wrong in [&picture(3, &image), incomplete, &short] {
        apply(&mut state, wrong, now);
        assert!(state.pictured_frame().is_none());
        assert_eq!(state.pictured, 0);
    }
    // Another kind, as long as a picture.
    let frames = protocol::chunks(4, ChunkKind::FullFrame, &image, 0);
    apply(
        &mut state,
        &frames.map(Message::Chunk).collect::<Vec<_>>(),
        now,
    );
    assert!(state.pictured_frame().is_none());
    apply(&mut state, &[Message::Frame(frame(5))], now);
    apply(&mut state, &picture(5, &image), now);
    let pictured = state.pictured_frame().expect("it has come");
    assert_eq!(pictured.picture.bytes, image);
    assert_eq!(state.pictured, 1);
}

#[test]
fn shapes_that_cannot_be_shown_give_no_pictures() {
    for (width, channels) in [(u16::MAX, 255), (32, 2), (0, 3)] {
        let mut info = device_info();
        info.input = Shape {
            height: width,
            width,
            channels,
        };
        let bytes = vec![0; 2048];
        let messages = [
            vec![Message::DeviceInfo(info), Message::Frame(frame(0))],
            picture(0, &bytes),
        ];
        assert_eq!(after(&messages.concat()).pictured, 0, "{width}, {channels}");
    }
}

#[test]
fn gaps_of_the_counter_are_missed_reports_but_a_reset_is_none() {
    let cases: [(&[u32], u64); 5] = [
        (&[7, 8, 9], 0),
        (&[7, 9, 13], 1 + 3),
        (&[u32::MAX, 0, 2], 1),
        (&[500, 0, 1], 0),
        (&[500, 500, 501], 0),
    ];
    for (counters, missed) in cases {
        let messages: Vec<_> = counters
            .iter()
            .enumerate()
            .map(|(index, counter)| match index % 2 {
                0 => Message::Frame(frame(*counter)),
                _ => fault(*counter),
            })
            .collect();
        assert_eq!(after(&messages).missed, missed, "{counters:?}");
    }
}

#[test]
fn a_gap_across_connections_is_none() {
    let mut state = after(&[Message::Frame(frame(5))]);
    state.apply(&Event::Connected, Instant::now());
    state.apply(&Event::Message(&Message::Frame(frame(90))), Instant::now());
    assert_eq!(state.missed, 0);
}

#[test]
fn the_rate_is_that_of_the_arrivals() {
    let messages: Vec<_> = (0..40)
        .map(|counter| Message::Frame(frame(counter)))
        .collect();
    let rate = after(&messages).rate().expect("two frames are enough");
    assert!((rate - 10.0).abs() < 1e-9, "{rate}");
    assert_eq!(after(&messages[..1]).rate(), None);
}

#[test]
fn faults_are_known_by_class_and_logged() {
    let state = after(&[Message::Frame(frame(0)), fault(1)]);
    assert_eq!(state.faults.get(FaultClass::Timeout), 1);
    assert_eq!(state.faults.total(), 2);
    assert!(matches!(&state.log[0], Entry::Fault(report) if report.counter == 1));
    assert!(matches!(&state.log[1], Entry::Frame(report) if report.counter == 0));
}

#[test]
fn the_log_keeps_the_newest() {
    let messages: Vec<_> = (0..300)
        .map(|counter| Message::Frame(frame(counter)))
        .collect();
    let state = after(&messages);
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

/// A state that has been connected for longer than a board stays silent, with this traffic.
fn hint(bytes: u64, frames: Statistics) -> Option<String> {
    let start = Instant::now();
    let mut state = State::new(start);
    state.apply(&Event::Received(Traffic { bytes, frames }), start);
    assert_eq!(state.hint(start), None, "it is too early to say");
    state.hint(start + SILENCE)
}

#[test]
fn what_keeps_frames_away_is_named() {
    let counts = |received, corrupted, foreign| Statistics {
        received,
        corrupted,
        foreign,
    };
    let cases = [
        (0, counts(0, 0, 0), "nothing comes"),
        (999, counts(0, 0, 0), "--baud-rate"),
        (999, counts(0, 9, 0), "--baud-rate"),
    ];
    for (bytes, frames, expected) in cases {
        let hint = hint(bytes, frames).expect("there are no messages");
        assert!(hint.contains(expected), "{hint}");
    }
    assert_eq!(hint(999, counts(1, 9, 9)), None);
}

#[test]
fn another_version_is_named_at_once() {
    let now = Instant::now();
    let mut state = State::new(now);
    state.apply(&Event::OtherVersion(1), now);
    let hint = state.hint(now).expect("there are no messages");
    let expected = "the board speaks version 1 of the protocol and this program version 2; build ";
    assert!(hint.starts_with(expected), "{hint}");
}

#[test]
fn a_boot_failure_holds_until_the_board_classifies() {
    let failure = Message::BootFailure(BootFailure {
        code: 1,
        text: "the blob is damaged",
    });
    let hint = |messages: &[Message<'_>]| after(messages).hint(Instant::now());
    let text = hint(std::slice::from_ref(&failure)).expect("the board does not classify");
    assert!(text.ends_with("the blob is damaged"), "{text}");
    assert_eq!(
        hint(&[vec![failure.clone()], introduction(0)].concat()),
        None
    );
    assert_eq!(hint(&[failure, Message::Frame(frame(0))]), None);
}
