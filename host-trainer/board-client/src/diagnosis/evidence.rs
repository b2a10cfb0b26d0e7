//! What a board says when it is asked, and what its frames are like.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::{
    ChunkKind, Deed, FaultReport, Finding, Marks, Message, PictureMode, Problem, Request, StageTimes, Subject,
};

use super::card::{self, Turn};
use crate::line::{Asked, Event, Step};
use crate::state::{Picture, State};
use crate::text::printable;

/// A board that runs says what it is within this; after a crash it waits for some seconds first.
const INTRODUCTION: Duration = Duration::from_secs(15);
/// A subject takes less, whatever the camera does; 38 KB of a frame over a UART of 115,200 baud among it.
const EXAMINATION: Duration = Duration::from_secs(20);
/// All subjects together: a board that was reset meanwhile, as its watchdog does while no frames come, is asked again.
const EXAMINATIONS: Duration = Duration::from_secs(45);
/// A board that is reset is back on USB after some seconds.
const RETURN: Duration = Duration::from_secs(10);
/// So many frames are looked at: the slowest camera settles within 41 (ArduCAM Mega, as others measured).
const FRAMES: usize = 40;
/// So many without their pictures say enough.
const UNPICTURED: usize = 3 * FRAMES;
/// Frames of a slow line, 3 KB each, and a few faults between them.
const WATCHING: Duration = Duration::from_secs(30);
/// So many faults without a frame say enough.
const FAULTS: usize = 20;
/// A person needs some time to hold a card.
const HOLDING: Duration = Duration::from_secs(60);

/// All that is known.
#[derive(Debug)]
pub struct Evidence {
    /// The board as it is known.
    pub state: State,
    /// The board's firmware cannot examine anything.
    pub is_old: bool,
    /// Connections that were lost.
    pub lost: u32,
    /// What was found out about each of [`Subject::ALL`], if it was asked.
    pub examined: [Option<Examined>; Subject::ALL.len()],
    /// Frames that were watched, with and without their pictures.
    pub reported: usize,
    /// Those that came with their pictures.
    pub frames: Vec<Seen>,
    /// The newest of those pictures.
    pub picture: Option<Picture>,
    /// Frames that did not come.
    pub faults: Vec<FaultReport>,
    /// How long frames were waited for.
    pub watched: Duration,
    /// How the test card stood, if one was to be looked for.
    pub card: Option<Option<Turn>>,
}

/// What was found out about a subject.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// The board has come to its end.
    pub is_complete: bool,
    pub values: Vec<(String, u32)>,
    pub known_answer: Option<bool>,
    /// What the camera is, and whether that is right.
    pub product: Option<(u16, bool)>,
    /// How many registers were compared.
    pub compared: u16,
    pub registers: Vec<Register>,
    pub start: Option<Outcome>,
    pub read: Option<Outcome>,
    pub capture: Option<Outcome>,
    pub has_no_pattern: bool,
    /// The frame that was taken.
    pub frame: Option<Picture>,
}

/// One that differs.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    pub bank: u8,
    pub address: u8,
    pub written: u8,
    pub found: u8,
}

/// How a deed ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub time: u64,
    pub trouble: Option<Trouble>,
}

/// Why it failed.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub code: u16,
    pub text: String,
}

/// A frame.
#[derive(Clone, Debug)]
pub struct Seen {
    pub times: StageTimes,
    pub marks: Marks,
    /// Of red, green and blue of what the network saw, 0 … 255.
    pub means: [f64; 3],
}

/// Collects [`Evidence`]. What it says is what is going on.
pub struct Diagnosis {
    evidence: Evidence,
    wants_card: bool,
    phase: Phase,
    /// When the phase began.
    since: Duration,
    asked: Asked,
    /// What is to be sent next.
    requests: VecDeque<Request<'static>>,
    /// When the examinations began.
    examined_since: Duration,
    /// The counter of the newest frame that was watched.
    watched: Option<u32>,
}

enum Phase {
    Beginning,
    Introducing,
    /// Waits until the board is back, since what is asked meanwhile never reaches it, and then asks for the subject with that index.
    Returning(usize),
    Examining {
        index: usize,
        /// Connections that were lost, and full frames that had come, when it was asked for.
        lost: u32,
        full_frames: u64,
        is_unsupported: bool,
    },
    Watching,
    /// So many full frames have been looked at.
    LookingForCard(u64),
    Over,
}

/// What is examined, in the order of [`Subject::ALL`].
const NAMES: [&str; Subject::ALL.len()] = ["the model", "the camera", "the camera's test pattern"];

