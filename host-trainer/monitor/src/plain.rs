//! What a board says, as lines: for a file, a pipe or a script.

use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use protocol::{FrameReport, Message, Verdict};

use crate::MonitorError;
use crate::link::Event;
use crate::session::Session;
use crate::state::{Device, State};
use crate::text::{faults, percent, printable, recovery, thousands, time};

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
        thousands(state.pictured),
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
    /// The last line about the device or its failure: boards repeat them.
    device_line: String,
}

impl<W: Write> Printer<W> {
    const fn new(output: W, port: String) -> Self {
        Self {
            output,
            port,
            device_line: String::new(),
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
            Event::OtherVersion(_) => match state.hint(Instant::now()) {
                Some(hint) => self.print_once(hint),
                None => Ok(()),
            },
            Event::Message(message) => self.print_message(message, state),
        }
    }

    fn print_message(&mut self, message: &Message<'_>, state: &State) -> io::Result<()> {
        match message {
            Message::DeviceInfo(_) => match &state.device {
                Some(device) => self.print_once(device_line(device)),
                None => Ok(()),
            },
            Message::BootFailure(failure) => {
                let reason = printable(failure.text);
                self.print_once(format!("the board does not classify: {reason}"))
            }
            Message::Frame(frame) => writeln!(self.output, "{}", frame_line(frame, state)),
            Message::Fault(fault) => writeln!(
                self.output,
                "frame {}: fault: {}; the board {} (faults since boot: {})",
                fault.counter,
                printable(&fault.text),
                recovery(fault.recovery),
                faults(&fault.faults)
            ),
            Message::Unsupported { request } => {
                writeln!(self.output, "the board does not know request {request}")
            }
            Message::Label(_) | Message::Chunk(_) | Message::Acknowledgement(_) => Ok(()),
        }
    }

    fn print_once(&mut self, line: String) -> io::Result<()> {
        if self.device_line == line {
            return Ok(());
        }
        writeln!(self.output, "{line}")?;
        self.device_line = line;
        Ok(())
    }
}

fn device_line(device: &Device) -> String {
    format!(
        "board {}, camera {}, model {}, CRC-32 {:08x}, plan {}, blob {} bytes, arena {} bytes, {} classes",
        device.board,
        device.camera,
        device.model,
        device.crc32,
        device.plan,
        thousands(device.blob_len.into()),
        thousands(device.arena_len.into()),
        device.labels.len()
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
