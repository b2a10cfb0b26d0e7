//! What is known about a board: a fold over all that happened on its link.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::{
    Assembler, Candidate, Chunk, ChunkKind, DeviceInfo, FaultCounters, FaultReport, FrameReport, Label, Message,
    PictureMode, Progress, Request, Shape, TimeUnit, VERSION, Verdict,
};
use serde::Serialize;

use crate::link::{Event, Traffic};
use crate::text::{percent, printable, thousands, unsupported};

/// Arrivals that the frame rate is taken over.
const RATE_WINDOW: usize = 16;
/// Entries of the log, more than any screen has lines.
const LOG_LEN: usize = 128;
/// The most bytes of a picture: 256 × 256 pixels in colour. Larger ones are not taken.
const LARGEST_PICTURE: usize = 3 << 16;
/// A board that runs has said something after so long.
const SILENCE: Duration = Duration::from_secs(5);

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// There is one since then.
    Up(Instant),
    /// There is none.
    Down {
        /// Why, in plain words.
        reason: String,
        /// When the next attempt follows.
        retry_at: Instant,
    },
}

/// What a board is and holds; see [`DeviceInfo`]. A recording names the fields that are not skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "documented at DeviceInfo")]
pub struct Device {
    pub board: String,
    pub camera: String,
    pub model: String,
    /// In eight hexadecimal digits.
    pub crc32: String,
    pub time_unit: TimeUnit,
    #[serde(skip)]
    pub blob_len: u32,
    #[serde(skip)]
    pub arena_len: u32,
    #[serde(skip)]
    pub plan: String,
    #[serde(skip)]
    pub input: Shape,
    /// Names of the classes, those that have come.
    #[serde(skip)]
    pub labels: Vec<Option<String>>,
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

/// What the network saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The counter of its frame.
    pub counter: u32,
    /// Its size; one or three channels.
    pub shape: Shape,
    /// As many bytes as the shape has.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// A pixel, 0 … 255 for red, green and blue; black outside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let channels = usize::from(self.shape.channels);
        let start = channels * (y * usize::from(self.shape.width) + x);
        match self.bytes.get(start..start + channels) {
            Some(&[grey]) => [grey; 3],
            Some(&[red, green, blue]) => [red, green, blue],
            _ => [0; 3],
        }
    }
}

/// Everything that a person may want to see.
#[derive(Clone, Debug)]
pub struct State {
    /// The connection to the board.
    pub connection: Connection,
    /// What came over all connections.
    pub traffic: Traffic,
    /// The board, once it has said what it is.
    pub device: Option<Device>,
    /// That the board does not classify, and why, if it says so.
    pub boot_failure: Option<String>,
    /// The version of the protocol that the board speaks, if it is another one.
    pub other_version: Option<u8>,
    /// The newest frame.
    pub frame: Option<FrameReport>,
    /// The newest picture.
    pub picture: Option<Picture>,
    /// The newest fault.
    pub fault: Option<FaultReport>,
    /// Faults since the board's boot.
    pub faults: FaultCounters,
    /// Frames that came with their pictures.
    pub pictured: u64,
    /// Reports that the board has sent, as its counter shows, but that did not arrive.
    pub missed: u64,
    /// Newest first.
    pub log: VecDeque<Entry>,
    /// When the newest frames came, the newest last.
    arrivals: VecDeque<Instant>,
    /// The counter of the newest report.
    counter: Option<u32>,
    /// The picture that is coming.
    transfer: Assembler<Vec<u8>>,
    /// Pictures come, so that they need not be asked for.
    has_pictures: bool,
}

