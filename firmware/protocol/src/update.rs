//! Updates: another model for a board, over the same wire.

use crate::message::Request;
use crate::settings::SettingRequest;
use crate::transfer::{Acknowledgement, CHUNK_LEN, Chunk, ChunkKind, TransferState};
use core::str;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The fewest bytes of a chunk that a [`ModelSender`] goes down to on a bad line.
pub const LEAST_CHUNK_LEN: usize = 32;

/// What a computer asks of a board's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelRequest<'a> {
    /// Asks for [`Models`].
    List,
    /// A model is to come; the answer is an [`Acknowledgement`], and then the model follows in chunks.
    #[serde(borrow)]
    Deploy(Announcement<'a>),
    /// The other model is to run. The answer is [`Models`], and the board starts anew.
    Rollback,
}

/// All that is to be known of a model before a byte of it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement<'a> {
    /// The CRC-32 in the blob's header, which is the id of its transfer as well.
    pub crc32: u32,
    /// Bytes of the blob.
    pub len: u32,
    /// Version of the blob's format.
    pub format_version: u32,
    /// Bytes of memory that it needs on the board: a picture and the smallest arena.
    pub memory: u32,
    /// SHA-512 of the blob.
    pub digest: &'a [u8],
    /// Ed25519 signature of the digest, or nothing.
    pub signature: &'a [u8],
}

/// What a board has and takes, on [`ModelRequest::List`] and [`ModelRequest::Rollback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models<'a> {
    /// Which of the models runs.
    pub active: u8,
    /// Both places for a model.
    pub models: [ModelInfo; 2],
    /// Bytes of the place that does not run: the longest blob that can be sent.
    pub room: u32,
    /// The version of the blob's format that the board reads.
    pub format_version: u32,
    /// Bytes of memory that the board has for a model.
    pub memory: u32,
    /// Whether the board takes signed models only.
    pub needs_signature: bool,
    /// What happened, for people: that the board has gone back by itself, or why it does not now. Mostly empty.
    pub note: &'a str,
}

/// A place for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What is in it.
    pub state: ModelState,
    /// CRC-32 of the blob's header; 0 if there is none.
    pub crc32: u32,
    /// Bytes of the blob.
    pub len: u32,
}

/// What is in a place for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelState {
    /// Nothing, or a part of a model.
    Empty,
    /// A whole model that has not classified a frame yet.
    Unproven,
    /// A model that has classified, or that the board was flashed with.
    Good,
    /// A model that could not be loaded, or during which the board was reset again and again.
    Failed,
}

/// The most bytes of a digest or a signature.
const DIGEST_LEN: usize = 64;

/// A request about what is in flash, models or settings, with bytes of its own, so that it can wait for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateRequest {
    /// Without the bytes.
    fixed: Request<'static>,
    /// Of a chunk, of a digest, or of a setting's value.
    bytes: Vec<u8, CHUNK_LEN>,
    /// Of a signature, or of a setting's key.
    short: Vec<u8, DIGEST_LEN>,
}

impl UpdateRequest {
    /// The request, if it is one about what is in flash and its bytes are not more than they may be.
    pub fn new(request: &Request<'_>) -> Option<Self> {
        let (fixed, bytes, short) = match *request {
            Request::Chunk(chunk) => (Request::Chunk(Chunk { bytes: &[], ..chunk }), chunk.bytes, &[][..]),
            Request::Models(ModelRequest::Deploy(announcement)) => {
                let fixed = Announcement { digest: &[], signature: &[], ..announcement };
                (Request::Models(ModelRequest::Deploy(fixed)), announcement.digest, announcement.signature)
            }
            Request::Models(ModelRequest::List) => (Request::Models(ModelRequest::List), &[][..], &[][..]),
            Request::Models(ModelRequest::Rollback) => (Request::Models(ModelRequest::Rollback), &[][..], &[][..]),
            Request::Settings(SettingRequest::List) => (Request::Settings(SettingRequest::List), &[][..], &[][..]),
            Request::Settings(SettingRequest::Set { key, value }) => {
                let fixed = SettingRequest::Set { key: "", value: "" };
                (Request::Settings(fixed), value.as_bytes(), key.as_bytes())
            }
            Request::DeviceInfo
            | Request::Pictures(_)
            | Request::Acknowledgement(_)
            | Request::FullFrames(_)
            | Request::Examine(_) => return None,
        };
        Some(Self { fixed, bytes: Vec::from_slice(bytes).ok()?, short: Vec::from_slice(short).ok()? })
    }

