//! What is known about a board: a fold over all that happened on its link.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use firmware::fault::FaultCounters;
use firmware::protocol::{
    Banner, FaultReport, FrameReport, Message, Picture, PictureMode, Request, TimeUnit,
};
use shared_model::Image;

use super::link::{Event, Traffic};
use super::text::printable;

/// Arrivals that the frame rate is taken over.
const RATE_WINDOW: usize = 16;
/// Entries of the log, more than any screen has lines.
const LOG_LEN: usize = 128;
/// A board that runs has said something after so long.
const SILENCE: Duration = Duration::from_secs(5);

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Since then.
    Up(Instant),
    /// None.
    Down {
        /// Why, in plain words.
        reason: String,
        /// When the next attempt follows.
        retry_at: Instant,
    },
}

/// What a board holds; see [`Banner`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at Banner")]
pub struct Board {
    pub board: String,
    pub camera: String,
    pub model: String,
    pub crc32: u32,
    pub blob_len: u32,
    pub arena_len: u32,
    pub plan: String,
    pub labels: Vec<String>,
    pub time_unit: TimeUnit,
}

impl Board {
    fn new(banner: &Banner) -> Self {
        Self {
            board: printable(banner.board),
            camera: printable(banner.camera),
            model: printable(banner.model),
            crc32: banner.crc32,
            blob_len: banner.blob_len,
            arena_len: banner.arena_len,
            plan: printable(banner.plan),
            labels: banner.labels.iter().map(|label| printable(label)).collect(),
            time_unit: banner.time_unit,
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A frame was classified.
    Frame(FrameReport),
    /// A frame was not to be had.
    Fault(FaultReport),
    /// The connection came or went.
    Link(String),
}

/// A frame and the picture that it was.
#[derive(Clone, Copy, Debug)]
pub struct Shot<'s> {
    /// What the network says.
    pub frame: &'s FrameReport,
    /// What the network saw.
    pub image: &'s Image,
}

/// Everything that a person may want to see.
#[derive(Clone, Debug)]
pub struct State {
    /// To the board.
    pub connection: Connection,
    /// Over all connections.
    pub traffic: Traffic,
    /// Since its banner came.
    pub board: Option<Board>,
    /// Why the board does not classify, if it says so.
    pub refusal: Option<String>,
    /// The newest one.
    pub frame: Option<FrameReport>,
    /// The newest one, and the counter of its frame.
    pub picture: Option<(u32, Box<Image>)>,
    /// The newest one.
    pub fault: Option<FaultReport>,
    /// Since the board's boot.
    pub faults: FaultCounters,
    /// Frames that came with their pictures.
    pub shots: u64,
    /// Reports that the board has sent, as its counter shows, but that did not arrive.
    pub missed: u64,
    /// Newest first.
    pub log: VecDeque<Entry>,
    /// When the newest frames came, the newest last.
    arrivals: VecDeque<Instant>,
    /// Of the newest report.
    counter: Option<u32>,
    /// Pictures come, so that they need not be asked for.
    has_pictures: bool,
}

impl State {
    /// Connected, and nothing heard yet.
    pub fn new(now: Instant) -> Self {
        Self {
            connection: Connection::Up(now),
            traffic: Traffic::default(),
            board: None,
            refusal: None,
            frame: None,
            picture: None,
            fault: None,
            faults: FaultCounters::new(),
            shots: 0,
            missed: 0,
            log: VecDeque::new(),
            arrivals: VecDeque::new(),
            counter: None,
            has_pictures: false,
        }
    }

    /// Takes what happened at `now`.
    pub fn apply(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Connected => {
                self.connection = Connection::Up(now);
                self.begin();
                self.log(Entry::Link(String::from("connected")));
            }
            Event::Lost { reason, retry_in } => {
                if matches!(self.connection, Connection::Up(_)) {
                    self.log(Entry::Link(String::from("connection lost")));
                }
                self.connection = Connection::Down {
                    reason: reason.clone(),
                    retry_at: now + *retry_in,
                };
            }
            Event::Message(message) => self.receive(message, now),
            Event::Received(traffic) => self.traffic = *traffic,
        }
    }