impl Diagnosis {
    /// Begins to ask for everything, and to look for the test card if that is wanted. Leaves the board as it was.
    pub fn new(wants_card: bool, now: Duration) -> Self {
        let evidence = Evidence {
            state: State::new(now),
            is_old: false,
            lost: 0,
            examined: Default::default(),
            reported: 0,
            frames: Vec::new(),
            picture: None,
            faults: Vec::new(),
            watched: Duration::ZERO,
            card: None,
        };
        Self {
            evidence,
            wants_card,
            phase: Phase::Beginning,
            since: now,
            asked: Asked::default(),
            requests: VecDeque::new(),
            examined_since: now,
            watched: None,
        }
    }

    /// What has been found out.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Takes what happened at `now`.
    pub fn apply(&mut self, event: &Event<'_>, now: Duration) {
        let evidence = &mut self.evidence;
        evidence.lost += u32::from(matches!(event, Event::Lost { .. }) && evidence.state.is_connected());
        evidence.state.apply(event, now);
        let Event::Message(message) = event else {
            return;
        };
        match &mut self.phase {
            Phase::Examining { index, full_frames, is_unsupported, .. } => {
                let subject = Subject::ALL[*index];
                let Some(examined) = &mut evidence.examined[*index] else {
                    return;
                };
                match message {
                    Message::Finding(finding) => examined.add(finding, subject),
                    // What was sent before is of an earlier request.
                    Message::Chunk(chunk)
                        if chunk.kind == ChunkKind::FullFrame && evidence.state.full_frames > *full_frames =>
                    {
                        examined.frame.clone_from(&evidence.state.full_frame);
                    }
                    Message::Unsupported { request } => {
                        *is_unsupported |= *request == Request::Examine(subject).kind();
                    }
                    Message::DeviceInfo(_)
                    | Message::Label(_)
                    | Message::BootFailure(_)
                    | Message::Frame(_)
                    | Message::Fault(_)
                    | Message::Chunk(_)
                    | Message::Acknowledgement(_)
                    | Message::FullFrame(_)
                    | Message::FrameMarks(_)
                    | Message::Start(_)
                    | Message::Models(_)
                    | Message::Setting(_) => {}
                }
            }
            Phase::Watching => {
                if let Message::Fault(fault) = message {
                    evidence.faults.push(fault.clone());
                }
                evidence.reported += usize::from(matches!(message, Message::Frame(_)));
                if let Message::Chunk(_) = message
                    && let Some((frame, picture)) = evidence.state.pictured_frame()
                    && self.watched != Some(frame.counter)
                {
                    self.watched = Some(frame.counter);
                    let marks = evidence.state.marks(frame);
                    evidence.frames.push(Seen { times: frame.times, marks, means: means(picture) });
                }
            }
            Phase::Beginning | Phase::Introducing | Phase::Returning(_) | Phase::LookingForCard(_) | Phase::Over => {}
        }
    }

