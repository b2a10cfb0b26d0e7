//! Lines instead of a screen, recordings, and what goes wrong.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use protocol::{
    BootFailure, FrameMarks, FrameReport, Marks, Message, PictureMode, Request, ResetCause, Start, Verdict,
};

use super::board::{Board, EVERY, accept, listen, wire};
use board_client::fixtures::{frame, full_frame, full_frame_pixels, image};

/// Standard output, or standard error of a run that fails.
fn run(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = command.args(arguments).output().unwrap();
    let [text, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    match output.status.code() {
        Some(0) => Ok(text),
        Some(1) => Err(error),
        other => panic!("{other:?}\n{text}\n{error}"),
    }
}

/// Standard output of a run that must succeed, and not take for ever.
fn succeed(arguments: &[&str]) -> String {
    run(&[arguments, &["--timeout", "30"]].concat()).unwrap_or_else(|error| panic!("{error}"))
}

/// Among damage and noise, three frames and a fault.
fn noisy(mut board: Board<impl Read + Write>) {
    // The rest of a message that the host has missed: neither of the corrupted ones.
    let cut_off = BootFailure { code: 1, text: "cut off" };
    board.raw(&wire(&Message::BootFailure(cut_off))[4..]);
    board.await_request(EVERY);
    board.frame(7);
    board.raw(b"\0boot: hello\r\n\0");
    board.fault(8);
    let mut damaged = wire(&Message::Frame(frame(9)));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    board.raw(&damaged);
    board.frame(10);
    board.frame(11);
    board.await_request(Request::Pictures(PictureMode::Off));
}

#[test]
fn frames_are_printed_and_recorded_and_damage_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([noisy]);
    let record = folder.path().to_str().unwrap();
    let text = succeed(&[&port, "--frames", "3", "--record", record]);
    board.join().unwrap();
    let frame = "deer 87.5 % (this frame: deer 75.0 %, automobile 18.8 %, cat 6.2 %); \
                 capture 33.4 ms, preprocess 812 µs, classify 267.2 ms, report 1.9 ms";
    let expected = format!(
        "connected to {port}
board stm32h743, camera OV2640, model vgg3-full, CRC-32 0012cdef, plan streaming, blob 562,896 bytes, arena 20,210 bytes, 4 classes
frame 7: {frame}
frame 8: fault: the camera's picture memory does not fill; the board initializes the camera anew after 100 ms \
(faults since boot: 1 timeout, 1 useless picture)
frame 10: {frame}
frame 11: {frame}
3 frames with pictures; messages: 18 received, 2 corrupted, 1 missed; 3 pictures recorded in {record}
"
    );
    assert!(text == expected, "found\n{text}\nexpected\n{expected}");

    let list = fs::read_to_string(folder.path().join("recording.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 3);
    for (line, counter) in list.lines().zip([7, 10, 11]) {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let line = line.as_object_mut().unwrap();
        assert!(line.remove("time").unwrap().as_f64() > Some(1e9));
        for guess in line["top"].as_array_mut().unwrap() {
            let probability = guess["probability"].as_f64().unwrap();
            guess["probability"] = format!("{probability:.4}").into();
        }
        let file = format!("deer/{counter:06}-75.png");
        let expected = serde_json::json!({
            "file": file, "counter": counter, "class": 1, "label": "deer",
            "top": [
                { "class": 1, "label": "deer", "probability": "0.7500" },
                { "class": 2, "label": "automobile", "probability": "0.1875" },
                { "class": 0, "label": "cat", "probability": "0.0625" },
            ],
            "logits": [3, 900, 400, -50],
            "times": { "capture": 33_400, "preprocess": 812, "classify": 267_200, "report": 1_900 },
            "board": "stm32h743", "camera": "OV2640", "model": "vgg3-full", "crc32": "0012cdef",
            "time_unit": "Microseconds",
        });
        assert_eq!(Some(&*line), expected.as_object());
        let picture = image::open(folder.path().join(file)).unwrap();
        assert_eq!(picture.to_rgb8().into_raw(), image());
    }
}

#[test]
fn a_lost_connection_comes_back_and_pictures_are_asked_for_again() {
    let (port, board) = listen([
        |mut board| {
            board.await_request(EVERY);
            board.frame(5);
        },
        |mut board| {
            board.await_request(EVERY);
            board.frame(0);
        },
    ]);
    let text = succeed(&[&port, "--plain", "--frames", "2"]);
    board.join().unwrap();
    let connected = format!("connected to {port}");
    let order = [
        &connected,
        "frame 5: deer",
        "the connection is lost: the other side has closed it; next attempt in 0.2",
        &connected,
        "frame 0: deer",
        "0 corrupted, 0 missed",
    ];
    let mut rest = text.as_str();
    for part in order {
        let (_, behind) = rest.split_once(part).unwrap_or_else(|| panic!("{part}: {text}"));
        rest = behind;
    }
}

#[test]
fn a_crash_of_the_run_before_is_told_once() {
    for (flag, told, board) in [
        (
            "--plain",
            "the board crashed and started again: panicked at src/main.rs:1:2:",
            "board stm32h743, started by: software",
        ),
        (
            "--json",
            r#"{"type":"start","cause":"software","crash":"panicked at src/main.rs:1:2:"#,
            r#"{"type":"board","board":"stm32h743""#,
        ),
    ] {
        let (port, host) = listen([|mut board| {
            let crash = "panicked at src/main.rs:1:2:\non purpose \u{1b}[2J";
            board.raw(&wire(&Message::Start(Start { cause: ResetCause::Software, crash })).repeat(3));
            board.await_request(EVERY);
            board.frame(0);
        }]);
        let text = succeed(&[&port, flag, "--frames", "1"]);
        host.join().unwrap();
        assert_eq!(text.matches(told).count(), 1, "{text}");
        assert!(text.contains(board) && text.contains("on purpose") && !text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn a_board_that_forgets_the_request_is_asked_again() {
    let (port, board) = listen([|mut board| {
        board.await_request(EVERY);
        board.frame(0);
        board.sends_pictures = false;
        board.frame(1);
        board.frame(2);
        board.await_request(EVERY);
        board.frame(3);
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
        accept(&TcpListener::bind(address).unwrap(), |mut board| {
            board.await_request(EVERY);
            board.frame(0);
        });
    });
    let text = succeed(&[&format!("tcp:{address}"), "--plain", "--frames", "1"]);
    board.join().unwrap();
    assert!(text.contains("nothing listens there"), "{text}");
    assert!(text.contains("frame 0: deer"), "{text}");
}

#[test]
fn what_ends_watching_is_named_with_its_cause() {
    let (port, board) = listen([|mut board| {
        board.fail_to_boot("the blob is damaged\u{1b}[2J");
        board.await_leave();
    }]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let (other_port, _) = listen([|_| {}]);
    let folder = file.path().join("below");
    let folder = folder.to_str().unwrap();
    let cases: [(&[&str], String); 3] = [
        (
            &[&port, "--plain", "--timeout", "1"],
            format!("{port}: no frame for 1 s; the board does not classify: the blob is damaged\u{fffd}[2J"),
        ),
        (&["/dev/ttyNOSUCH7", "--plain"], String::from("/dev/ttyNOSUCH7: there is no such port; plug the board in")),
        (&[&other_port, "--plain", "--record", folder], format!("cannot record to {folder}: ")),
    ];
    for (arguments, expected) in cases {
        let error = run(arguments).unwrap_err();
        assert!(error.starts_with(&format!("error: {expected}")), "{error}");
    }
    board.join().unwrap();
}

/// As of a board of version 3, however it goes on after its version.
const OTHER_VERSION: [u8; 9] = [0, 7, 0x03, 0x12, 0x74, 0x30, 0x4d, 0x99, 0];

#[test]
fn a_board_of_another_version_is_named_once_with_both() {
    let (port, board) = listen([|mut board| {
        for _ in 0..3 {
            board.raw(&OTHER_VERSION);
        }
        board.await_leave();
    }]);
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let output = monitor.args([&port, "--plain", "--timeout", "1"]).output().unwrap();
    board.join().unwrap();
    let [text, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let expected = format!(
        "the board speaks version 3 of the protocol and this program version {}; build the monitor and the firmware from the \
         same sources\n",
        protocol::VERSION
    );
    assert_eq!(text, format!("connected to {port}\n{expected}"));
    assert_eq!(error, format!("error: {port}: no frame for 1 s; {expected}"));
}

/// A board that names a class, is not sure, misses a frame, and must not classify.
fn varied(mut board: Board<impl Read + Write>) {
    board.await_request(EVERY);
    board.frame(7);
    board.raw(&wire(&Message::FrameMarks(FrameMarks { counter: 8, marks: Marks::SETTLING.with(Marks::DARK) })));
    board.raw(&wire(&Message::Frame(FrameReport { verdict: Verdict::NotSure, ..frame(8) })));
    board.fault(9);
    board.fail_to_boot("the blob is damaged\u{1b}[2J");
    board.frame(10);
    board.await_request(Request::Pictures(PictureMode::Off));
}

#[test]
fn programs_get_a_line_of_json_for_each_frame_and_fault() {
    let (port, board) = listen([varied]);
    let text = succeed(&[&port, "--json", "--frames", "2"]);
    board.join().unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["board", "frame", "frame", "fault", "boot-failure", "frame"], "{text}");
    let labels = serde_json::json!(["cat", "deer", "automobile", "a\u{fffd}[2J"]);
    assert_eq!((&lines[0]["labels"], &lines[0]["crc32"]), (&labels, &"0012cdef".into()));
    let about = |line: &serde_json::Value| ["frame", "sure", "class", "label"].map(|key| line[key].clone());
    assert_eq!(serde_json::json!(about(&lines[1])), serde_json::json!([7, true, 1, "deer"]));
    assert_eq!(serde_json::json!(about(&lines[2])), serde_json::json!([8, false, null, null]));
    assert_eq!(lines[1]["marks"], serde_json::json!([]));
    assert_eq!(lines[2]["marks"], serde_json::json!(["settling", "dark"]));
    let near = |value: &serde_json::Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-4;
    assert!(near(&lines[1]["probability"], 0.875) && lines[2]["probability"].is_null());
    assert!(lines[1]["time"].as_f64() > Some(1e9));
    for line in [&lines[1], &lines[2]] {
        assert!(near(&line["top"][1]["probability"], 0.1875));
        assert_eq!(line["top"][1]["label"], "automobile");
        assert_eq!(line["logits"], serde_json::json!([3, 900, 400, -50]));
        assert_eq!(line["times"]["classify"], 267_200);
    }
    let fault = &lines[3];
    let what = ["frame", "class", "initialize_after"].map(|key| fault[key].clone());
    assert_eq!(serde_json::json!(what), serde_json::json!([9, "timeout", 100]));
    assert_eq!(fault["faults"], serde_json::json!({ "timeout": 1, "useless picture": 1 }));
    assert_eq!(lines[4]["text"], "the blob is damaged\u{fffd}[2J");
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_a_recording_without_a_part_of_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (port, board) = listen([|mut board| {
        board.await_request(EVERY);
        board.frame(0);
        board.await_leave();
    }]);
    // No file may have a byte.
    let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_monitor"), &port, "--plain", "--timeout", "30", "--record"]);
    let output = command.arg(folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cannot record to") && error.contains("make room there"), "{error}");
    assert_eq!(folder.path().join("deer").read_dir().unwrap().count(), 0);
    board.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn json_ends_quietly_when_nobody_reads_it() {
    let (port, board) = listen([|board| board.stream_frames()]);
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let monitor = monitor.args([&port, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut monitor = monitor.spawn().unwrap();
    let mut output = BufReader::new(monitor.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let output = monitor.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, format!("connected to {port}\n"));
    board.join().unwrap();
}

#[test]
fn without_a_terminal_only_the_doubtful_pictures_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    let photos = photos.to_str().unwrap();
    let error = run(&["tcp:127.0.0.1:1", "--capture", photos]).unwrap_err();
    assert!(error.contains("takes its keys from a terminal"), "{error}");
    let (port, board) = listen([|mut board: Board<TcpStream>| {
        board.await_request(Request::FullFrames(PictureMode::Every));
        for (counter, verdict) in [(0, frame(0).verdict), (1, Verdict::NotSure), (2, frame(0).verdict)] {
            board.raw(&wire(&Message::Frame(FrameReport { verdict, ..frame(counter) })));
            board.raw(&full_frame(counter).iter().flat_map(wire).collect::<Vec<_>>());
        }
        board.await_request(EVERY);
        board.frame(3);
        board.await_request(Request::FullFrames(PictureMode::Off));
    }]);
    let text = succeed(&[&port, "--plain", "--frames", "1", "--capture", photos, "--when", "unsure"]);
    board.join().unwrap();
    assert!(text.contains(&format!("; 0 pictures taken into {photos}, 1 kept in _unsorted")), "{text}");
    let picture = image::open(folder.path().join("photos/_unsorted/000001.png")).unwrap().to_rgb8();
    assert_eq!((picture.dimensions(), picture.into_raw()), full_frame_pixels());
}

/// On Linux, where the name of a pseudo-terminal can be read back.
#[cfg(target_os = "linux")]
#[test]
fn a_serial_line_works_as_well() {
    use std::os::fd::AsRawFd;
    let (mut ours, theirs) = serial2::SerialPort::pair().unwrap();
    ours.set_read_timeout(std::time::Duration::from_millis(10)).unwrap();
    let path = fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
    let board = thread::spawn(move || noisy(Board::new(ours)));
    let text = succeed(&[path.to_str().unwrap(), "--plain", "--frames", "3"]);
    board.join().unwrap();
    assert!(text.contains("frame 11: deer "), "{text}");
    assert!(text.contains("2 corrupted, 1 missed"), "{text}");
}

/// A signal ends watching in order: the board is asked for no more pictures, and what was seen is said.
#[cfg(unix)]
#[test]
fn a_silent_board_is_explained_once_and_a_signal_takes_requests_back() {
    let silence = "connected, but nothing comes";
    for (script, hints) in [
        (silent as fn(Board<TcpStream>), &[silence] as &[_]),
        (chatty, &["bytes come, but no messages"]),
        (late, &[silence, "the board speaks version 3"]),
    ] {
        let (port, board) = listen([script]);
        let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
        let mut monitor = monitor.args([&port, "--plain", "--timeout", "30"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.next().unwrap().starts_with("connected to"));
        for expected in hints {
            let hint = lines.next().unwrap();
            assert!(hint.starts_with(expected), "{hint}");
        }
        let kill = Command::new("kill").args(["-TERM", &monitor.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let rest: Vec<String> = lines.collect();
        assert!(rest.len() == 1 && rest[0].starts_with("0 frames with pictures"), "{rest:?}");
        assert_eq!(monitor.wait().unwrap().code(), Some(0));
        board.join().unwrap();
    }
}

/// The first one ends watching when the last line is written, which nobody reads here.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_watching_at_once() {
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt;
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let (reader, writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        while (&writer).write(b"\n").is_ok() {}
        writer.set_nonblocking(false).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!("tcp:{}", listener.local_addr().unwrap());
        let mut monitor = Command::new(env!("CARGO_BIN_EXE_monitor"));
        let mut monitor = monitor.args([&port, "--plain"]).stdout(std::os::fd::OwnedFd::from(writer)).spawn().unwrap();
        let _board = listener.accept().unwrap();
        let twice = format!("kill -{signal} $0; sleep 0.2; kill -{signal} $0");
        assert!(Command::new("bash").args(["-c", &twice, &monitor.id().to_string()]).status().unwrap().success());
        // A monitor that still waits ends now, by itself.
        drop(reader);
        assert_eq!(monitor.wait().unwrap().signal(), Some(number));
    }
}

#[cfg(unix)]
pub fn silent(board: Board<TcpStream>) {
    let mut buffer = [0; protocol::FRAME_LEN];
    let off = protocol::encode(&Request::Pictures(PictureMode::Off), &mut buffer).unwrap();
    assert!(board.await_leave().ends_with(off));
}

/// Begins when the monitor has given it up.
#[cfg(unix)]
fn late(mut board: Board<TcpStream>) {
    thread::sleep(Duration::from_secs(6));
    board.raw(&OTHER_VERSION);
    silent(board);
}

/// What another program would log.
#[cfg(unix)]
fn chatty(mut board: Board<TcpStream>) {
    board.raw(b"[    1.234567] usb 1-1: new device\r\n");
    silent(board);
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_is_watched_by_one_monitor() {
    use std::os::fd::AsRawFd;
    let (ours, theirs) = serial2::SerialPort::pair().unwrap();
    let path = fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
    let path = path.to_str().unwrap();
    let mut first = Command::new(env!("CARGO_BIN_EXE_monitor"));
    let mut first = first.args([path, "--plain"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("connected to"));
    let error = run(&[path, "--plain"]).unwrap_err();
    assert!(error.contains("another program has opened it"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
    drop(ours);
}