impl State {
    /// Connected, and nothing heard yet.
    pub fn new(now: Instant) -> Self {
        Self {
            connection: Connection::Up(now),
            traffic: Traffic::default(),
            device: None,
            boot_failure: None,
            other_version: None,
            frame: None,
            picture: None,
            fault: None,
            faults: FaultCounters::new(),
            pictured: 0,
            missed: 0,
            log: VecDeque::new(),
            arrivals: VecDeque::new(),
            counter: None,
            transfer: Assembler::new(Vec::new()),
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
                if self.is_connected() {
                    self.log(Entry::Link(String::from("connection lost")));
                }
                self.connection = Connection::Down { reason: reason.clone(), retry_at: now + *retry_in };
            }
            Event::Message(message) => self.receive(message, now),
            Event::OtherVersion(version) => self.other_version = Some(*version),
            Event::Received(traffic) => self.traffic = *traffic,
        }
    }

    fn receive(&mut self, message: &Message<'_>, now: Instant) {
        match message {
            Message::DeviceInfo(info) => self.meet(info),
            Message::Label(label) => self.name(label),
            Message::BootFailure(failure) => {
                let reason = printable(failure.text);
                self.boot_failure = Some(format!("the board does not classify: {reason}"));
            }
            Message::Frame(frame) => {
                self.follow(frame.counter);
                self.has_pictures &= self.pictured_frame().is_some();
                self.boot_failure = None;
                self.faults = frame.faults;
                self.frame = Some(frame.clone());
                self.log(Entry::Frame(frame.clone()));
                self.arrivals.push_back(now);
                if self.arrivals.len() > RATE_WINDOW {
                    self.arrivals.pop_front();
                }
            }
            Message::Chunk(chunk) => self.take_chunk(chunk),
            Message::Fault(fault) => {
                self.follow(fault.counter);
                self.faults = fault.faults;
                self.fault = Some(fault.clone());
                self.log(Entry::Fault(fault.clone()));
            }
            Message::Unsupported { request } => {
                self.log(Entry::Link(unsupported(*request)));
            }
            Message::Acknowledgement(_) => {}
        }
    }

    fn meet(&mut self, info: &DeviceInfo<'_>) {
        let mut device = Device {
            board: printable(info.board),
            camera: printable(info.camera),
            model: printable(info.model),
            crc32: format!("{:08x}", info.crc32),
            time_unit: info.time_unit,
            blob_len: info.blob_len,
            arena_len: info.arena_len,
            plan: printable(info.plan),
            input: info.input,
            labels: vec![None; info.labels.into()],
        };
        if let Some(before) = self.device.take()
            && before.crc32 == device.crc32
            && before.labels.len() == device.labels.len()
        {
            device.labels = before.labels;
        }
        let len = info.input.byte_len();
        let is_shown = matches!(info.input.channels, 1 | 3) && len <= LARGEST_PICTURE;
        self.transfer = Assembler::new(vec![0; if is_shown { len } else { 0 }]);
        self.device = Some(device);
        self.boot_failure = None;
        // It may have been reset, and then knows nothing of what it was asked for.
        self.has_pictures = false;
    }

    fn name(&mut self, label: &Label<'_>) {
        let labels = self.device.as_mut().map(|device| &mut device.labels);
        if let Some(place) = labels.and_then(|labels| labels.get_mut(usize::from(label.index))) {
            *place = Some(printable(label.text));
        }
    }

    fn take_chunk(&mut self, chunk: &Chunk<'_>) {
        // Chunks of other kinds, and those after a lost one, are ignored.
        if chunk.kind == ChunkKind::Picture
            && self.transfer.push(chunk) == Ok(Progress::Complete)
            && let (Some(device), Some(whole)) = (&self.device, self.transfer.whole())
            && !whole.bytes.is_empty()
            && whole.bytes.len() == device.input.byte_len()
        {
            self.picture = Some(Picture { counter: whole.id, shape: device.input, bytes: whole.bytes.to_vec() });
            self.has_pictures = true;
            self.pictured += u64::from(self.pictured_frame().is_some());
        }
    }

    /// A new connection, perhaps to a board that was reset meanwhile.
    fn begin(&mut self) {
        self.counter = None;
        self.other_version = None;
        self.transfer.clear();
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

    fn log(&mut self, entry: Entry) {
        self.log.truncate(LOG_LEN - 1);
        self.log.push_front(entry);
    }

    /// The newest frame with its picture, if that has come.
    pub fn pictured_frame(&self) -> Option<(&FrameReport, &Picture)> {
        let both = self.frame.as_ref().zip(self.picture.as_ref());
        both.filter(|(frame, picture)| frame.counter == picture.counter)
    }

    /// What the board must be asked for, again if it has forgotten it or never got it.
    pub fn requests(&self) -> impl Iterator<Item = Request<'static>> {
        let device = self.device.as_ref();
        let is_known = device.is_some_and(|device| device.labels.iter().all(Option::is_some));
        let device = (!is_known).then_some(Request::DeviceInfo);
        let pictures = (!self.has_pictures).then_some(Request::Pictures(PictureMode::Every));
        device.into_iter().chain(pictures)
    }

    /// A class's name, or its number as long as the name has not come.
    pub fn label(&self, class: u8) -> String {
        let device = self.device.as_ref();
        let label = device.and_then(|device| device.labels.get(usize::from(class))?.clone());
        label.unwrap_or_else(|| format!("class {class}"))
    }

    /// A class and how probable it is.
    pub fn candidate(&self, Candidate { class, probability }: Candidate) -> String {
        format!("{} {}", self.label(class), percent(probability))
    }

    /// What the last frames show.
    pub fn verdict(&self, verdict: Verdict) -> String {
        match verdict {
            Verdict::NotSure => String::from("not sure"),
            Verdict::Class { class, probability } => self.candidate(Candidate { class, probability }),
        }
    }

    /// Messages that came, and that did not.
    pub fn statistics(&self) -> String {
        let frames = &self.traffic.frames;
        let mut text = format!(
            "{} received, {} corrupted, {} missed",
            thousands(frames.received),
            thousands(frames.corrupted),
            thousands(self.missed)
        );
        if frames.foreign > 0 {
            text += &format!(", {} of another version", thousands(frames.foreign));
        }
        text
    }

    /// The unit of the stages' times, if it is known.
    pub fn time_unit(&self) -> Option<TimeUnit> {
        self.device.as_ref().map(|device| device.time_unit)
    }

    /// Frames a second, as they arrive here.
    pub fn rate(&self) -> Option<f64> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (self.arrivals.len() - 1) as f64 / seconds)
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Up(_))
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
        if self.boot_failure.is_some() {
            return self.boot_failure.clone();
        }
        if self.traffic.frames.received > 0 {
            return None;
        }
        if let Some(version) = self.other_version {
            return Some(format!(
                "the board speaks version {version} of the protocol and this program version {VERSION}; build the monitor and the \
                 firmware from the same sources"
            ));
        }
        if now.duration_since(since) < SILENCE {
            return None;
        }
        Some(String::from(if self.traffic.bytes > 0 {
            "bytes come, but no messages: is it another program's port, or another --baud-rate?"
        } else {
            "connected, but nothing comes: does the firmware run, and is it this port?"
        }))
    }
}

#[cfg(test)]
pub mod tests;
