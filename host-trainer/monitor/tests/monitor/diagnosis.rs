//! `--diagnose` in front of boards that cannot be examined. Those that can be are the firmware's own, in `qemu-runner/tests/camera`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::{Deed, Encoding, FaultClass, Finding, FullFrame, Message, PictureMode, Problem, Request, Subject};

use super::board::{Board, EVERY, listen, wire};
use board_client::fixtures::{fault, full_frame};

/// What the program prints, and its exit code.
fn diagnose(port: &str) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_monitor")).args([port, "--diagnose"]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// Firmware from before examinations: its frames are looked at all the same.
fn old(mut board: Board<impl Read + Write>) {
    board.is_old = true;
    board.await_request(EVERY);
    for counter in 0..40 {
        board.frame(counter);
    }
    board.await_leave();
}

#[test]
fn old_firmware_is_named_and_its_frames_are_watched() {
    let (port, board) = listen([old]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "good      model         vgg3-full, CRC-32 0012cdef, 4 classes: its known answer was reproduced at boot\n",
        "left out  camera        this firmware is from before examinations\n",
        "→ flash the newest firmware",
        "good      frames        40 without a fault",
        // Six times as long as the estimate of the README.
        "doubtful  times         capture 33.4 ms, preprocess 812 µs, classify 267.2 ms; the README estimates 47 to 47 ms",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

fn without_a_model(mut board: Board<impl Read + Write>) {
    board.fail_to_boot("the model blob in flash cannot be used: flash a good one");
    board.await_leave();
}

#[test]
fn a_board_that_does_not_classify_says_why() {
    let (port, board) = listen([without_a_model]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("BAD       model         the board does not classify: the model blob in flash cannot be used"),
        "{text}"
    );
}

fn talks_of_something_else(mut board: Board<impl Read + Write>) {
    board.raw(b"MicroPython v1.27\r\n>>> ");
    board.await_leave();
}

#[test]
fn what_is_no_board_of_this_project_is_told_apart() {
    let (port, board) = listen([talks_of_something_else]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("BAD       connection    23 bytes came, but no message\n"), "{text}");
}

/// A camera that answers, starts, and has no test pattern.
fn findings(subject: Subject) -> Vec<Message<'static>> {
    let done = |deed| Message::Finding(Finding::Done { deed, time: 1_000, problem: None });
    match subject {
        Subject::Board => vec![Message::Finding(Finding::KnownAnswer { holds: true })],
        Subject::Camera => {
            let product = Message::Finding(Finding::Product { found: 0x86, is_known: true });
            [vec![done(Deed::Start), product, done(Deed::Read)], full_frame(0), vec![done(Deed::Capture)]].concat()
        }
        Subject::TestPattern => vec![Message::Finding(Finding::NoTestPattern)],
    }
}

/// As a watchdog resets a board while it examines its camera.
fn is_reset(mut board: Board<impl Read + Write>) {
    board.await_request(Request::Examine(Subject::Board));
}

fn whole(mut board: Board<impl Read + Write>) {
    board.findings = findings;
    board.await_request(EVERY);
    for counter in 0..40 {
        board.frame(counter);
    }
    board.await_leave();
}

#[test]
fn a_board_that_is_reset_is_asked_again() {
    let start = Instant::now();
    let (port, board) = listen([is_reset, whole]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "doubtful  connection    lost once\n",
        "good      camera        product 0x0086 answers and starts\n",
        "good      one frame     40 x 30 pixels in 1.0 ms\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_board_that_goes_away_is_not_waited_for_long() {
    let start = Instant::now();
    let (port, board) = listen([is_reset]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("BAD       connection    "), "{text}");
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

fn awaits_a_card(mut board: Board<impl Read + Write>) {
    board.is_old = true;
    board.await_request(EVERY);
    for counter in 0..40 {
        board.frame(counter);
    }
    board.is_old = false;
    board.await_request(Request::FullFrames(PictureMode::Off));
    assert!(!board.sends_pictures);
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_no_board_that_sends_pictures() {
    let (port, board) = listen([awaits_a_card]);
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let monitor = monitor.args([&port, "--diagnose", "--test-card"]).stderr(Stdio::piped());
    let mut monitor = monitor.spawn().unwrap();
    let mut lines = BufReader::new(monitor.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("hold the test card")));
    let kill = Command::new("kill").args(["-INT", &monitor.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(monitor.wait().unwrap().code(), Some(1));
    board.join().unwrap();
}

#[test]
fn a_page_that_is_there_is_noticed_before_the_board_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("frame.png"), "mine").unwrap();
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = monitor.args(["no such port", "--diagnose", "--page"]).arg(folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("frame.png: ") && error.contains("name a new folder with --page"), "{error}");
}

/// Examined while a contact was loose.
fn loose(mut board: Board<impl Read + Write>) {
    board.findings = |subject| match subject {
        Subject::Camera => vec![Message::Finding(Finding::Product { found: 0, is_known: false })],
        Subject::Board | Subject::TestPattern => findings(subject),
    };
    board.await_request(EVERY);
    for counter in 0..40 {
        board.frame(counter);
    }
    board.await_leave();
}

fn without_pictures(mut board: Board<impl Read + Write>) {
    board.findings = findings;
    board.await_request(EVERY);
    board.sends_pictures = false;
    for counter in 0..120 {
        board.frame(counter);
    }
    board.await_leave();
}

#[test]
fn what_frames_tell_is_not_contradicted() {
    for (script, expected) in [
        (
            loose as fn(Board<TcpStream>),
            "all that is read is zeros; but 40 frames came later, so that it fails now and then\n",
        ),
        (without_pictures, "BAD       frames        120 came, but none with its picture\n"),
    ] {
        let (port, board) = listen([script]);
        let (text, code) = diagnose(&port);
        board.join().unwrap();
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

/// Says what no firmware says.
fn hostile(mut board: Board<impl Read + Write>) {
    board.findings = |subject| {
        let text = "\u{1b}[2J|\n";
        let problem = Some(Problem { class: FaultClass::Data, code: u16::MAX, text });
        let done = |deed| Message::Finding(Finding::Done { deed, time: u64::MAX, problem });
        let empty = FullFrame { counter: 0, height: 0, width: 0, encoding: Encoding::Rgb565BigEndian };
        let small = FullFrame { height: 1, width: u16::MAX, ..empty };
        let value = Message::Finding(Finding::Value { name: text, value: u32::MAX });
        // Of another size than was announced.
        let chunks = full_frame(0).split_off(1);
        let frames = [Message::FullFrame(empty), chunks[0].clone(), Message::FullFrame(small)];
        let register = Finding::Register { bank: u8::MAX, address: u8::MAX, written: 0, found: 0 };
        let deeds = [Deed::Start, Deed::Capture].map(done);
        [vec![value], deeds.to_vec(), frames.to_vec(), chunks, vec![Message::Finding(register); 300]]
            .concat()
            .into_iter()
            .chain([Message::Finding(Finding::Compared { registers: 0 }), Message::Finding(Finding::End(subject))])
            .collect()
    };
    board.await_request(EVERY);
    board.raw(&wire(&fault(0)).repeat(20));
    board.await_leave();
}

#[test]
fn whatever_a_board_says_is_printable() {
    let (port, board) = listen([hostile]);
    let (text, code) = diagnose(&port);
    board.join().unwrap();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("[2J") && !text.contains('\u{1b}'), "{text}");
}
