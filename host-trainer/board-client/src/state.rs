//! What is known about a board: a fold over all that happened on its link.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use png::{BitDepth, ColorType, Encoder};
use protocol::{
    Assembler, Candidate, Chunk, ChunkKind, DeviceInfo, Encoding, FaultCounters, FaultReport, FrameMarks, FrameReport,
    FullFrame, Label, Marks, Message, PictureMode, Progress, Request, ResetCause, Shape, Start, TimeUnit, VERSION,
    Verdict,
};
use serde::Serialize;

use crate::line::{Event, Traffic};
use crate::text::{self, fault, fraction, percent, printable, thousands, unsupported};

/// Arrivals that the frame rate is taken over.
const RATE_WINDOW: usize = 16;
/// Entries of the log, more than any screen has lines.
const LOG_LEN: usize = 128;
/// The most bytes of a picture: 256 × 256 pixels in colour. Larger ones are not taken.
const LARGEST_PICTURE: usize = 3 << 16;
/// The most bytes of a full frame: 1600 × 1200 pixels, all that an OV2640 has. Larger ones are not taken.
const LARGEST_FULL_FRAME: usize = 2 * 1600 * 1200;
/// A board that runs has said something after so long.
const SILENCE: Duration = Duration::from_secs(5);

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// There is one since then.
    Up(Duration),
    /// There is none.
    Down {
        /// Why, in plain words.
        reason: String,
        /// When the next attempt follows, if one does by itself.
        retry_at: Option<Duration>,
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

/// How a board's run began; see [`Start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// What reset the chip.
    pub cause: ResetCause,
    /// What ended the run before, if a panic or a fault did.
    pub crash: Option<String>,
}

/// A class that a frame may show, for a recording or a program.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented at Candidate")]
pub struct Guess {
    pub class: u8,
    pub label: String,
    /// 0 … 1.
    pub probability: f64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A frame was classified.
    Frame(FrameReport),
    /// A frame was not to be had.
    Fault(FaultReport),
    /// The run before ended with a panic or a fault.
    Crash(String),
    /// The connection came or went, or the board says what happened to its models.
    Link(String),
}

/// What the network saw, or all that the camera gave.
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

    /// As a PNG file with `texts`, of which each has a keyword.
    ///
    /// # Errors
    /// If a text has letters that a PNG has not, or the picture has no pixels.
    pub fn to_png(&self, texts: &[(&str, &str)]) -> io::Result<Vec<u8>> {
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, self.shape.width.into(), self.shape.height.into());
        encoder.set_color(match self.shape.channels {
            1 => ColorType::Grayscale,
            _ => ColorType::Rgb,
        });
        encoder.set_depth(BitDepth::Eight);
        for (keyword, text) in texts {
            encoder.add_text_chunk(keyword.to_string(), text.to_string())?;
        }
        encoder.write_header()?.write_image_data(&self.bytes)?;
        Ok(png)
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
    /// How its run began, if it has said so.
    pub start: Option<Beginning>,
    /// That the board does not classify, and why, if it says so.
    pub boot_failure: Option<String>,
    /// The version of the protocol that the board speaks, if it is another one.
    pub other_version: Option<u8>,
    /// The newest frame.
    pub frame: Option<FrameReport>,
    /// The newest marks of a frame, which come before it.
    marks: Option<FrameMarks>,
    /// The newest picture.
    pub picture: Option<Picture>,
    /// The newest full frame, in colour.
    pub full_frame: Option<Picture>,
    /// Full frames that came.
    pub full_frames: u64,
    /// How long the newest one was under way.
    pub full_frame_time: Option<Duration>,
    /// The board's firmware is from before full frames, or has none to send.
    pub lacks_full_frames: bool,
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
    arrivals: VecDeque<Duration>,
    /// The counter of the newest report.
    counter: Option<u32>,
    /// The picture that is coming.
    transfer: Assembler<Vec<u8>>,
    /// The full frame that is coming, and since when.
    announced: Option<(FullFrame, Duration)>,
    full_transfer: Assembler<Vec<u8>>,
    /// Pictures come, so that they need not be asked for.
    has_pictures: bool,
}

impl State {
    /// Connected, and nothing heard yet.
    pub fn new(now: Duration) -> Self {
        Self {
            connection: Connection::Up(now),
            traffic: Traffic::default(),
            device: None,
            start: None,
            boot_failure: None,
            other_version: None,
            frame: None,
            marks: None,
            picture: None,
            full_frame: None,
            full_frames: 0,
            full_frame_time: None,
            lacks_full_frames: false,
            fault: None,
            faults: FaultCounters::new(),
            pictured: 0,
            missed: 0,
            log: VecDeque::new(),
            arrivals: VecDeque::new(),
            counter: None,
            transfer: Assembler::new(Vec::new()),
            announced: None,
            full_transfer: Assembler::new(Vec::new()),
            has_pictures: false,
        }
    }

