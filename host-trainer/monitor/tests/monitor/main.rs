//! The program as a person or a script runs it, against a board that speaks the firmware's protocol.

mod board;
mod lines;
#[cfg(target_os = "linux")]
mod terminal;

use std::process::{Command, Output};

fn monitor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitor"));
    command.args(arguments);
    command
}

/// Standard output of a run that must succeed, and not take for ever.
fn succeed(arguments: &[&str]) -> String {
    let (output, text, error) = run(&[arguments, &["--timeout", "30"]].concat());
    assert!(output.status.success(), "{text}\n{error}");
    text
}

/// Standard error of a run that must fail.
fn fail(arguments: &[&str]) -> String {
    let (output, text, error) = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{text}\n{error}");
    error
}

fn run(arguments: &[&str]) -> (Output, String, String) {
    let output = monitor(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    (output, text, error)
}
