//! What a board says, as lines: for a file, a pipe or a script. As JSON, what is not of the board goes to standard error.

use std::io::{self, ErrorKind, Write};

use board_client::line::Event;
use board_client::state::{Beginning, Device, State};
use board_client::text::{fault, faults, printable, stages, thousands, time, unsupported};
use protocol::{FrameReport, Message};

use crate::MonitorError;
use crate::capture::Keys;
use crate::json;
use crate::link::now;
use crate::session::Session;

/// Prints lines until the session is complete, or until nobody reads them any more.
pub fn run(mut session: Session<'_>, is_json: bool) -> Result<(), MonitorError> {
    let outcome = watch(&mut session, is_json);
    session.end();
    match outcome {
        Err(MonitorError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn watch(session: &mut Session<'_>, is_json: bool) -> Result<(), MonitorError> {
    let port = session.port();
    let mut output: Box<dyn Write> = if is_json { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    let mut told = String::new();
    let mut last = String::new();
    let mut hinted = String::new();
    while !session.is_complete() && !session.is_interrupted() {
        // A board that says nothing, or what nobody here understands, causes no event that would explain it.
        let hint = session.state.hint(now()).filter(|hint| session.state.is_connected() && *hint != hinted);
        if let Some(hint) = hint {
            if hint != last {
                writeln!(output, "{hint}")?;
            }
            hinted = hint;
        }
        session.advance(|event, state| {
            let as_json = is_json && matches!(event, Event::Message(_));
            let line = if as_json { json::line(event, state) } else { line(event, state, &port) };
            let Some(line) = line else {
                return Ok(());
            };
            // Boards repeat what they are, and why they fail.
            let is_repeated =
                matches!(event, Event::Message(Message::Start(_) | Message::DeviceInfo(_) | Message::BootFailure(_)));
            if is_repeated && line == last {
                return Ok(());
            }
            if as_json {
                writeln!(io::stdout(), "{line}")?;
            } else {
                writeln!(output, "{line}")?;
            }
            if is_repeated {
                last = line;
            }
            Ok(())
        })?;
        if let Some(Keys { capture, .. }) = &session.keys
            && capture.notice.text != told
        {
            told.clone_from(&capture.notice.text);
            writeln!(output, "{told}")?;
        }
    }
    writeln!(output, "{}", session.summary())?;
    Ok(())
}

fn line(event: &Event<'_>, state: &State, port: &str) -> Option<String> {
    match event {
        Event::Connected => Some(format!("connected to {port}")),
        Event::Lost { .. } => state.hint(now()),
        Event::OtherVersion(_) | Event::Received(_) => None,
        Event::Message(message) => match message {
            Message::Start(_) => state.start.as_ref().and_then(crash_line),
            Message::DeviceInfo(_) => state.device.as_ref().map(|device| device_line(device, &state.started_by())),
            Message::BootFailure(_) => state.boot_failure.clone(),
            Message::Frame(frame) => Some(frame_line(frame, state)),
            Message::Fault(report) => Some(format!(
                "frame {}: fault: {} (faults since boot: {})",
                report.counter,
                fault(report),
                faults(&report.faults)
            )),
            Message::Unsupported { request } => Some(unsupported(*request)),
            Message::Models(models) if !models.note.is_empty() => Some(printable(models.note)),
            Message::Label(_)
            | Message::Chunk(_)
            | Message::Acknowledgement(_)
            | Message::FullFrame(_)
            | Message::FrameMarks(_)
            | Message::Finding(_)
            | Message::Models(_)
            | Message::Setting(_) => None,
        },
    }
}

fn crash_line(start: &Beginning) -> Option<String> {
    start.crash.as_ref().map(|crash| format!("the board crashed and started again: {crash}"))
}

fn device_line(device: &Device, start: &str) -> String {
    format!(
        "board {}{start}, camera {}, model {}, CRC-32 {}, plan {}, blob {} bytes, arena {} bytes, {} classes",
        device.board,
        device.camera,
        device.model,
        device.crc32,
        device.plan,
        thousands(device.blob_len),
        thousands(device.arena_len),
        device.labels.len()
    )
}

fn frame_line(frame: &FrameReport, state: &State) -> String {
    let top: Vec<_> = frame.top.iter().map(|one| state.candidate(*one)).collect();
    let times = stages(&frame.times).map(|(stage, ticks)| format!("{stage} {}", time(ticks, state.time_unit())));
    format!(
        "frame {}: {}{} (this frame: {}); {}",
        frame.counter,
        state.verdict(frame.verdict),
        state.marks(frame).names().map(|mark| format!(", {mark}")).collect::<String>(),
        top.join(", "),
        times.join(", ")
    )
}