    /// What it was made of.
    pub fn request(&self) -> Request<'_> {
        match self.fixed {
            Request::Chunk(chunk) => Request::Chunk(Chunk { bytes: &self.bytes, ..chunk }),
            Request::Models(ModelRequest::Deploy(fixed)) => Request::Models(ModelRequest::Deploy(Announcement {
                digest: &self.bytes,
                signature: &self.short,
                ..fixed
            })),
            Request::Settings(SettingRequest::Set { .. }) => {
                // They were texts before.
                let [key, value] = [&self.short[..], &self.bytes].map(|text| str::from_utf8(text).unwrap_or_default());
                Request::Settings(SettingRequest::Set { key, value })
            }
            fixed @ (Request::Models(ModelRequest::List | ModelRequest::Rollback)
            | Request::Settings(SettingRequest::List)
            | Request::DeviceInfo
            | Request::Pictures(_)
            | Request::Acknowledgement(_)
            | Request::FullFrames(_)
            | Request::Examine(_)) => fixed,
        }
    }
}

/// The computer's side of an update: says what to send next, whatever gets lost. It knows no time; whoever has one waits for an answer
/// to each request, at least as long as a flash needs for an erase.
#[derive(Clone, Debug)]
pub struct ModelSender<'b> {
    announcement: Announcement<'b>,
    blob: &'b [u8],
    /// None until the board has said how much it has.
    received: Option<u32>,
    chunk_len: usize,
}

/// How far an update has come, by the board's last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendProgress<'a> {
    /// The answer was to something else.
    Unrelated,
    /// The board has so many bytes.
    Received(u32),
    /// The board has checked the model, and runs it from now on.
    Installed,
    /// The board does not take it.
    Refused {
        /// Why, for people.
        reason: &'a str,
    },
}

impl<'b> ModelSender<'b> {
    /// Sends `blob`, which `announcement` is about.
    pub const fn new(announcement: Announcement<'b>, blob: &'b [u8]) -> Self {
        Self { announcement, blob, received: None, chunk_len: CHUNK_LEN }
    }

    /// What to send now: the announcement, until the board has answered it and once the board has all, or the next chunk.
    pub fn next_request(&self) -> Request<'b> {
        let offset = self.received.unwrap_or(0);
        let rest = self.blob.get(offset as usize..).unwrap_or_default();
        if self.received.is_none() || rest.is_empty() {
            return Request::Models(ModelRequest::Deploy(self.announcement));
        }
        let bytes = rest.get(..self.chunk_len).unwrap_or(rest);
        let Announcement { crc32: id, len: total, .. } = self.announcement;
        Request::Chunk(Chunk { id, kind: ChunkKind::Model, total, offset, bytes })
    }

    /// Takes an answer. Where all goes well, chunks grow again.
    pub fn take<'a>(&mut self, answer: &Acknowledgement<'a>) -> SendProgress<'a> {
        if answer.id != self.announcement.crc32 {
            return SendProgress::Unrelated;
        }
        match answer.state {
            TransferState::Incomplete => {
                self.received = Some(answer.received);
                self.chunk_len = (2 * self.chunk_len).min(CHUNK_LEN);
                SendProgress::Received(answer.received)
            }
            TransferState::Complete => SendProgress::Installed,
            TransferState::Rejected { reason } => SendProgress::Refused { reason },
        }
    }

    /// No answer came in time: the next chunk is shorter, since a long frame is more likely to be hit.
    pub fn time_out(&mut self) {
        self.chunk_len = (self.chunk_len / 2).max(LEAST_CHUNK_LEN);
    }

    /// The connection is a new one, or the board has started anew: asks again how much it has.
    pub fn reconnect(&mut self) {
        self.received = None;
    }
}
