use super::*;
use crate::capture::When;
use board_client::fixtures::{apply, device_info, fault, frame, full_frame, image, introduction, picture};
use board_client::line::{Event, Traffic};
use protocol::{FaultClass, FrameMarks, Marks, Message, Statistics};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;

fn busy(start: Duration) -> State {
    let image = image();
    let mut state = State::new(start);
    let traffic = Traffic { bytes: 9_000, frames: Statistics { received: 1_234, corrupted: 2, foreign: 0 } };
    let mut newest = frame(13);
    newest.faults.count(FaultClass::Picture);
    newest.faults.count(FaultClass::Timeout);
    let steps = [
        introduction(0),
        vec![Message::Frame(frame(10))],
        vec![fault(11)],
        vec![Message::Frame(newest)],
        picture(13, &image),
    ];
    state.apply(&Event::Received(traffic), start);
    for (index, messages) in (0..).zip(steps) {
        apply(&mut state, &messages, start + index * Duration::from_millis(100));
    }
    state
}

fn lost(start: Duration) -> State {
    let mut state = busy(start);
    let event = Event::Lost {
        reason: String::from("/dev/ttyACM0: the connection is lost: it was unplugged"),
        retry_in: Some(Duration::from_secs(2)),
    };
    state.apply(&event, start);
    state
}

fn view(state: &State, now: Duration) -> View<'_> {
    View { port: "/dev/ttyACM0", state, recording: None, keys: None, notice: None, has_true_colour: true, now }
}

fn screen(view: &View<'_>, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|row| {
        let row: String = row.iter().map(|cell| cell.symbol()).collect();
        row.trim_end().to_string()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn marks_stand_beside_the_class_of_their_frame_alone() {
    let start = Duration::ZERO;
    let mut state = State::new(start);
    let marks = Message::FrameMarks(FrameMarks { counter: 10, marks: Marks::SETTLING.with(Marks::BLOWN_OUT) });
    apply(&mut state, &[&introduction(0)[..], &[marks, Message::Frame(frame(10))]].concat(), start);
    assert!(text(&screen(&view(&state, start), 80, 24)).contains("settling  blown out"));
    apply(&mut state, &[Message::Frame(frame(11))], start);
    assert!(!text(&screen(&view(&state, start), 80, 24)).contains("settling"));
}

#[test]
fn a_terminal_of_80_by_24_shows_everything() {
    let start = Duration::ZERO;
    let later = start + Duration::from_secs(5);
    for (state, now, expected) in [
        (busy(start), start, include_str!("busy.txt")),
        (lost(start), start, include_str!("lost.txt")),
        (State::new(start), later, include_str!("silent.txt")),
    ] {
        let found = text(&screen(&view(&state, now), 80, 24));
        let expected = expected.trim_matches('\n');
        assert!(found == expected, "found\n{found}\nexpected\n{expected}");
    }
}

/// A folder of three classes, one of them empty, and a picture that is not sorted.
fn keys(folder: &std::path::Path) -> Keys {
    for (name, count) in [("cat", 2), ("mug", 11), ("_none", 0), ("_unsorted", 1)] {
        std::fs::create_dir(folder.join(name)).unwrap();
        for number in 1..=count {
            std::fs::write(folder.join(format!("{name}/{number:06}.png")), "").unwrap();
        }
    }
    let mut keys = Keys::start(folder, Some(When::Unsure)).unwrap();
    keys.capture.album.path = "photos".into();
    keys
}

#[test]
fn a_terminal_of_80_by_24_has_room_to_take_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = keys(folder.path());
    let start = Duration::ZERO;
    let mut state = busy(start);
    let full_frame = full_frame(14);
    apply(&mut state, &full_frame[..1], start);
    apply(&mut state, &full_frame[1..], start + Duration::from_millis(70));
    let press = |keys: &mut Keys, state: &State, key| keys.press(KeyCode::Char(key), state, start);
    press(&mut keys, &state, '3');
    let shown = |keys: &Keys, state: &State| text(&screen(&View { keys: Some(keys), ..view(state, start) }, 80, 24));
    let found = shown(&keys, &state);
    let expected = include_str!("capture.txt").trim_matches('\n');
    assert!(found == expected, "found\n{found}\nexpected\n{expected}");
    for key in "nsea/".chars() {
        press(&mut keys, &state, key);
    }
    keys.press(KeyCode::Enter, &state, start);
    let found = shown(&keys, &state);
    for part in ["new class", "name: sea/▏", "Enter makes it, Esc does not", "a name is that of a folder"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    keys.press(KeyCode::Esc, &state, start);
    // What keeps pictures away is more important than what happened before.
    apply(&mut state, &[fault(15), Message::Unsupported { request: 4 }], start);
    assert!(shown(&keys, &state).contains("32×32, no full frames"));
    apply(&mut state, &[fault(16)], start);
    assert!(shown(&keys, &state).contains("the camera's picture memory does not"));
    assert!(shown(&keys, &lost(start)).contains("it was unplugged; next attempt"));
    // Many classes: the chosen one is among those that are seen.
    for number in 10..90 {
        for key in format!("nclass{number}").chars() {
            press(&mut keys, &state, key);
        }
        keys.press(KeyCode::Enter, &state, start);
        let found = shown(&keys, &state);
        assert!(found.contains(&format!("  class{number} ")), "{found}");
    }
    assert!(shown(&keys, &state).contains("↑↓ shows more"));
    for (width, height) in (0..=100).step_by(3).flat_map(|width| (0..=30).map(move |height| (width, height))) {
        screen(&View { keys: Some(&keys), ..view(&state, start) }, width, height);
    }
}

#[test]
fn a_notice_and_a_recording_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::start(folder.path()).unwrap();
    let now = Duration::ZERO;
    let state = busy(now);
    let view = View { recording: Some(&recording), notice: Some("the disk is full"), ..view(&state, now) };
    let text = text(&screen(&view, 200, 24));
    let recording = format!("● recording 0 to {}", folder.path().display());
    for part in [&*recording, "the disk is full", "r stop recording"] {
        assert!(text.contains(part), "{text}");
    }
}

