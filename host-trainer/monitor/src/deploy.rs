//! Another model for a board: checks it here, sends it, and waits until the board has classified a frame with it.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model_store::pem::Key;
use model_store::signature::{DIGEST_LEN, SIGNATURE_LEN, digest, sign};
use protocol::{
    Announcement, FrameReport, Message, ModelInfo, ModelRequest, ModelSender, ModelState, Models, Request,
    SendProgress, TimeUnit,
};
use shared_model::{AlignedBytes, Backend, FORMAT_VERSION, Model};

use crate::MonitorError;
use crate::link::{Event, Link};
use crate::port::Port;
use crate::text::{printable, thousands, time};

/// A board that runs answers within this; after a crash it waits for some seconds first.
const INTRODUCTION: Duration = Duration::from_secs(15);
/// The longest erase, and what the board does before and behind it.
const ANSWER: Duration = Duration::from_secs(5);
/// After so long without an answer nothing is sent any more: a cable that was pulled is plugged in again within that.
const PATIENCE: Duration = Duration::from_secs(60);
/// A camera that is started gives a frame within this.
const FIRST_FRAME: Duration = Duration::from_secs(30);
/// Width of the progress bar.
const BAR: usize = 30;

/// Send a model to a board, which runs it from then on.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the board is, as for watching: /dev/ttyACM0, COM3, tcp:HOST:PORT.
    port: Port,
    /// The model, as the trainer writes it.
    #[arg(value_name = "MODEL.blob", required_unless_present_any = ["list", "rollback"])]
    model: Option<PathBuf>,
    /// Sign the model with the secret key in this file, which `keygen` has made.
    #[arg(long, value_name = "FILE", requires = "model")]
    key: Option<PathBuf>,
    /// Say what models the board has, and what it takes.
    #[arg(long, conflicts_with_all = ["model", "rollback"])]
    list: bool,
    /// Have the board run its other model.
    #[arg(long, conflicts_with = "model")]
    rollback: bool,
    /// Bits a second of a UART; USB, pseudo-terminals and TCP do not care.
    #[arg(long, default_value_t = 115_200)]
    baud_rate: u32,
}

/// Why a board does not run the model.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DeployError {
    #[error("{path}: {problem}", path = path.display())]
    File { path: PathBuf, problem: String },
    #[error("{port}: the board says nothing: is it a board of this project, and does its port speak messages?")]
    Silent { port: Port },
    #[error(
        "this board's firmware takes no models over the line: flash the newest firmware (`cargo run -p flash-images`), or the model by itself \
         (the board's README says how)"
    )]
    Unsupported,
    #[error(
        "the model has blob format version {FORMAT_VERSION}, but the board reads version {0}: flash the firmware that belongs to these tools"
    )]
    FormatVersion(u32),
    #[error(
        "the model has {len} bytes, but the board has a place of {room}: take a smaller network (`host-trainer train --preset`)",
        len = thousands(*len), room = thousands(*room)
    )]
    TooLarge { len: u32, room: u32 },
    #[error(
        "the model needs {needed} bytes of working memory, but the board gives it {given}: take a smaller picture or network",
        needed = thousands(*needed), given = thousands(*given)
    )]
    Memory { needed: u32, given: u32 },
    #[error("this board takes signed models only: add --key FILE with the secret key that belongs to it")]
    Unsigned,
    #[error("the board refuses the model, and goes on with the one before: {0}")]
    Refused(String),
    #[error("no answer for {seconds} s; the board goes on with the model before. Check the cable, and send the model again", seconds = PATIENCE.as_secs())]
    NoAnswer,
    #[error("the board runs another model: {0}")]
    WentBack(String),
    #[error("the board does not go to its other model: {0}")]
    NoRollback(String),
}

/// What `deploy` has to do with its flags.
///
/// # Errors
/// [`MonitorError`] if the board does not run the model in the end.
pub fn run(arguments: &Arguments) -> Result<(), MonitorError> {
    // What is wrong with the file is said without a board.
    let offer = match &arguments.model {
        Some(path) => Some(Offer::read(path, arguments.key.as_deref())?),
        None => None,
    };
    let mut link = Link::new(arguments.port.clone(), arguments.baud_rate);
    link.connect()?;
    let mut board = Board { link, port: arguments.port.clone(), answers: Answers::default() };
    let listed = board.list()?;
    match offer {
        Some(offer) => deploy(&mut board, &offer, &listed),
        None if arguments.rollback => rollback(&mut board, &listed),
        None => {
            writeln!(io::stdout(), "{listed}")?;
            Ok(())
        }
    }
}

