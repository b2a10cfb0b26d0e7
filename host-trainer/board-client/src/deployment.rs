//! Another model for a board: checks it here, sends it, and waits until the board has classified a frame with it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use model_store::signature::{DIGEST_LEN, SIGNATURE_LEN, digest, sign};
use protocol::{
    Acknowledgement, Announcement, FrameReport, Message, ModelInfo, ModelRequest, ModelSender, ModelState, Models,
    Request, SendProgress, TimeUnit, TransferState,
};
use shared_model::{AlignedBytes, Backend, FORMAT_VERSION, LoadError, Model};

use crate::line::{Asked, Event, Step};
use crate::text::{printable, thousands, time};

/// A board that runs answers within this; after a crash it waits for some seconds first.
const INTRODUCTION: Duration = Duration::from_secs(15);
/// The longest erase, and what the board does before and behind it.
const ANSWER: Duration = Duration::from_secs(5);
/// After so long without an answer nothing is sent any more: a cable that was pulled is plugged in again within that.
const PATIENCE: Duration = Duration::from_secs(60);
/// A camera that is started gives a frame within this.
const FIRST_FRAME: Duration = Duration::from_secs(30);

/// Why a board does not run the model.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DeployError {
    #[error("the board says nothing: is it a board of this project, and does its port speak messages?")]
    Silent,
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
    #[error(
        "this board takes signed models only: `monitor deploy --key FILE` signs one with the secret key that belongs to it"
    )]
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

/// A model, with what is said of it.
pub struct Offer {
    /// Of the model.
    pub name: String,
    blob: AlignedBytes,
    crc32: u32,
    memory: u32,
    digest: [u8; DIGEST_LEN],
    signature: Option<[u8; SIGNATURE_LEN]>,
}

impl Offer {
    /// Checks the blob, and signs it if there is a secret key.
    ///
    /// # Errors
    /// [`LoadError`] if it is no model.
    pub fn new(blob: &[u8], secret: Option<&[u8; 32]>) -> Result<Self, LoadError> {
        let blob = AlignedBytes::from(blob);
        let model = Model::load(&blob)?;
        // All boards have a Cortex-M, and all of those need the same.
        let memory = (model.input_shape().elements() + model.arena_len_on(Backend::ARM_DSP)) as u32;
        let (name, crc32, digest) = (printable(model.graph().name), model.crc32(), digest(&blob));
        drop(model);
        Ok(Self { name, crc32, memory, digest, signature: secret.map(|secret| sign(secret, &digest)), blob })
    }

    /// Bytes of the blob.
    pub fn blob_len(&self) -> u32 {
        self.blob.len() as u32
    }

    fn announcement(&self) -> Announcement<'_> {
        Announcement {
            crc32: self.crc32,
            len: self.blob_len(),
            format_version: FORMAT_VERSION,
            memory: self.memory,
            digest: &self.digest,
            signature: self.signature.as_ref().map_or(&[], |signature| signature),
        }
    }

    /// Whether the board takes it, by what it says of itself.
    fn check(&self, board: &Listed) -> Result<(), DeployError> {
        let len = self.blob_len();
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

/// What is to be done about a board's models.
#[derive(Clone, Copy)]
pub enum Task<'o> {
    /// To say what there are, and what the board takes.
    List,
    /// To send one, which the board runs from then on.
    Install(&'o Offer),
    /// To have the board run its other one.
    Rollback,
}

/// A conversation about a board's models, whatever gets lost of it. What it says are results.
pub struct Deployment<'o> {
    task: Task<'o>,
    answers: Answers,
    phase: Phase<'o>,
    /// When the phase began.
    since: Duration,
    asked: Asked,
}

enum Phase<'o> {
    /// What the board has, to begin with.
    Listing,
    Sending(Box<Sending<'o>>),
    /// The board was asked to.
    RollingBack(Rollback),
    /// It did not answer, and would go back and forth if it were asked twice: what it has is asked for first.
    LookingAgain(Rollback),
    /// The first frame of the model with this CRC-32.
    AwaitingFrame(u32),
    /// To this model instead; the board may have a note about it.
    WentBack(String),
    Done,
}

