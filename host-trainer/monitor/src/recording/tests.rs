use super::*;
use crate::fixtures::{apply, frame, image, introduction, picture};
use protocol::{Label, Message};
use std::time::Instant;

/// A state with a frame and its picture, after what the board has said before.
fn state(before: &[Message<'_>], counter: u32) -> State {
    let mut state = State::new(Instant::now());
    let image = image();
    apply(&mut state, before, Instant::now());
    apply(
        &mut state,
        &[Message::Frame(frame(counter))],
        Instant::now(),
    );
    apply(&mut state, &picture(counter, &image), Instant::now());
    state
}

fn record(folder: &Path, state: &State) -> PathBuf {
    let pictured = state.pictured_frame().expect("there is one");
    let mut recording = Recording::start(folder).unwrap();
    let path = recording.record(pictured, state).unwrap();
    assert_eq!(recording.recorded(), 1);
    path.strip_prefix(folder).unwrap().to_path_buf()
}

fn lines(folder: &Path) -> Vec<serde_json::Value> {
    let list = fs::read_to_string(folder.join(LIST)).unwrap();
    list.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_picture_holds_the_pixels_and_its_line_what_the_board_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), &state(&introduction(0), 12));
    assert_eq!(file, Path::new("deer/000012-75.png"));
    let picture = image::open(folder.path().join(&file)).unwrap().to_rgb8();
    assert_eq!(picture.into_raw(), image());
    let line = lines(folder.path()).remove(0);
    assert_eq!(line["file"], "deer/000012-75.png");
    assert_eq!(line["class"], 1);
    assert_eq!(line["logits"], serde_json::json!([3, 900, 400, -50]));
    assert_eq!(line["top"][1]["label"], "automobile");
    assert_eq!(line["times"]["classify"], 267_200);
    assert_eq!(line["time_unit"], "Microseconds");
    assert_eq!(line["crc32"], "0012cdef");
}

#[test]
fn what_is_there_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let state = state(&introduction(0), 0);
    let names: Vec<_> = (0..3)
        .map(|_| {
            let file = folder.path().join(record(folder.path(), &state));
            let name = file.file_name().unwrap().to_owned();
            // Whoever overwrites it restores the pixels.
            fs::write(&file, b"mine").unwrap();
            name
        })
        .collect();
    assert_eq!(
        names,
        ["000000-75.png", "000000-75-2.png", "000000-75-3.png"]
    );
    for name in names {
        let content = fs::read(folder.path().join("deer").join(name)).unwrap();
        assert_eq!(content, b"mine");
    }
    assert_eq!(lines(folder.path()).len(), 3);
}

#[test]
fn a_line_that_a_crash_cut_off_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(LIST), "{\"file\": \"dee").unwrap();
    record(folder.path(), &state(&introduction(0), 1));
    let list = fs::read_to_string(folder.path().join(LIST)).unwrap();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[0], "{\"file\": \"dee");
    assert!(lines[1].starts_with("{\"file\":\"deer/000001-75.png\""));
}

#[test]
fn no_label_leads_out_of_the_folder() {
    for (label, expected) in [
        ("../../etc", "______etc"),
        ("..", "__"),
        ("/", "_"),
        ("C:\\x", "C__x"),
        ("sea lion", "sea_lion"),
        ("", "_"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let hostile = Message::Label(Label {
            index: 1,
            text: label,
        });
        let before = [introduction(0), vec![hostile]].concat();
        let state = state(&before, 2);
        let file = record(folder.path(), &state);
        assert_eq!(file, Path::new(expected).join("000002-75.png"), "{label}");
    }
}

#[test]
fn before_its_name_comes_a_class_is_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), &state(&introduction(3), 3));
    assert_eq!(file, Path::new("class_1/000003-75.png"));
    assert_eq!(lines(folder.path())[0]["board"], "stm32h743");
}