/// A model, with what is said of it.
struct Offer {
    name: String,
    blob: AlignedBytes,
    crc32: u32,
    memory: u32,
    digest: [u8; DIGEST_LEN],
    signature: Option<[u8; SIGNATURE_LEN]>,
}

impl Offer {
    fn read(path: &Path, key: Option<&Path>) -> Result<Self, DeployError> {
        let blob = AlignedBytes::from(read(path)?.as_slice());
        let model = Model::load(&blob).map_err(|error| DeployError::File {
            path: path.to_owned(),
            problem: format!("this is no model: {error}"),
        })?;
        // All boards have cores with the DSP extension.
        let memory = (model.input_shape().elements() + model.arena_len_on(Backend::ARM_DSP)) as u32;
        let (name, crc32, digest) = (printable(model.graph().name), model.crc32(), digest(&blob));
        drop(model);
        let signature = match key {
            None => None,
            Some(path) => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                let secret = Key::Secret.from_pem(&text).ok_or_else(|| DeployError::File {
                    path: path.to_owned(),
                    problem: String::from("this is no secret key; `keygen FILE` makes one"),
                })?;
                Some(sign(&secret, &digest))
            }
        };
        Ok(Self { name, crc32, memory, digest, signature, blob })
    }

    fn announcement(&self) -> Announcement<'_> {
        Announcement {
            crc32: self.crc32,
            len: self.blob.len() as u32,
            format_version: FORMAT_VERSION,
            memory: self.memory,
            digest: &self.digest,
            signature: self.signature.as_ref().map_or(&[], |signature| signature),
        }
    }

    /// Whether the board takes it, by what it says of itself.
    fn check(&self, board: &Listed) -> Result<(), DeployError> {
        let len = self.blob.len() as u32;
        if board.format_version != FORMAT_VERSION {
            return Err(DeployError::FormatVersion(board.format_version));
        }
        if len > board.room {
            return Err(DeployError::TooLarge { len, room: board.room });
        }
        if self.memory > board.memory {
            return Err(DeployError::Memory { needed: self.memory, given: board.memory });
        }
        if board.needs_signature && self.signature.is_none() {
            return Err(DeployError::Unsigned);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DeployError> {
    fs::read(path).map_err(|error| DeployError::File { path: path.to_owned(), problem: error.to_string() })
}

/// What a board has and takes; see [`Models`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    active: usize,
    models: [ModelInfo; 2],
    room: u32,
    format_version: u32,
    memory: u32,
    needs_signature: bool,
    note: String,
}

impl From<&Models<'_>> for Listed {
    fn from(models: &Models<'_>) -> Self {
        let &Models { active, models, room, format_version, memory, needs_signature, note } = models;
        let active = usize::from(active).min(1);
        Self { active, models, room, format_version, memory, needs_signature, note: printable(note) }
    }
}

impl Display for Listed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (index, (ModelInfo { state, crc32, len }, name)) in self.models.iter().zip(["A", "B"]).enumerate() {
            let what = match state {
                ModelState::Empty => String::from("empty"),
                ModelState::Unproven => {
                    format!("CRC-32 {crc32:08x}, {} bytes, has not classified yet", thousands(*len))
                }
                ModelState::Good => format!("CRC-32 {crc32:08x}, {} bytes, good", thousands(*len)),
                ModelState::Failed => format!("CRC-32 {crc32:08x}, {} bytes, FAILED", thousands(*len)),
            };
            writeln!(formatter, "place {name}: {what}{}", if index == self.active { "; runs" } else { "" })?;
        }
        write!(
            formatter,
            "takes models of blob format {}, up to {} bytes, that need up to {} bytes of working memory; {}",
            self.format_version,
            thousands(self.room),
            thousands(self.memory),
            if self.needs_signature { "signed ones only" } else { "unsigned models accepted" }
        )?;
        if self.note.is_empty() { Ok(()) } else { write!(formatter, "\nnote: {}", self.note) }
    }
}

/// What came of late.
#[derive(Default)]
struct Answers {
    listed: Option<Listed>,
    is_unsupported: bool,
    /// CRC-32 and name of the model that the board says it runs, and the unit of its times.
    device: Option<(u32, String, TimeUnit)>,
    boot_failure: Option<String>,
    /// Frames since the device information.
    frames: u32,
    frame: Option<FrameReport>,
    /// The connection is a new one, or the board has started anew.
    is_anew: bool,
}

