use super::super::fixtures::{banner, fault, frame, image, picture};
use super::*;
use firmware::fault::FaultKind;
use firmware::protocol::Statistics;

const EVERY: Request = Request::Pictures(PictureMode::Every);

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

fn requests(state: &State) -> Vec<Request> {
    state.requests().collect()
}

#[test]
fn what_the_board_does_not_send_is_asked_for() {
    let image = image();
    let [first, second] = [0, 1].map(|counter| Message::Frame(frame(counter)));
    let first_picture = picture(0, &image);
    let cases: [(&[Message], &[Request]); 6] = [
        (&[], &[Request::Banner, EVERY]),
        (&[banner()], &[EVERY]),
        (&[banner(), first.clone()], &[EVERY]),
        (&[banner(), first.clone(), first_picture.clone()], &[]),
        (
            &[
                banner(),
                first.clone(),
                first_picture.clone(),
                second.clone(),
            ],
            &[],
        ),
        // A board that was reset says its banner, and knows of no request.
        (&[banner(), first, first_picture, banner()], &[EVERY]),
    ];
    for (messages, expected) in cases {
        assert_eq!(requests(&after(messages)), expected, "{messages:?}");
    }
}

#[test]
fn pictures_that_stop_are_asked_for_again_as_after_a_new_connection() {
    let image = image();
    let mut state = after(&[
        banner(),
        Message::Frame(frame(0)),
        picture(0, &image),
        Message::Frame(frame(1)),
        Message::Frame(frame(2)),
    ]);
    assert_eq!(requests(&state), [EVERY]);
    state.apply(&Event::Message(&picture(2, &image)), Instant::now());
    assert_eq!(requests(&state), []);
    state.apply(&Event::Connected, Instant::now());
    assert_eq!(requests(&state), [EVERY]);
}

#[test]
fn only_a_picture_of_the_newest_frame_is_its_shot() {
    let image = image();
    let mut state = after(&[Message::Frame(frame(4)), picture(3, &image)]);
    assert!(state.shot().is_none());
    assert_eq!(state.shots, 0);
    for wrong in [&image[1..], &[]] {
        state.apply(&Event::Message(&picture(4, wrong)), Instant::now());
        assert!(state.shot().is_none());
    }
    state.apply(&Event::Message(&picture(4, &image)), Instant::now());
    assert_eq!(state.shot().map(|shot| *shot.image), Some(image));
    assert_eq!(state.shots, 1);
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
fn faults_are_known_by_kind_and_logged() {
    let state = after(&[Message::Frame(frame(0)), fault(1)]);
    assert_eq!(state.faults.get(FaultKind::StuckFifo), 1);
    assert_eq!(state.faults.total(), 2);
    assert!(matches!(state.log[0], Entry::Fault(report) if report.counter == 1));
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
    let state = after(&[banner()]);
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
        (999, counts(0, 1, 9), "another version"),
    ];
    for (bytes, frames, expected) in cases {
        let hint = hint(bytes, frames).expect("there are no messages");
        assert!(hint.contains(expected), "{hint}");
    }
    assert_eq!(hint(999, counts(1, 9, 9)), None);
}

#[test]
fn a_refusal_holds_until_the_board_classifies() {
    let refusal = Message::Refusal("the blob is damaged");
    let hint = |messages: &[Message<'_>]| after(messages).hint(Instant::now());
    let text = hint(std::slice::from_ref(&refusal)).expect("the board refuses");
    assert!(text.ends_with("the blob is damaged"), "{text}");
    assert_eq!(hint(&[refusal.clone(), banner()]), None);
    assert_eq!(hint(&[refusal, Message::Frame(frame(0))]), None);
}
