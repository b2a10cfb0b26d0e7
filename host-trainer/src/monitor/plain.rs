//! What a board says, as lines: for a file, a pipe or a script.

use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use firmware::pipeline::Verdict;
use firmware::protocol::{FrameReport, Message};

use super::MonitorError;
use super::link::Event;
use super::session::Session;
use super::state::{Board, State};
use super::text::{faults, percent, remedy, thousands, time};

/// Prints lines until the session is complete, or until nobody reads them any more.
pub fn run(mut session: Session) -> Result<(), MonitorError> {
    let mut printer = Printer::new(io::stdout().lock(), session.port());
    let outcome = watch(&mut session, &mut printer);
    session.end();
    match outcome {
        Err(MonitorError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn watch(session: &mut Session, printer: &mut Printer<impl Write>) -> Result<(), MonitorError> {
    while !session.is_complete() {
        session.advance(|event, state| printer.print(event, state))?;
    }
    writeln!(printer.output, "{}", summary(session))?;
    Ok(())
}

/// What a session has seen.
pub fn summary(session: &Session) -> String {
    let state = &session.state;
    let mut text = format!(
        "{} frames with pictures; messages: {}",
        thousands(state.shots),
        link_statistics(state)
    );
    if let Some(recording) = &session.recording {
        text += &format!(
            "; {} pictures recorded in {}",
            thousands(recording.recorded()),
            recording.folder().display()
        );
    }
    text
}

/// Messages that came, and that did not.
pub fn link_statistics(state: &State) -> String {
    let frames = &state.traffic.frames;
    let mut text = format!(
        "{} received, {} corrupted, {} missed",
        thousands(frames.received.into()),
        thousands(frames.corrupted.into()),
        thousands(state.missed)
    );
    if frames.foreign > 0 {
        text += &format!(", {} of another version", thousands(frames.foreign.into()));
    }
    text
}

struct Printer<W> {
    output: W,
    port: String,
    /// The last ones printed: boards repeat them.
    board: Option<Board>,
    refusal: Option<String>,
}

impl<W: Write> Printer<W> {
    const fn new(output: W, port: String) -> Self {
        Self {
            output,
            port,
            board: None,
            refusal: None,
        }
    }

    fn print(&mut self, event: &Event<'_>, state: &State) -> io::Result<()> {
        match event {
            Event::Connected => writeln!(self.output, "connected to {}", self.port),
            Event::Lost { .. } => match state.hint(Instant::now()) {
                Some(hint) => writeln!(self.output, "{hint}"),
                None => Ok(()),
            },
            Event::Received(_) => self.output.flush(),
            Event::Message(message) => self.print_message(message, state),
        }
    }

    fn print_message(&mut self, message: &Message<'_>, state: &State) -> io::Result<()> {
        match message {
            Message::Banner(_) if self.board != state.board => {
                self.board.clone_from(&state.board);
                self.refusal = None;
                match &state.board {
                    Some(board) => writeln!(self.output, "{}", board_line(board)),
                    None => Ok(()),
                }
            }
            Message::Refusal(_) if self.refusal != state.refusal => {
                self.refusal.clone_from(&state.refusal);
                match &state.refusal {
                    Some(reason) => {
                        writeln!(self.output, "the board does not classify: {reason}")
                    }
                    None => Ok(()),
                }
            }
            Message::Banner(_) | Message::Refusal(_) | Message::Picture(_) => Ok(()),
            Message::Frame(frame) => writeln!(self.output, "{}", frame_line(frame, state)),
            Message::Fault(fault) => writeln!(
                self.output,
                "frame {}: fault: {}; the board {} (faults since boot: {})",
                fault.counter,
                fault.fault,
                remedy(fault.remedy),
                faults(&fault.faults)
            ),
        }
    }
}

fn board_line(board: &Board) -> String {
    format!(
        "board {}, camera {}, model {}, CRC-32 {:08x}, plan {}, blob {} bytes, arena {} bytes, {} classes",
        board.board,
        board.camera,
        board.model,
        board.crc32,
        board.plan,
        thousands(board.blob_len.into()),
        thousands(board.arena_len.into()),
        board.labels.len()
    )
}

fn frame_line(frame: &FrameReport, state: &State) -> String {
    let verdict = match frame.verdict {
        Verdict::NotSure => String::from("not sure"),
        Verdict::Class { class, probability } => {
            format!("{} {}", state.label(class), percent(probability))
        }
    };
    let top: Vec<_> = frame
        .top
        .iter()
        .map(|guess| {
            format!(
                "{} {}",
                state.label(guess.class),
                percent(guess.probability)
            )
        })
        .collect();
    let unit = state.time_unit();
    let times = &frame.times;
    format!(
        "frame {}: {verdict} (this frame: {}); capture {}, preprocess {}, classify {}, report {}",
        frame.counter,
        top.join(", "),
        time(times.capture, unit),
        time(times.preprocess, unit),
        time(times.classify, unit),
        time(times.report, unit)
    )
}