/// The other end of the link.
struct Board {
    link: Link,
    port: Port,
    answers: Answers,
}

impl Board {
    /// Takes what comes within some hundredths of a second; `see` gets it as well.
    fn poll(&mut self, mut see: impl FnMut(&Message<'_>)) {
        let answers = &mut self.answers;
        self.link.poll(|event| match event {
            Event::Connected => answers.is_anew = true,
            Event::Message(message) => {
                answers.take(message);
                see(message);
            }
            Event::Lost { .. } | Event::OtherVersion(_) | Event::Received(_) => {}
        });
    }

    /// Asks for `request` again and again until `find` gives something, for so long.
    fn ask<T>(&mut self, request: Request<'_>, limit: Duration, find: impl Fn(&Answers) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        let mut asked = None;
        while start.elapsed() < limit {
            self.link.ask(&mut asked, [request]);
            self.poll(|_| {});
            let found = find(&self.answers);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn list(&mut self) -> Result<Listed, DeployError> {
        self.answers.listed = None;
        let answer = self.ask(Request::Models(ModelRequest::List), INTRODUCTION, |answers| {
            if answers.is_unsupported { Some(None) } else { answers.listed.clone().map(Some) }
        });
        answer.ok_or_else(|| DeployError::Silent { port: self.port.clone() })?.ok_or(DeployError::Unsupported)
    }

    /// Waits for the first frame of the model with this CRC-32, and says how it goes.
    fn await_frame(&mut self, crc32: u32) -> Result<String, DeployError> {
        self.answers.device = None;
        self.answers.boot_failure = None;
        let seen = self.ask(Request::DeviceInfo, FIRST_FRAME, |answers| {
            let (found, name, unit) = answers.device.as_ref()?;
            if *found != crc32 {
                return Some(Err(format!("{name} (CRC-32 {found:08x})")));
            }
            let frame = answers.frame.as_ref()?;
            let name = format!("{name} (CRC-32 {crc32:08x})");
            Some(Ok(format!("{name} runs: a frame is classified in {}", of_unit(frame.times.classify, *unit))))
        });
        match seen {
            Some(Ok(text)) => Ok(text),
            Some(Err(other)) => {
                let note = self.list().map_or(String::new(), |listed| listed.note);
                Err(DeployError::WentBack(if note.is_empty() { other } else { format!("{other}; {note}") }))
            }
            None => match (&self.answers.device, &self.answers.boot_failure) {
                (Some((_, name, _)), _) => Ok(format!(
                    "{name} (CRC-32 {crc32:08x}) runs, but has no frame yet: is the camera connected? (`monitor {} --diagnose`)",
                    self.port
                )),
                (None, Some(failure)) => Err(DeployError::WentBack(failure.clone())),
                (None, None) => Err(DeployError::Silent { port: self.port.clone() }),
            },
        }
    }
}

impl Answers {
    fn take(&mut self, message: &Message<'_>) {
        match message {
            Message::Models(models) => self.listed = Some(models.into()),
            Message::Unsupported { request } => {
                self.is_unsupported |= *request == Request::Models(ModelRequest::List).kind();
            }
            Message::Start(_) => self.is_anew = true,
            Message::DeviceInfo(info) => {
                let device = (info.crc32, printable(info.model), info.time_unit);
                if self.device.as_ref().is_none_or(|(crc32, ..)| *crc32 != info.crc32) {
                    self.frame = None;
                }
                self.device = Some(device);
            }
            Message::BootFailure(failure) => self.boot_failure = Some(printable(failure.text)),
            Message::Frame(frame) => {
                self.frames += 1;
                self.frame = Some(frame.clone());
            }
            Message::Label(_)
            | Message::Fault(_)
            | Message::Chunk(_)
            | Message::Acknowledgement(_)
            | Message::FullFrame(_)
            | Message::FrameMarks(_)
            | Message::Finding(_)
            | Message::Setting(_) => {}
        }
    }
}

/// A time of a stage, with its unit.
fn of_unit(ticks: u64, unit: TimeUnit) -> String {
    match unit {
        TimeUnit::Microseconds => time(ticks, Some(unit)),
        TimeUnit::Instructions => format!("{} instructions", time(ticks, Some(unit))),
    }
}

fn deploy(board: &mut Board, offer: &Offer, listed: &Listed) -> Result<(), MonitorError> {
    offer.check(listed)?;
    let runs = listed.models[listed.active];
    if runs.crc32 == offer.crc32 && runs.state != ModelState::Empty {
        writeln!(io::stdout(), "the board has this model already")?;
    } else {
        let sent = send(board, offer)?;
        writeln!(io::stdout(), "{sent}")?;
    }
    board.answers.frame = None;
    let text = board.await_frame(offer.crc32)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// Sends the model and waits until the board has installed it. Says what that took.
fn send(board: &mut Board, offer: &Offer) -> Result<String, DeployError> {
    let start = Instant::now();
    let len = offer.blob.len() as u32;
    let mut progress = Progress::new(&offer.name, len);
    let mut sender = ModelSender::new(offer.announcement(), &offer.blob);
    let (mut requests, mut lost) = (0u32, 0u32);
    let mut answered = Instant::now();
    (board.answers.frames, board.answers.is_anew) = (0, false);
    loop {
        board.link.send(sender.next_request());
        requests += 1;
        let sent = Instant::now();
        let mut outcome = None;
        while outcome.is_none() && sent.elapsed() < ANSWER && !std::mem::take(&mut board.answers.is_anew) {
            board.poll(|message| {
                let Message::Acknowledgement(answer) = message else {
                    return;
                };
                match sender.take(answer) {
                    SendProgress::Unrelated => {}
                    SendProgress::Received(received) => outcome = Some(Ok(received)),
                    SendProgress::Installed => outcome = Some(Ok(u32::MAX)),
                    SendProgress::Refused { reason } => outcome = Some(Err(printable(reason))),
                }
            });
        }
        match outcome {
            Some(Ok(u32::MAX)) => break,
            Some(Ok(received)) => {
                answered = Instant::now();
                progress.show(received);
            }
            Some(Err(reason)) => {
                progress.end();
                return Err(DeployError::Refused(reason));
            }
            // Nothing came, or the board knows nothing of this connection.
            None => {
                lost += 1;
                if sent.elapsed() >= ANSWER {
                    sender.time_out();
                }
                sender.reconnect();
            }
        }
        if answered.elapsed() >= PATIENCE {
            progress.end();
            return Err(DeployError::NoAnswer);
        }
    }
    progress.show(len);
    progress.end();
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "{} bytes in {seconds:.1} s, {requests} requests, {lost} of them without an answer; {} frames were classified meanwhile",
        thousands(len),
        thousands(board.answers.frames)
    ))
}

fn rollback(board: &mut Board, listed: &Listed) -> Result<(), MonitorError> {
    let other = 1 - listed.active;
    // It would go back and forth if it were asked twice: between two requests it is asked for the list.
    let start = Instant::now();
    loop {
        board.answers.listed = None;
        board.link.send(Request::Models(ModelRequest::Rollback));
        let sent = Instant::now();
        while board.answers.listed.is_none() && sent.elapsed() < ANSWER {
            board.poll(|_| {});
        }
        let now = match board.answers.listed.take() {
            Some(answer) if answer.active != other => return Err(DeployError::NoRollback(answer.note).into()),
            Some(answer) => answer,
            None => board.list()?,
        };
        if now.active == other {
            break;
        }
        if start.elapsed() >= PATIENCE {
            return Err(DeployError::NoAnswer.into());
        }
    }
    board.answers.frame = None;
    let text = board.await_frame(listed.models[other].crc32)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// A bar in a terminal, or a line for each tenth.
struct Progress {
    start: Instant,
    name: String,
    len: u32,
    tenth: u32,
    is_terminal: bool,
}

impl Progress {
    fn new(name: &str, len: u32) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { start: Instant::now(), name: name.to_owned(), len, tenth: 0, is_terminal }
    }

    // Whoever closed standard error does not want to know.
    fn show(&mut self, received: u32) {
        let percent = u64::from(received) * 100 / u64::from(self.len.max(1));
        let rate = f64::from(received) / 1024.0 / self.start.elapsed().as_secs_f64().max(0.001);
        let (name, received, len) = (&self.name, thousands(received), thousands(self.len));
        if self.is_terminal {
            let done = BAR * percent as usize / 100;
            let bar = format!("{}{}", "█".repeat(done), "░".repeat(BAR - done));
            let _ = write!(io::stderr(), "\r{name} {bar} {percent:3} %  {received} of {len} bytes, {rate:.0} KB/s ");
        } else if percent as u32 / 10 > self.tenth {
            self.tenth = percent as u32 / 10;
            let _ = writeln!(io::stderr(), "{name}: {percent} %, {received} of {len} bytes, {rate:.0} KB/s");
        }
    }

    fn end(&self) {
        if self.is_terminal {
            let _ = writeln!(io::stderr());
        }
    }
}