#[derive(Clone, Copy)]
struct Rollback {
    begun: Duration,
    /// The place of the model that is to run, and its CRC-32.
    other: usize,
    crc32: u32,
}

struct Sending<'o> {
    sender: ModelSender<'o>,
    /// The next request can be sent.
    is_due: bool,
    /// When the last one was, and where its chunk begins, if it was one.
    sent: Duration,
    offset: Option<u32>,
    requests: u32,
    lost: u32,
    /// When the board answered last.
    answered: Duration,
    received: u32,
    refused: Option<String>,
    is_installed: bool,
}

impl Sending<'_> {
    /// Whether an answer is not to the last request but to one before, that was sent again before its answer had come. Were it taken, there
    /// would be two requests under way from then on, and each chunk would travel twice.
    fn is_old(&self, answer: &Acknowledgement<'_>) -> bool {
        answer.state == TransferState::Incomplete && self.offset == Some(answer.received)
    }
}

/// How a conversation ends.
type End = Result<(), DeployError>;

impl<'o> Deployment<'o> {
    /// Begins to find out what the board has.
    pub fn new(task: Task<'o>, now: Duration) -> Self {
        Self { task, answers: Answers::default(), phase: Phase::Listing, since: now, asked: Asked::default() }
    }

    /// How much of the model the board has, in bytes, while it is being sent.
    pub fn received(&self) -> Option<u32> {
        match &self.phase {
            Phase::Sending(sending) => Some(sending.received),
            Phase::Listing
            | Phase::RollingBack(_)
            | Phase::LookingAgain(_)
            | Phase::AwaitingFrame(_)
            | Phase::WentBack(_)
            | Phase::Done => None,
        }
    }