    fn receive(&mut self, message: &Message<'_>, now: Instant) {
        match message {
            Message::Banner(banner) => {
                self.board = Some(Board::new(banner));
                self.refusal = None;
                // It may have been reset, and then knows nothing of what it was asked for.
                self.has_pictures = false;
            }
            Message::Refusal(reason) => self.refusal = Some(printable(reason)),
            Message::Frame(frame) => {
                self.follow(frame.counter);
                self.has_pictures &= self.shot().is_some();
                self.refusal = None;
                self.faults = frame.faults;
                self.frame = Some(frame.clone());
                self.log(Entry::Frame(frame.clone()));
                self.arrivals.push_back(now);
                if self.arrivals.len() > RATE_WINDOW {
                    self.arrivals.pop_front();
                }
            }
            Message::Picture(picture) => self.show(picture),
            Message::Fault(fault) => {
                self.follow(fault.counter);
                self.faults = fault.faults;
                self.fault = Some(*fault);
                self.log(Entry::Fault(*fault));
            }
        }
    }

    /// A new connection, perhaps to a board that was reset meanwhile.
    fn begin(&mut self) {
        self.counter = None;
        self.has_pictures = false;
        self.arrivals.clear();
    }

    /// A report's counter: a jump forwards is a loss, one backwards a reset of the board.
    fn follow(&mut self, counter: u32) {
        if let Some(last) = self.counter {
            let step = counter.wrapping_sub(last);
            if step == 0 || step > u32::MAX / 2 {
                self.begin();
            } else {
                self.missed += u64::from(step - 1);
            }
        }
        self.counter = Some(counter);
    }

    fn show(&mut self, picture: &Picture<'_>) {
        if let Ok(image) = <&Image>::try_from(picture.rgb) {
            self.picture = Some((picture.counter, Box::new(*image)));
            self.has_pictures = true;
            self.shots += u64::from(self.shot().is_some());
        }
    }

    fn log(&mut self, entry: Entry) {
        self.log.truncate(LOG_LEN - 1);
        self.log.push_front(entry);
    }

    /// The newest frame with its picture, if that has come.
    pub fn shot(&self) -> Option<Shot<'_>> {
        let frame = self.frame.as_ref()?;
        let (counter, image) = self.picture.as_ref()?;
        (*counter == frame.counter).then_some(Shot { frame, image })
    }

    /// What the board must be asked for, again if it has forgotten it or never got it.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        let banner = self.board.is_none().then_some(Request::Banner);
        let pictures = (!self.has_pictures).then_some(Request::Pictures(PictureMode::Every));
        banner.into_iter().chain(pictures)
    }

    /// A class's name, or its number as long as the names have not come.
    pub fn label(&self, class: u8) -> String {
        self.board
            .as_ref()
            .and_then(|board| board.labels.get(usize::from(class)).cloned())
            .unwrap_or_else(|| format!("class {class}"))
    }

    /// The unit of the stages' times, if it is known.
    pub fn time_unit(&self) -> Option<TimeUnit> {
        self.board.as_ref().map(|board| board.time_unit)
    }

    /// Frames a second, as they arrive here.
    pub fn rate(&self) -> Option<f64> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (self.arrivals.len() - 1) as f64 / seconds)
    }

    /// Why there are no frames, and what to do about it, if there are none.
    pub fn hint(&self, now: Instant) -> Option<String> {
        let since = match &self.connection {
            Connection::Down { reason, retry_at } => {
                let seconds = retry_at.saturating_duration_since(now).as_secs_f64();
                return Some(format!("{reason}; next attempt in {seconds:.1} s"));
            }
            Connection::Up(since) => *since,
        };
        if let Some(reason) = &self.refusal {
            return Some(format!("the board does not classify: {reason}"));
        }
        if self.traffic.frames.received > 0 || now.duration_since(since) < SILENCE {
            return None;
        }
        Some(String::from(if self.traffic.frames.foreign > 0 {
            "the board speaks another version of the protocol; build host-trainer and the firmware from the same sources"
        } else if self.traffic.bytes > 0 {
            "bytes come, but no messages: is it another program's port, or another --baud-rate?"
        } else {
            "connected, but nothing comes: does the firmware run, and is it this port?"
        }))
    }
}

#[cfg(test)]
mod tests;
