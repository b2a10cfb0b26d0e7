//! The camera firmware's log. Of its frames and faults the serial port tells more; here is what it does not tell.

use defmt_decoder::{Frame, Table};
use defmt_parser::Level;

use crate::protocol::{Calibration, ProtocolError, calibration, decode_with, template};
use crate::session::SessionError;

/// How deep the stack was since boot.
#[derive(Clone, Copy, Debug)]
pub struct StackUse {
    /// Frames so far, taken or missed.
    pub attempts: u32,
    /// Bytes used at the deepest.
    pub used: usize,
    /// Bytes there are.
    pub size: usize,
}

/// What the firmware counted.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// For which the watchdog was fed.
    pub completed: u32,
    /// Of the camera.
    pub faults: u32,
    /// That the serial port did not take in time.
    pub dropped: u32,
}

/// A line of the log.
pub(super) enum Line {
    Calibrated(Calibration),
    Stack(StackUse),
    Done(Totals),
    Failed(String),
    /// Said on the serial port as well.
    Other,
}

/// What a log without an error says.
pub(super) struct Events {
    pub stack: Vec<StackUse>,
    pub totals: Totals,
}

pub(super) fn decode(table: &Table, bytes: &[u8]) -> Result<Vec<Line>, ProtocolError> {
    decode_with(table, bytes, |frame| {
        let text = || frame.display_message().to_string();
        if frame.level() == Some(Level::Error) {
            return Ok(Line::Failed(text()));
        }
        parse(frame).ok_or_else(|| ProtocolError::Message { text: text() })
    })
}

/// `None` if a known text comes with other arguments than expected.
fn parse(frame: &Frame<'_>) -> Option<Line> {
    let (format, arguments) = template(frame);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(calibration) = calibration(&format, &arguments) {
        return Some(Line::Calibrated(calibration));
    }
    match (format.as_str(), arguments.as_slice()) {
        ("stack after {} frames: {} of {} bytes", [attempts, used, size]) => {
            Some(Line::Stack(StackUse {
                attempts: attempts.parse().ok()?,
                used: used.parse().ok()?,
                size: size.parse().ok()?,
            }))
        }
        (
            "done: {} frames completed, {} faults, {} messages dropped",
            [completed, faults, dropped],
        ) => Some(Line::Done(Totals {
            completed: completed.parse().ok()?,
            faults: faults.parse().ok()?,
            dropped: dropped.parse().ok()?,
        })),
        _ => Some(Line::Other),
    }
}

/// Why the firmware failed, if it says so.
pub(super) fn failure(lines: Vec<Line>) -> Option<String> {
    lines.into_iter().find_map(|line| match line {
        Line::Failed(text) => Some(text),
        _ => None,
    })
}

pub(super) fn assemble(lines: Vec<Line>) -> Result<Events, SessionError> {
    let (mut calibrated, mut stack, mut totals) = (None, Vec::new(), None);
    for line in lines {
        match line {
            Line::Calibrated(calibration) => calibrated = Some(calibration),
            Line::Stack(used) => stack.push(used),
            Line::Done(done) => totals = Some(done),
            Line::Failed(_) => return Err(SessionError::Incomplete("a failing exit status")),
            Line::Other => {}
        }
    }
    let calibration = calibrated.ok_or(SessionError::Incomplete("the loop of known length"))?;
    if !calibration.holds() {
        return Err(SessionError::Calibration(calibration));
    }
    let totals = totals.ok_or(SessionError::Incomplete("its end"))?;
    Ok(Events { stack, totals })
}