/// Colours of the upper and the lower half of a cell of the picture, whose frame begins below the header.
fn cell(buffer: &Buffer, x: u16, y: u16) -> [Color; 2] {
    let cell = &buffer[(x + 1, y + 2)];
    assert_eq!(cell.symbol(), "▀");
    [cell.fg, cell.bg]
}

#[test]
fn a_large_terminal_shows_a_large_picture_and_the_log() {
    let start = Duration::ZERO;
    let buffer = screen(&view(&busy(start), start), 120, 45);
    for y in 0..32 {
        for x in 0..64 {
            let pixel = Color::Rgb(8 * (x / 2), 8 * y, 77);
            assert_eq!(cell(&buffer, x.into(), y.into()), [pixel; 2], "{x}, {y}");
        }
    }
    let text = text(&buffer);
    for line in ["13  deer 87.5 %", "11  the camera's picture memory does not fill"] {
        assert!(text.contains(line), "{text}");
    }
}

/// A board whose pictures have another shape, and one of them in a checkered pattern of `width`.
fn shaped(height: u16, width: u16, channels: u8) -> State {
    let start = Duration::ZERO;
    let mut state = State::new(start);
    let mut info = device_info();
    info.input = Shape { height, width, channels };
    let shades = [200, 90].map(|grey| vec![grey; channels.into()]);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| usize::from(x + y)));
    let bytes: Vec<u8> = places.flat_map(|place| shades[place % 2].clone()).collect();
    let messages = [vec![Message::DeviceInfo(info), Message::Frame(frame(0))], picture(0, &bytes)];
    apply(&mut state, &messages.concat(), start);
    assert_eq!(state.pictured, 1);
    state
}

#[test]
fn grey_wide_and_large_pictures_are_shown() {
    let now = Duration::ZERO;
    let shown = |state: State| screen(&view(&state, now), 80, 24);
    let [light, dark] = [200, 90].map(|grey| Color::Rgb(grey, grey, grey));
    let grey = shown(shaped(24, 32, 1));
    assert_eq!(cell(&grey, 0, 0), [light, dark]);
    assert_eq!(cell(&grey, 31, 11), [dark, light]);
    // Three pixels in a column, of which one is shown.
    assert_eq!(cell(&shown(shaped(96, 96, 3)), 1, 0), [dark, light]);
    assert_eq!(cell(&shown(shaped(256, 256, 3)), 31, 15), [light; 2]);
}

#[test]
fn no_size_is_too_small() {
    let start = Duration::ZERO;
    let states = [busy(start), lost(start), State::new(start), shaped(8, 256, 1), shaped(256, 8, 3)];
    for (width, height) in (0..=100).flat_map(|width| (0..=30).map(move |height| (width, height))) {
        for state in &states {
            screen(&view(state, start), width, height);
        }
    }
}

#[test]
fn bars_are_exact_to_an_eighth_of_a_column() {
    let cases = [(0.0, "    "), (1.0, "████"), (0.5, "██  "), (1.0 / 32.0, "▏   "), (31.0 / 32.0, "███▉")];
    for (part, expected) in cases {
        assert_eq!(bar(part, 4), expected);
    }
}