    /// Takes what happened at `now`.
    pub fn apply(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            Event::Connected => self.answers.is_anew = true,
            Event::Message(message) => {
                self.answers.take(message);
                if let (Message::Acknowledgement(answer), Phase::Sending(sending)) = (message, &mut self.phase)
                    && !sending.is_old(answer)
                {
                    match sending.sender.take(answer) {
                        SendProgress::Unrelated => return,
                        SendProgress::Received(received) => sending.received = received,
                        SendProgress::Installed => sending.is_installed = true,
                        SendProgress::Refused { reason } => sending.refused = Some(printable(reason)),
                    }
                    (sending.answered, sending.is_due) = (now, true);
                }
            }
            Event::Lost { .. } | Event::OtherVersion(_) | Event::Received(_) => {}
        }
    }

    /// What is to be done at `now`.
    pub fn advance(&mut self, now: Duration) -> Step<'o, End> {
        match &mut self.phase {
            Phase::Listing => match self.listed(now) {
                Ok(Some(listed)) => self.begin(&listed, now),
                Ok(None) => self.ask(Request::Models(ModelRequest::List), now),
                Err(error) => Step::End(Err(error)),
            },
            Phase::Sending(_) => self.send(now),
            Phase::RollingBack(rollback) => {
                let rollback = *rollback;
                match self.answers.listed.take() {
                    Some(listed) if listed.active != rollback.other => {
                        Step::End(Err(DeployError::NoRollback(listed.note)))
                    }
                    Some(_) => self.expect_frame(rollback.crc32, now),
                    None if now.saturating_sub(self.since) < ANSWER => Step::Wait,
                    None => self.enter(Phase::LookingAgain(rollback), now),
                }
            }
            Phase::LookingAgain(rollback) => {
                let rollback = *rollback;
                match self.listed(now) {
                    Ok(Some(listed)) if listed.active == rollback.other => self.expect_frame(rollback.crc32, now),
                    Ok(Some(_)) if now.saturating_sub(rollback.begun) >= PATIENCE => {
                        Step::End(Err(DeployError::NoAnswer))
                    }
                    Ok(Some(_)) => self.roll_back(rollback, now),
                    Ok(None) => self.ask(Request::Models(ModelRequest::List), now),
                    Err(error) => Step::End(Err(error)),
                }
            }
            Phase::AwaitingFrame(crc32) => {
                let crc32 = *crc32;
                self.await_frame(crc32, now)
            }
            Phase::WentBack(other) => {
                let other = other.clone();
                match self.listed(now) {
                    Ok(None) => self.ask(Request::Models(ModelRequest::List), now),
                    Ok(Some(Listed { note, .. })) if !note.is_empty() => {
                        Step::End(Err(DeployError::WentBack(format!("{other}; {note}"))))
                    }
                    Ok(Some(_)) | Err(_) => Step::End(Err(DeployError::WentBack(other))),
                }
            }
            Phase::Done => Step::End(Ok(())),
        }
    }

    /// Asks, again if it is time to.
    fn ask(&mut self, request: Request<'o>, now: Duration) -> Step<'o, End> {
        self.asked.due(now, [request]).pop().map_or(Step::Wait, Step::Send)
    }

    fn enter(&mut self, phase: Phase<'o>, now: Duration) -> Step<'o, End> {
        (self.phase, self.since, self.asked) = (phase, now, Asked::default());
        self.answers.listed = None;
        Step::Wait
    }

    /// What the board has, once it has said it.
    fn listed(&mut self, now: Duration) -> Result<Option<Listed>, DeployError> {
        if self.answers.is_unsupported {
            return Err(DeployError::Unsupported);
        }
        let listed = self.answers.listed.take();
        if listed.is_none() && now.saturating_sub(self.since) >= INTRODUCTION {
            return Err(DeployError::Silent);
        }
        Ok(listed)
    }

    /// What the board has is known.
    fn begin(&mut self, listed: &Listed, now: Duration) -> Step<'o, End> {
        let runs = listed.models[listed.active];
        match self.task {
            Task::List => {
                self.phase = Phase::Done;
                Step::Say(listed.to_string())
            }
            Task::Install(offer) => {
                if let Err(error) = offer.check(listed) {
                    return Step::End(Err(error));
                }
                if runs.crc32 == offer.crc32 && runs.state != ModelState::Empty {
                    self.expect_frame(offer.crc32, now);
                    return Step::Say(String::from("the board has this model already"));
                }
                (self.answers.frames, self.answers.is_anew) = (0, false);
                self.enter(
                    Phase::Sending(Box::new(Sending {
                        sender: ModelSender::new(offer.announcement(), &offer.blob),
                        is_due: true,
                        sent: now,
                        offset: None,
                        requests: 0,
                        lost: 0,
                        answered: now,
                        received: 0,
                        refused: None,
                        is_installed: false,
                    })),
                    now,
                )
            }
            Task::Rollback => {
                let other = 1 - listed.active;
                self.roll_back(Rollback { begun: now, other, crc32: listed.models[other].crc32 }, now)
            }
        }
    }

    fn roll_back(&mut self, rollback: Rollback, now: Duration) -> Step<'o, End> {
        self.enter(Phase::RollingBack(rollback), now);
        Step::Send(Request::Models(ModelRequest::Rollback))
    }

    fn send(&mut self, now: Duration) -> Step<'o, End> {
        let (Phase::Sending(sending), Task::Install(offer)) = (&mut self.phase, self.task) else {
            return Step::Wait;
        };
        if let Some(reason) = sending.refused.take() {
            return Step::End(Err(DeployError::Refused(reason)));
        }
        if sending.is_installed {
            let text = format!(
                "{} bytes in {:.1} s, {} requests, {} of them without an answer; {} frames were classified meanwhile",
                thousands(offer.blob_len()),
                now.saturating_sub(self.since).as_secs_f64(),
                sending.requests,
                sending.lost,
                thousands(self.answers.frames)
            );
            self.expect_frame(offer.crc32, now);
            return Step::Say(text);
        }
        let is_overdue = now.saturating_sub(sending.sent) >= ANSWER;
        // Nothing came, or the board knows nothing of this connection.
        if is_overdue || std::mem::take(&mut self.answers.is_anew) {
            sending.lost += u32::from(!sending.is_due);
            if is_overdue {
                sending.sender.time_out();
            }
            sending.sender.reconnect();
            sending.is_due = true;
        }
        if now.saturating_sub(sending.answered) >= PATIENCE {
            return Step::End(Err(DeployError::NoAnswer));
        }
        if !std::mem::take(&mut sending.is_due) {
            return Step::Wait;
        }
        sending.requests += 1;
        sending.sent = now;
        let request = sending.sender.next_request();
        sending.offset = match request {
            Request::Chunk(chunk) => Some(chunk.offset),
            Request::Models(_)
            | Request::DeviceInfo
            | Request::Pictures(_)
            | Request::Acknowledgement(_)
            | Request::FullFrames(_)
            | Request::Examine(_)
            | Request::Settings(_) => None,
        };
        Step::Send(request)
    }

    fn expect_frame(&mut self, crc32: u32, now: Duration) -> Step<'o, End> {
        self.answers.device = None;
        self.answers.boot_failure = None;
        self.answers.frame = None;
        self.enter(Phase::AwaitingFrame(crc32), now)
    }

    /// Waits for the first frame of the model with this CRC-32, and says how it goes.
    fn await_frame(&mut self, crc32: u32, now: Duration) -> Step<'o, End> {
        let is_over = now.saturating_sub(self.since) >= FIRST_FRAME;
        let text = match (&self.answers.device, &self.answers.frame) {
            (Some((found, name, _)), _) if *found != crc32 => {
                let other = format!("{name} (CRC-32 {found:08x})");
                return self.enter(Phase::WentBack(other), now);
            }
            (Some((_, name, unit)), Some(frame)) => {
                let time = of_unit(frame.times.classify, *unit);
                format!("{name} (CRC-32 {crc32:08x}) runs: a frame is classified in {time}")
            }
            (Some((_, name, _)), None) if is_over => format!(
                "{name} (CRC-32 {crc32:08x}) runs, but has no frame yet: is the camera connected? A diagnosis tells more (`monitor PORT --diagnose`)"
            ),
            (None, _) if is_over => {
                let failure = self.answers.boot_failure.take();
                return Step::End(Err(failure.map_or(DeployError::Silent, DeployError::WentBack)));
            }
            (Some(_) | None, _) => return self.ask(Request::DeviceInfo, now),
        };
        self.phase = Phase::Done;
        Step::Say(text)
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
    /// Frames since the sending began.
    frames: u32,
    frame: Option<FrameReport>,
    /// The connection is a new one, or the board has started anew.
    is_anew: bool,
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use shared_model::Shape;
    use shared_model::encode::encode;
    use shared_model::testing::{Plain, network};

    use super::*;

    /// A board whose answer to the announcement comes when that has been sent a second time.
    #[test]
    fn after_a_late_answer_no_chunk_travels_twice() {
        let blob = encode(&network(1, Shape::new(40, 40, 3), &[Plain::Dense(2, false)])).unwrap();
        let offer = Offer::new(&blob, None).unwrap();
        let id = offer.crc32;
        let info = ModelInfo { state: ModelState::Empty, crc32: 0, len: 0 };
        let models = Models {
            active: 0,
            models: [info; 2],
            room: u32::MAX,
            format_version: FORMAT_VERSION,
            memory: u32::MAX,
            needs_signature: false,
            note: "",
        };
        let mut now = Duration::ZERO;
        let mut deployment = Deployment::new(Task::Install(&offer), now);
        let mut answers = VecDeque::new();
        let (mut announcements, mut chunks, mut received) = (0, 0, 0);
        let said = loop {
            match deployment.advance(now) {
                Step::Send(Request::Models(ModelRequest::List)) => {
                    deployment.apply(&Event::Message(&Message::Models(models)), now);
                }
                Step::Send(Request::Models(_)) => {
                    announcements += 1;
                    let state =
                        if received < offer.blob_len() { TransferState::Incomplete } else { TransferState::Complete };
                    answers.push_back(Acknowledgement { id, received, state });
                }
                Step::Send(Request::Chunk(chunk)) => {
                    chunks += 1;
                    received = received.max(chunk.offset + chunk.bytes.len() as u32);
                    answers.push_back(Acknowledgement { id, received, state: TransferState::Incomplete });
                }
                Step::Say(text) => break text,
                Step::Wait if announcements == 1 => now += ANSWER,
                Step::Wait => {
                    if let Some(answer) = answers.pop_front() {
                        deployment.apply(&Event::Message(&Message::Acknowledgement(answer)), now);
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(chunks, blob.len().div_ceil(protocol::CHUNK_LEN));
        assert!(said.contains(", 1 of them without an answer"), "{said}");
    }
}
