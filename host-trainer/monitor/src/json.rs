//! What a board says, as a line of JSON for each frame, for other programs.

use std::collections::BTreeMap;

use board_client::line::Event;
use board_client::state::{Device, Guess, State};
use board_client::text::{fraction, printable};
use protocol::{Message, Recovery, StageTimes, Verdict};
use serde::Serialize;

use crate::recording::since_1970;

/// A line; `type` says of which kind.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Line<'a> {
    /// How the board's run began.
    Start {
        /// What reset the chip: `power`, `reset pin`, `watchdog`, `software`, `debugger`, `low voltage` or `unknown`.
        cause: &'static str,
        /// The panic or fault that ended the run before, if one did.
        crash: Option<&'a str>,
    },
    /// The board and its classes, once it has named all of them.
    Board {
        #[serde(flatten)]
        device: &'a Device,
        labels: Vec<&'a str>,
    },
    /// A frame that was classified.
    Frame {
        frame: u32,
        /// Seconds since 1970.
        time: f64,
        /// The last frames show a class, which is then given; otherwise it is null.
        sure: bool,
        class: Option<u8>,
        label: Option<String>,
        probability: Option<f64>,
        /// What makes it less than a picture to rely on: `settling`, `dark`, `blown out`, `still`.
        marks: Vec<&'static str>,
        /// The most probable classes of this frame alone.
        top: Vec<Guess>,
        logits: &'a [i32],
        /// In the unit that the board's line names.
        times: StageTimes,
    },
    /// A frame that was not to be had.
    Fault {
        frame: u32,
        time: f64,
        fault: String,
        class: &'static str,
        code: u16,
        /// Milliseconds until the camera is initialized anew, if it is.
        initialize_after: Option<u32>,
        /// Faults since the board's boot, by class.
        faults: BTreeMap<&'static str, u32>,
    },
    /// The board does not classify.
    BootFailure { time: f64, code: u16, text: String },
}

/// The line for an event, if it is worth one.
pub fn line(event: &Event<'_>, state: &State) -> Option<String> {
    let Event::Message(message) = event else {
        return None;
    };
    let time = since_1970().as_secs_f64();
    let line = match message {
        Message::Start(_) => {
            let start = state.start.as_ref()?;
            Line::Start { cause: start.cause.name(), crash: start.crash.as_deref() }
        }
        Message::Label(label) => {
            let device = state.device.as_ref()?;
            let labels = device.labels.iter().map(Option::as_deref).collect::<Option<Vec<_>>>()?;
            if usize::from(label.index) + 1 < labels.len() {
                return None;
            }
            Line::Board { device, labels }
        }
        Message::Frame(frame) => {
            let verdict = match frame.verdict {
                Verdict::NotSure => None,
                Verdict::Class { class, probability } => Some((class, probability)),
            };
            Line::Frame {
                frame: frame.counter,
                time,
                sure: verdict.is_some(),
                class: verdict.map(|(class, _)| class),
                label: verdict.map(|(class, _)| state.label(class)),
                probability: verdict.map(|(_, probability)| fraction(probability)),
                marks: state.marks(frame).names().collect(),
                top: state.guesses(frame),
                logits: &frame.logits,
                times: frame.times,
            }
        }
        Message::Fault(report) => Line::Fault {
            frame: report.counter,
            time,
            fault: printable(&report.text),
            class: report.class.name(),
            code: report.code,
            initialize_after: match report.recovery {
                Recovery::Retry => None,
                Recovery::Initialize { after_ms } => Some(after_ms),
            },
            faults: report
                .faults
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(class, count)| (class.name(), count))
                .collect(),
        },
        Message::BootFailure(failure) => Line::BootFailure { time, code: failure.code, text: printable(failure.text) },
        Message::DeviceInfo(_)
        | Message::Chunk(_)
        | Message::Acknowledgement(_)
        | Message::Unsupported { .. }
        | Message::FullFrame(_)
        | Message::FrameMarks(_)
        | Message::Finding(_)
        | Message::Models(_)
        | Message::Setting(_) => return None,
    };
    Some(serde_json::to_string(&line).expect("names are text and numbers are finite"))
}