    /// What is to be done at `now`.
    pub fn advance(&mut self, now: Duration) -> Step<'static, ()> {
        if let Some(request) = self.requests.pop_front() {
            return Step::Send(request);
        }
        let elapsed = now.saturating_sub(self.since);
        let evidence = &mut self.evidence;
        match self.phase {
            Phase::Beginning => {
                self.enter(Phase::Introducing, now);
                Step::Say(String::from("asking the board what it is …"))
            }
            Phase::Introducing => {
                let is_over = elapsed >= INTRODUCTION || evidence.state.boot_failure.is_some();
                if !is_over && !evidence.is_introduced() {
                    self.requests.extend(self.asked.due(now, [Request::DeviceInfo]));
                    return Step::Wait;
                }
                if evidence.state.device.is_none() {
                    self.enter(Phase::Over, now);
                    return Step::Wait;
                }
                self.examined_since = now;
                self.examine(0, now)
            }
            Phase::Returning(index) => {
                let is_late = self.is_late(now);
                if self.evidence.state.is_connected() && !is_late {
                    let (lost, full_frames) = (self.evidence.lost, self.evidence.state.full_frames);
                    self.evidence.examined[index] = Some(Examined::default());
                    self.enter(Phase::Examining { index, lost, full_frames, is_unsupported: false }, now);
                    return Step::Send(Request::Examine(Subject::ALL[index]));
                }
                if is_late || elapsed >= RETURN { self.examine(index + 1, now) } else { Step::Wait }
            }
            Phase::Examining { index, lost, is_unsupported, .. } => {
                evidence.is_old |= is_unsupported;
                let is_complete = evidence.examined[index].as_ref().is_some_and(|examined| examined.is_complete);
                if is_complete || is_unsupported {
                    return self.examine(index + 1, now);
                }
                if elapsed >= EXAMINATION || evidence.lost != lost {
                    self.enter(Phase::Returning(index), now);
                }
                Step::Wait
            }
            Phase::Watching => {
                let frames = evidence.frames.len();
                let is_enough = evidence.faults.len() >= FAULTS || evidence.reported >= UNPICTURED;
                if elapsed < WATCHING && frames < FRAMES && !(frames == 0 && is_enough) {
                    self.requests.extend(self.asked.due(now, evidence.state.requests()));
                    return Step::Wait;
                }
                evidence.watched = elapsed;
                evidence.picture.clone_from(&evidence.state.picture);
                if !self.wants_card {
                    return self.leave(now);
                }
                let pictures = [Request::Pictures(PictureMode::Off), Request::FullFrames(PictureMode::Every)];
                self.requests.extend(pictures);
                let looked = evidence.state.full_frames;
                evidence.card = Some(None);
                self.enter(Phase::LookingForCard(looked), now);
                Step::Say(format!(
                    "hold the test card before the camera, so that it fills the picture; {HOLDING:?} are left …"
                ))
            }
            Phase::LookingForCard(looked) => {
                let state = &evidence.state;
                if state.full_frames > looked {
                    let turn = state.full_frame.as_ref().and_then(card::turn);
                    self.phase = Phase::LookingForCard(state.full_frames);
                    evidence.card = Some(turn);
                }
                if evidence.card == Some(None) && elapsed < HOLDING { Step::Wait } else { self.leave(now) }
            }
            Phase::Over => Step::End(()),
        }
    }

    fn enter(&mut self, phase: Phase, now: Duration) {
        (self.phase, self.since, self.asked) = (phase, now, Asked::default());
    }

    /// Whether the examinations have taken too long together.
    fn is_late(&self, now: Duration) -> bool {
        now.saturating_sub(self.examined_since) >= EXAMINATIONS
    }

    /// Goes on with the subject with that index, or with what comes after all of them.
    fn examine(&mut self, index: usize, now: Duration) -> Step<'static, ()> {
        let is_connected = self.evidence.state.is_connected();
        let name = NAMES.get(index).filter(|_| !self.evidence.is_old && is_connected && !self.is_late(now));
        match name {
            Some(name) => {
                self.enter(Phase::Returning(index), now);
                Step::Say(format!("examining {name} …"))
            }
            None if is_connected => {
                self.enter(Phase::Watching, now);
                Step::Say(format!("watching {FRAMES} frames …"))
            }
            None => {
                self.enter(Phase::Over, now);
                Step::Wait
            }
        }
    }

    fn leave(&mut self, now: Duration) -> Step<'static, ()> {
        self.requests.extend(OFF);
        self.enter(Phase::Over, now);
        Step::Wait
    }
}

/// What leaves a board as it was.
pub const OFF: [Request<'static>; 2] = [Request::FullFrames(PictureMode::Off), Request::Pictures(PictureMode::Off)];

impl Evidence {
    /// What was found out about `subject`.
    pub fn of(&self, subject: Subject) -> Option<&Examined> {
        self.examined[subject as usize].as_ref()
    }

    fn is_introduced(&self) -> bool {
        let device = self.state.device.as_ref();
        device.is_some_and(|device| device.labels.iter().all(Option::is_some))
    }
}

impl Examined {
    fn add(&mut self, finding: &Finding<'_>, subject: Subject) {
        match *finding {
            Finding::Value { name, value } => self.values.push((printable(name), value)),
            Finding::KnownAnswer { holds } => self.known_answer = Some(holds),
            Finding::Product { found, is_known } => self.product = Some((found, is_known)),
            Finding::Compared { registers } => self.compared = registers,
            Finding::Register { bank, address, written, found } => {
                self.registers.push(Register { bank, address, written, found });
            }
            Finding::Done { deed, time, problem } => {
                let trouble = problem.map(|Problem { code, text, .. }| Trouble { code, text: printable(text) });
                let outcome = Some(Outcome { time, trouble });
                match deed {
                    Deed::Start => self.start = outcome,
                    Deed::Read => self.read = outcome,
                    Deed::Capture => self.capture = outcome,
                }
            }
            Finding::NoTestPattern => self.has_no_pattern = true,
            Finding::End(ended) => self.is_complete = ended == subject,
        }
    }
}

/// Of red, green and blue, 0 … 255.
fn means(picture: &Picture) -> [f64; 3] {
    let (height, width) = (usize::from(picture.shape.height), usize::from(picture.shape.width));
    let mut sums = [0.0; 3];
    for y in 0..height {
        for x in 0..width {
            sums.iter_mut().zip(picture.pixel(x, y)).for_each(|(sum, value)| *sum += f64::from(value));
        }
    }
    sums.map(|sum| sum / (height * width).max(1) as f64)
}
