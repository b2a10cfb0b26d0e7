//! What a board says when it is asked, and what its frames are like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use protocol::{
    ChunkKind, Deed, FaultReport, Finding, Marks, Message, PictureMode, Problem, Request, StageTimes, Subject,
};

use super::card::{self, Turn};
use crate::link::{Event, Link};
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
    /// The board as the monitor knows it.
    pub state: State,
    /// A signal asked to end.
    interrupted: Arc<AtomicBool>,
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

/// Why asking a subject ended.
enum End {
    Complete,
    /// The board was lost, or said nothing.
    Nothing,
    Unsupported,
}

impl Evidence {
    /// Asks for everything until a signal sets `interrupted`; `progress` is told what is asked. Leaves the board as it was.
    pub fn collect(
        link: &mut Link,
        wants_card: bool,
        interrupted: Arc<AtomicBool>,
        progress: &mut impl FnMut(&str),
    ) -> Self {
        let mut evidence = Self {
            state: State::new(Instant::now()),
            interrupted,
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
        progress("asking the board what it is …");
        evidence.introduce(link);
        if evidence.state.device.is_none() {
            return evidence;
        }
        let start = Instant::now();
        for (subject, what) in Subject::ALL.into_iter().zip(["the model", "the camera", "the camera's test pattern"]) {
            if !evidence.is_old && evidence.state.is_connected() && evidence.goes_on(start, EXAMINATIONS) {
                progress(&format!("examining {what} …"));
                evidence.examine(link, subject, start);
            }
        }
        if !evidence.state.is_connected() {
            return evidence;
        }
        progress(&format!("watching {FRAMES} frames …"));
        evidence.watch(link);
        if wants_card {
            progress(&format!(
                "hold the test card before the camera, so that it fills the picture; {HOLDING:?} are left …"
            ));
            evidence.card = Some(evidence.look_for_card(link));
        }
        link.send(Request::FullFrames(PictureMode::Off));
        link.send(Request::Pictures(PictureMode::Off));
        evidence
    }

    /// What was found out about `subject`.
    pub fn of(&self, subject: Subject) -> Option<&Examined> {
        self.examined[subject as usize].as_ref()
    }

    /// Takes what comes within some hundredths of a second; `see` gets it behind the state.
    fn poll(&mut self, link: &mut Link, mut see: impl FnMut(&Event<'_>, &State)) {
        let (state, lost) = (&mut self.state, &mut self.lost);
        link.poll(|event| {
            *lost += u32::from(matches!(event, Event::Lost { .. }) && state.is_connected());
            state.apply(&event, Instant::now());
            see(&event, state);
        });
    }

    /// Whether `limit` is not over since `start`, and no signal has come.
    fn goes_on(&self, start: Instant, limit: Duration) -> bool {
        start.elapsed() < limit && !self.interrupted.load(Ordering::Relaxed)
    }

    fn introduce(&mut self, link: &mut Link) {
        let start = Instant::now();
        let mut asked = None;
        while self.goes_on(start, INTRODUCTION) && self.state.boot_failure.is_none() && !self.is_introduced() {
            link.ask(&mut asked, [Request::DeviceInfo]);
            self.poll(link, |_, _| {});
        }
    }

    fn is_introduced(&self) -> bool {
        let device = self.state.device.as_ref();
        device.is_some_and(|device| device.labels.iter().all(Option::is_some))
    }

    /// Asks until the board has come to an end, or till [`EXAMINATIONS`] after `start`.
    fn examine(&mut self, link: &mut Link, subject: Subject, start: Instant) {
        while self.goes_on(start, EXAMINATIONS) && self.is_back(link) {
            let mut examined = Examined::default();
            let end = self.ask(link, subject, &mut examined);
            self.examined[subject as usize] = Some(examined);
            match end {
                End::Complete => return,
                End::Nothing => {}
                End::Unsupported => {
                    self.is_old = true;
                    return;
                }
            }
        }
    }

    /// Waits for a board that was lost: what is asked meanwhile never reaches it.
    fn is_back(&mut self, link: &mut Link) -> bool {
        let start = Instant::now();
        while !self.state.is_connected() && self.goes_on(start, RETURN) {
            self.poll(link, |_, _| {});
        }
        self.state.is_connected()
    }

    fn ask(&mut self, link: &mut Link, subject: Subject, examined: &mut Examined) -> End {
        let (start, lost) = (Instant::now(), self.lost);
        // What was sent before is of an earlier request.
        let taken = self.state.full_frames;
        link.send(Request::Examine(subject));
        let mut is_unsupported = false;
        while self.goes_on(start, EXAMINATION) && self.lost == lost && !examined.is_complete && !is_unsupported {
            self.poll(link, |event, state| {
                let Event::Message(message) = event else {
                    return;
                };
                match message {
                    Message::Finding(finding) => examined.add(finding, subject),
                    Message::Chunk(chunk) if chunk.kind == ChunkKind::FullFrame && state.full_frames > taken => {
                        examined.frame.clone_from(&state.full_frame);
                    }
                    Message::Unsupported { request } => {
                        is_unsupported = *request == Request::Examine(subject).kind();
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
            });
        }
        match (examined.is_complete, is_unsupported) {
            (true, _) => End::Complete,
            (false, true) => End::Unsupported,
            (false, false) => End::Nothing,
        }
    }

    fn watch(&mut self, link: &mut Link) {
        let start = Instant::now();
        let mut asked = None;
        let (mut frames, mut faults, mut reported) = (Vec::new(), Vec::new(), 0);
        while self.goes_on(start, WATCHING)
            && frames.len() < FRAMES
            && (!frames.is_empty() || faults.len() < FAULTS && reported < UNPICTURED)
        {
            link.ask(&mut asked, self.state.requests());
            self.poll(link, |event, state| {
                if let Event::Message(Message::Fault(fault)) = event {
                    faults.push(fault.clone());
                }
                reported += usize::from(matches!(event, Event::Message(Message::Frame(_))));
                if let Event::Message(Message::Chunk(_)) = event
                    && let Some((frame, picture)) = state.pictured_frame()
                    && frames.last().is_none_or(|(counter, _)| *counter != frame.counter)
                {
                    let seen = Seen { times: frame.times, marks: state.marks(frame), means: means(picture) };
                    frames.push((frame.counter, seen));
                }
            });
        }
        self.watched = start.elapsed();
        self.reported = reported;
        self.frames = frames.into_iter().map(|(_, seen)| seen).collect();
        self.faults = faults;
        self.picture.clone_from(&self.state.picture);
    }

    fn look_for_card(&mut self, link: &mut Link) -> Option<Turn> {
        link.send(Request::Pictures(PictureMode::Off));
        link.send(Request::FullFrames(PictureMode::Every));
        let start = Instant::now();
        let mut looked = self.state.full_frames;
        while self.goes_on(start, HOLDING) {
            self.poll(link, |_, _| {});
            if self.state.full_frames > looked {
                looked = self.state.full_frames;
                let turn = self.state.full_frame.as_ref().and_then(card::turn);
                if turn.is_some() {
                    return turn;
                }
            }
        }
        None
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
