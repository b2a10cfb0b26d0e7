use super::*;
use board_client::fixtures::{apply, frame, image, introduction, picture};
use protocol::{Label, Message};

/// Records a frame and its picture, after what the board has said before, and gives the place of the picture in the folder.
fn record(folder: &Path, before: &[Message<'_>]) -> String {
    let image = image();
    let mut state = State::new(Duration::ZERO);
    for messages in [before, &[Message::Frame(frame(2))], &picture(2, &image)] {
        apply(&mut state, messages, Duration::ZERO);
    }
    let mut recording = Recording::start(folder).unwrap();
    recording.record(&state).unwrap();
    assert_eq!(recording.recorded, 1);
    let list = fs::read_to_string(folder.join(LIST)).unwrap();
    let line = list.lines().last().unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line["file"].as_str().unwrap().to_string()
}

#[test]
fn what_is_there_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(LIST), "{\"file\": \"dee").unwrap();
    for expected in ["000002-75.png", "000002-75-2.png", "000002-75-3.png"] {
        let file = record(folder.path(), &introduction(0));
        assert_eq!(file, format!("deer/{expected}"));
        // Whoever overwrites it restores the pixels.
        fs::write(folder.path().join(file), b"mine").unwrap();
    }
    for picture in fs::read_dir(folder.path().join("deer")).unwrap() {
        assert_eq!(fs::read(picture.unwrap().path()).unwrap(), b"mine");
    }
    // Not even a line that a crash has cut off spoils another one.
    let list = fs::read_to_string(folder.path().join(LIST)).unwrap();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], "{\"file\": \"dee");
    assert!(lines[1].starts_with("{\"file\":\"deer/000002-75.png\""));
}

#[test]
fn no_label_leads_out_of_the_folder() {
    for (label, expected) in
        [("../../etc", "______etc"), ("..", "__"), ("/", "_"), ("C:\\x", "C__x"), ("sea lion", "sea_lion"), ("", "_")]
    {
        let folder = tempfile::tempdir().unwrap();
        let hostile = Message::Label(Label { index: 1, text: label });
        let file = record(folder.path(), &[introduction(0), vec![hostile]].concat());
        assert_eq!(file, format!("{expected}/000002-75.png"), "{label}");
        assert!(folder.path().join(file).is_file(), "{label}");
    }
}

#[test]
fn before_its_name_comes_a_class_is_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), &introduction(3));
    assert_eq!(file, "class_1/000002-75.png");
}
