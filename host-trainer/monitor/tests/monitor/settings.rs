//! `set`, against a board's own code over TCP, whose flash is modelled.

use std::io::{Read, Write};

use protocol::Message;
use serde_json::{Value, from_str};

use super::board::{Board, listen, wire};
use super::deploy::{PLAIN, blob, monitor, start};

#[test]
fn settings_are_shown_changed_kept_and_taken_back() {
    let board = start(PLAIN, &blob(1, 8));
    let port = board.port.as_str();
    let shown = |arguments: &[&str]| {
        let (text, errors, code) = monitor(&[&["set", port], arguments].concat());
        assert_eq!(code, Some(0), "{text}{errors}");
        text
    };
    let all = shown(&[]);
    let expected = "\
threshold    model
             the least probability of a class; below it the board is not sure
             can be model, or 0 to 100 (percent)
smoothing    none
             how frames are combined into one verdict
             can be none, majority:1 to majority:15 (frames), or exponential:1 to exponential:255 (the newest frame's weight of 256)
";
    assert!(all.starts_with(expected), "{all}");
    assert_eq!(all.lines().count(), 8 * 3);
    let changed = "\
threshold    45  (default: model)
             the least probability of a class; below it the board is not sure
             can be model, or 0 to 100 (percent)
";
    assert_eq!(shown(&["threshold", "45%"]), changed);
    assert_eq!(shown(&["threshold"]), changed);
    assert!(shown(&["region", "20,0,120,120"]).starts_with("region       20,0,120,120  (default: all)\n"));
    let lines: Vec<Value> = shown(&["--json"]).lines().map(|line| from_str(line).unwrap()).collect();
    let [key, value, default] = ["key", "value", "default"].map(|name| lines[0][name].clone());
    assert_eq!((lines.len(), key, value, default), (8, "threshold".into(), "45".into(), "model".into()));
    shown(&["threshold", "default"]);
    shown(&["region", "all"]);
    assert_eq!(shown(&[]), all);
}

#[test]
fn what_is_no_setting_or_no_value_is_said_with_what_is_and_nothing_changes() {
    let board = start(PLAIN, &blob(1, 8));
    let port = board.port.as_str();
    let cases = [
        (
            ["treshold", "5"],
            "this board has no setting \"treshold\" (did you mean \"threshold\"?); it has threshold, smoothing, interval, region, orientation, motion, \
             output, pictures. Nothing was sent",
        ),
        (["colour", "red"], "this board has no setting \"colour\"; it has threshold,"),
        (
            ["threshold", "101"],
            "threshold cannot be \"101\"; it can be default, model, or 0 to 100 (percent). Nothing has changed",
        ),
        (
            ["threshold", "-5"],
            "threshold cannot be \"-5\"; it can be default, model, or 0 to 100 (percent). Nothing has changed",
        ),
        (["threshold", "defualt"], "(percent) (did you mean \"default\"?). Nothing has changed"),
        (["smoothing", "majorty:5"], "256) (did you mean \"majority\"?). Nothing has changed"),
        (["smoothing", "majority:99"], "(the newest frame's weight of 256). Nothing has changed"),
        (
            ["orientation", "rotatd"],
            "upright, rotated, mirrored, or flipped (did you mean \"rotated\"?). Nothing has changed",
        ),
        (["region", "100,0,80,80"], "within 160×120 pixels and at least 8×8. Nothing has changed"),
        (["interval", "4001"], "none, or 1 to 4000 (ms). Nothing has changed"),
    ];
    let (before, ..) = monitor(&["set", port]);
    for (arguments, expected) in cases {
        let (text, errors, code) = monitor(&[&["set", port][..], &arguments].concat());
        assert_eq!((code, text.as_str(), errors.contains(expected)), (Some(1), "", true), "{arguments:?}: {errors}");
    }
    assert_eq!(monitor(&["set", port]).0, before);
}

/// Firmware from before settings.
fn old(mut board: Board<impl Read + Write>) {
    board.raw(&wire(&Message::Unsupported { request: 7 }));
    board.await_leave();
}

#[test]
fn firmware_without_settings_is_named() {
    let (port, board) = listen([old]);
    let (_, errors, code) = monitor(&["set", &port, "threshold", "5"]);
    board.join().unwrap();
    assert_eq!((code, errors.contains("flash the newest firmware")), (Some(1), true), "{errors}");
}
