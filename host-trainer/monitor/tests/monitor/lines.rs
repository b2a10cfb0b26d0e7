//! Lines instead of a screen, recordings, and what goes wrong.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use protocol::{BootFailure, FaultClass, FaultCounters, Message, PictureMode, Request};

use super::board::{Board, Image, hang_up, listen, report, sample, tcp_board, wire};
use super::{fail, succeed};

const EVERY: Request<'static> = Request::Pictures(PictureMode::Every);

/// What a recorded file shows.
fn pixels(path: &Path) -> Image {
    let picture = image::open(path).unwrap().to_rgb8();
    picture.into_raw().try_into().unwrap()
}

fn list(folder: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(folder.join("recording.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Among damage and noise, three frames and a fault.
fn noisy(mut board: Board<impl std::io::Read + Write>) {
    // The rest of a message that the host has missed: neither of the corrupted ones.
    let cut_off = BootFailure {
        code: 1,
        text: "cut off",
    };
    board.raw(&wire(&Message::BootFailure(cut_off))[4..]);
    board.await_request(EVERY);
    board.frame(7, "deer");
    board.raw(b"\0boot: hello\r\n\0");
    board.fault(8, FaultClass::Timeout, "timeout: the camera stays busy");
    let mut damaged = wire(&Message::Frame(report(
        9,
        &sample("cat"),
        FaultCounters::new(),
    )));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    board.raw(&damaged);
    board.frame(10, "ship");
    board.frame(11, "deer");
    board.await_request(Request::Pictures(PictureMode::Off));
}

#[test]
fn frames_are_printed_and_recorded_and_damage_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([noisy]);
    let record = folder.path().to_str().unwrap();
    let text = succeed(&[&port, "--frames", "3", "--record", record]);
    board.join().unwrap();

    let lines: Vec<_> = text.lines().collect();
    let starts = [
        format!("connected to {port}"),
        String::from("board test-board, camera OV2640, model vgg3-full, CRC-32 "),
        String::from("frame 7: deer "),
        String::from(
            "frame 8: fault: timeout: the camera stays busy; the board initializes the camera anew after 50 ms \
             (faults since boot: 1 timeout)",
        ),
        String::from("frame 10: ship "),
        String::from("frame 11: deer "),
        String::from(
            "3 frames with pictures; messages: 24 received, 2 corrupted, 1 missed; 3 pictures recorded in ",
        ),
    ];
    assert_eq!(lines.len(), starts.len(), "{text}");
    for (line, start) in lines.iter().zip(&starts) {
        assert!(line.starts_with(start.as_str()), "{line}\n{start}");
    }
    assert!(
        lines[2]
            .ends_with("; capture 33.4 ms, preprocess 812 µs, classify 215.0 ms, report 1.9 ms"),
        "{text}"
    );

    let entries = list(folder.path());
    let expected = [(7, "deer"), (10, "ship"), (11, "deer")];
    assert_eq!(entries.len(), expected.len());
    for (entry, (counter, label)) in entries.iter().zip(expected) {
        let report = report(counter, &sample(label), FaultCounters::new());
        assert_eq!(entry["counter"], counter);
        assert_eq!(entry["label"], label);
        assert_eq!(entry["logits"], serde_json::json!(report.logits));
        assert_eq!(entry["board"], "test-board");
        let file = entry["file"].as_str().unwrap();
        let percent = 100.0 * f64::from(report.top[0].probability) / 65535.0;
        assert_eq!(file, format!("{label}/{counter:06}-{percent:.0}.png"));
        assert_eq!(pixels(&folder.path().join(file)), sample(label));
    }
}

#[test]
fn a_second_recording_keeps_the_first_one() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().to_str().unwrap();
    for _ in 0..2 {
        let (port, board) = listen([|mut board| {
            board.await_request(EVERY);
            board.frame(0, "deer");
        }]);
        succeed(&[&port, "--plain", "--frames", "1", "--record", record]);
        board.join().unwrap();
    }
    let entries = list(folder.path());
    let files: Vec<_> = entries
        .iter()
        .map(|entry| entry["file"].as_str().unwrap())
        .collect();
    assert_eq!(files.len(), 2);
    assert_eq!(files[1], files[0].replace(".png", "-2.png"));
    for file in files {
        assert_eq!(pixels(&folder.path().join(file)), sample("deer"));
    }
}

#[test]
fn a_lost_connection_comes_back_and_pictures_are_asked_for_again() {
    let (port, board) = listen([
        |mut board| {
            board.await_request(EVERY);
            board.frame(5, "deer");
        },
        |mut board| {
            board.await_request(EVERY);
            board.frame(0, "ship");
        },
    ]);
    let text = succeed(&[&port, "--plain", "--frames", "2"]);
    board.join().unwrap();
    let order = [
        "frame 5: deer",
        "the connection is lost: the other side has closed it; next attempt in 0.2",
        "frame 0: ship",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")))
        .collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(
        text.matches(&format!("connected to {port}\n")).count(),
        2,
        "{text}"
    );
    assert!(text.contains("0 corrupted, 0 missed"), "{text}");
}

#[test]
fn a_board_that_forgets_the_request_is_asked_again() {
    let (port, board) = listen([|mut board| {
        board.await_request(EVERY);
        board.frame(0, "deer");
        board.sends_pictures = false;
        board.frame(1, "deer");
        board.frame(2, "deer");
        board.await_request(EVERY);
        board.frame(3, "deer");
    }]);
    let text = succeed(&[&port, "--plain", "--frames", "2"]);
    board.join().unwrap();
    assert!(text.contains("frame 3: deer"), "{text}");
}

#[test]
fn a_port_that_comes_later_is_waited_for_if_there_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let board = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(600));
        let (stream, _) = TcpListener::bind(address).unwrap().accept().unwrap();
        let mut board = tcp_board(stream.try_clone().unwrap());
        board.await_request(EVERY);
        board.frame(0, "deer");
        hang_up(stream);
    });
    let text = succeed(&[&format!("tcp:{address}"), "--plain", "--frames", "1"]);
    board.join().unwrap();
    assert!(text.contains("nothing listens there"), "{text}");
    assert!(text.contains("frame 0: deer"), "{text}");
}