    /// Takes what happened at `now`.
    pub fn apply(&mut self, event: &Event<'_>, now: Duration) {
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
                self.connection =
                    Connection::Down { reason: reason.clone(), retry_at: retry_in.map(|wait| now + wait) };
            }
            Event::Message(message) => self.receive(message, now),
            Event::OtherVersion(version) => self.other_version = Some(*version),
            Event::Received(traffic) => self.traffic = *traffic,
        }
    }

    fn receive(&mut self, message: &Message<'_>, now: Duration) {
        match message {
            Message::Start(start) => self.note(start),
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
            Message::Chunk(chunk) => match chunk.kind {
                ChunkKind::Picture => self.take_picture_chunk(chunk),
                ChunkKind::FullFrame => self.take_full_frame_chunk(chunk, now),
                ChunkKind::Model | ChunkKind::Unknown(_) => {}
            },
            Message::FullFrame(frame) => self.expect_full_frame(frame, now),
            Message::FrameMarks(marks) => self.marks = Some(*marks),
            Message::Fault(fault) => {
                self.follow(fault.counter);
                self.faults = fault.faults;
                self.fault = Some(fault.clone());
                self.log(Entry::Fault(fault.clone()));
            }
            Message::Unsupported { request } => {
                self.lacks_full_frames |= *request == Request::FullFrames(PictureMode::Off).kind();
                self.log(Entry::Link(unsupported(*request)));
            }
            Message::Models(models) if !models.note.is_empty() => self.log(Entry::Link(printable(models.note))),
            Message::Acknowledgement(_) | Message::Finding(_) | Message::Models(_) | Message::Setting(_) => {}
        }
    }

    /// How the run began; a board says it again and again.
    fn note(&mut self, start: &Start<'_>) {
        let crash = (!start.crash.is_empty()).then(|| printable(start.crash));
        let beginning = Beginning { cause: start.cause, crash };
        if self.start.as_ref() != Some(&beginning) {
            if let Some(crash) = &beginning.crash {
                self.log(Entry::Crash(crash.clone()));
            }
            self.start = Some(beginning);
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
        match self.device.take() {
            Some(before) if before.crc32 == device.crc32 && before.labels.len() == device.labels.len() => {
                device.labels = before.labels;
            }
            Some(_) => {
                // What another model has said would be named by this one's classes.
                self.frame = None;
                self.log.retain(|entry| !matches!(entry, Entry::Frame(_)));
            }
            None => {}
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

    fn take_picture_chunk(&mut self, chunk: &Chunk<'_>) {
        // Chunks after a lost one are ignored.
        if self.transfer.push(chunk) == Ok(Progress::Complete)
            && let (Some(device), Some(whole)) = (&self.device, self.transfer.whole())
            && !whole.bytes.is_empty()
            && whole.bytes.len() == device.input.byte_len()
        {
            self.picture = Some(Picture { counter: whole.id, shape: device.input, bytes: whole.bytes.to_vec() });
            self.has_pictures = true;
            self.pictured += u64::from(self.pictured_frame().is_some());
        }
    }

    fn expect_full_frame(&mut self, frame: &FullFrame, now: Duration) {
        let len = 2 * usize::from(frame.height) * usize::from(frame.width);
        let is_known = frame.encoding != Encoding::Unknown(frame.encoding.into());
        let is_taken = is_known && (1..=LARGEST_FULL_FRAME).contains(&len);
        self.announced = is_taken.then_some((*frame, now));
        self.full_transfer = Assembler::new(vec![0; if is_taken { len } else { 0 }]);
    }

    fn take_full_frame_chunk(&mut self, chunk: &Chunk<'_>, now: Duration) {
        let Some((frame, since)) = self.announced.filter(|(frame, _)| frame.counter == chunk.id) else {
            return;
        };
        if self.full_transfer.push(chunk) == Ok(Progress::Complete)
            && let Some(whole) = self.full_transfer.whole()
            && let Some(picture) = decode(&frame, whole.bytes)
        {
            self.full_frame = Some(picture);
            self.full_frames += 1;
            self.full_frame_time = Some(now - since);
        }
    }

    /// A new connection, perhaps to a board that was reset meanwhile.
    fn begin(&mut self) {
        self.counter = None;
        self.other_version = None;
        self.transfer.clear();
        self.announced = None;
        self.lacks_full_frames = false;
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

    /// What started the board, behind its name; empty if it has not said so.
    pub fn started_by(&self) -> String {
        self.start.as_ref().map(|start| format!(", started by: {}", start.cause.name())).unwrap_or_default()
    }

    /// What is to be known of a frame, if it is the newest one that has marks.
    pub fn marks(&self, frame: &FrameReport) -> Marks {
        self.marks.filter(|marks| marks.counter == frame.counter).map_or(Marks::NONE, |marks| marks.marks)
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

    /// The most probable classes of a frame alone.
    pub fn guesses(&self, frame: &FrameReport) -> Vec<Guess> {
        let guess = |candidate: &Candidate| Guess {
            class: candidate.class,
            label: self.label(candidate.class),
            probability: fraction(candidate.probability),
        };
        frame.top.iter().map(guess).collect()
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
        let seconds = (*last - *first).as_secs_f64();
        (seconds > 0.0).then(|| (self.arrivals.len() - 1) as f64 / seconds)
    }

    /// An entry of the log as a line, behind the counter of its frame.
    pub fn line(&self, entry: &Entry) -> (Option<u32>, String) {
        match entry {
            Entry::Link(text) => (None, text.clone()),
            Entry::Crash(text) => (None, format!("the run before crashed: {text}")),
            Entry::Fault(fault) => (Some(fault.counter), printable(&fault.text)),
            Entry::Frame(frame) => (Some(frame.counter), self.verdict(frame.verdict)),
        }
    }

    /// The newest fault of the camera in words; empty if there was none.
    pub fn latest_fault(&self) -> String {
        let text = |report: &FaultReport| format!("frame {}: {}", thousands(report.counter), fault(report));
        self.fault.as_ref().map_or(String::new(), text)
    }

    /// The fault of the camera, if there has been no frame since.
    pub fn newest_fault(&self) -> Option<String> {
        match self.log.front() {
            Some(Entry::Fault(report)) => Some(fault(report)),
            Some(Entry::Frame(_) | Entry::Crash(_) | Entry::Link(_)) | None => None,
        }
    }

    /// What pictures that are taken are like, and how long one is under way.
    pub fn picture_kind(&self) -> String {
        if self.lacks_full_frames {
            let size = self.device.as_ref().map(|device| device.input);
            let size = size.map_or(String::new(), |Shape { height, width, .. }| format!("{width}×{height}, "));
            return format!("{size}no full frames");
        }
        match (&self.full_frame, self.full_frame_time) {
            (Some(Picture { shape, .. }), Some(time)) => {
                let time = text::time(time.as_micros() as u64, Some(TimeUnit::Microseconds));
                format!("full frames {}×{}, {time} each", shape.width, shape.height)
            }
            (Some(_) | None, _) => String::from("full frames"),
        }
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Up(_))
    }

    /// Why there are no frames, and what to do about it, if there are none.
    pub fn hint(&self, now: Duration) -> Option<String> {
        let since = match &self.connection {
            Connection::Down { reason, retry_at: None } => return Some(reason.clone()),
            Connection::Down { reason, retry_at: Some(retry_at) } => {
                let seconds = retry_at.saturating_sub(now).as_secs_f64();
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
        if now.saturating_sub(since) < SILENCE {
            return None;
        }
        Some(String::from(if self.traffic.bytes > 0 {
            "bytes come, but no messages: is it another program's port, or another --baud-rate?"
        } else {
            "connected, but nothing comes: does the firmware run, and is it this port?"
        }))
    }
}

/// A full frame's pixels in eight bits a channel, the top bits of each repeated below, as the firmware reads them. `None` if they are
/// too few or many, or in an encoding that is not known.
fn decode(frame: &FullFrame, bytes: &[u8]) -> Option<Picture> {
    let value = match frame.encoding {
        Encoding::Rgb565BigEndian => u16::from_be_bytes,
        Encoding::Rgb565LittleEndian => u16::from_le_bytes,
        Encoding::Unknown(_) => return None,
    };
    let shape = Shape { height: frame.height, width: frame.width, channels: 3 };
    let (pixels, rest) = bytes.as_chunks::<2>();
    let colours = pixels.iter().flat_map(|pixel| {
        let value = value(*pixel);
        let [red, green, blue] = [value >> 11, value >> 5 & 0x3F, value & 0x1F];
        [red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2].map(|channel| channel as u8)
    });
    let picture = Picture { counter: frame.counter, shape, bytes: colours.collect() };
    (rest.is_empty() && picture.bytes.len() == shape.byte_len()).then_some(picture)
}

#[cfg(test)]
mod tests;