#[test]
fn a_board_without_frames_ends_in_an_error_that_names_the_cause() {
    let (port, board) = listen([|mut board| {
        board.fail_to_boot("the blob is damaged\u{1b}[2J");
        board.await_leave();
    }]);
    let error = fail(&[&port, "--plain", "--timeout", "1"]);
    board.join().unwrap();
    assert!(
        error.starts_with(&format!(
            "error: {port}: no frame for 1 s; the board does not classify: the blob is damaged\u{fffd}"
        )),
        "{error}"
    );
}

#[test]
fn a_missing_port_is_an_error_at_once() {
    let error = fail(&["/dev/ttyNOSUCH7", "--plain"]);
    assert!(
        error.starts_with("error: /dev/ttyNOSUCH7: there is no such port; plug the board in"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_is_an_error_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = file.path().join("below");
    let (port, _board) = listen([|_| {}]);
    let error = fail(&[&port, "--plain", "--record", folder.to_str().unwrap()]);
    assert!(
        error.starts_with(&format!("error: cannot record to {}: ", folder.display())),
        "{error}"
    );
}

/// On Linux, where the name of a pseudo-terminal can be read back.
#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_works_as_well() {
    use std::os::fd::AsRawFd;
    let (mut ours, theirs) = serial2::SerialPort::pair().unwrap();
    ours.set_read_timeout(std::time::Duration::from_millis(10))
        .unwrap();
    let path = fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
    let board = thread::spawn(move || noisy(Board::new(ours)));
    let text = succeed(&[path.to_str().unwrap(), "--plain", "--frames", "3"]);
    board.join().unwrap();
    assert!(text.contains("frame 11: deer "), "{text}");
    assert!(text.contains("2 corrupted, 1 missed"), "{text}");
}
