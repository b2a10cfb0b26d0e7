//! Transfers: something long in chunks, in either direction.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most bytes of a chunk.
pub const CHUNK_LEN: usize = 1024;

/// A part of something long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk<'a> {
    /// Tells this transfer from the one before: of a frame's picture, the frame's counter.
    pub id: u32,
    /// What is transferred.
    pub kind: ChunkKind,
    /// Bytes of the whole.
    pub total: u32,
    /// Bytes of the whole before these.
    pub offset: u32,
    /// At most [`CHUNK_LEN`] bytes; none only if the whole has none.
    pub bytes: &'a [u8],
}

/// What is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum ChunkKind {
    /// The network's input, in the shape that the device information states.
    Picture,
    /// A frame as the camera gave it.
    FullFrame,
    /// The blob of a network.
    Model,
    /// A kind that this reader does not know.
    Unknown(u8),
}

impl From<u8> for ChunkKind {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Picture,
            1 => Self::FullFrame,
            3 => Self::Model,
            number => Self::Unknown(number),
        }
    }
}

impl From<ChunkKind> for u8 {
    fn from(kind: ChunkKind) -> Self {
        match kind {
            ChunkKind::Picture => 0,
            ChunkKind::FullFrame => 1,
            ChunkKind::Model => 3,
            ChunkKind::Unknown(number) => number,
        }
    }
}

/// A receiver's answer to a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement<'a> {
    /// The transfer's id.
    pub id: u32,
    /// The bytes from the start that are there without a gap: where the sender goes on.
    pub received: u32,
    /// Whether it shall go on.
    #[serde(borrow)]
    pub state: TransferState<'a>,
}

/// Whether a transfer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferState<'a> {
    /// More is expected.
    Incomplete,
    /// All has come.
    Complete,
    /// The receiver does not take it.
    Rejected {
        /// Why, for people.
        reason: &'a str,
    },
}

/// The chunks of `whole` from `offset` on; of nothing, one without bytes.
///
/// A whole has less than 2^32 bytes.
pub fn chunks(id: u32, kind: ChunkKind, whole: &[u8], offset: usize) -> impl Iterator<Item = Chunk<'_>> {
    let total = whole.len();
    let mut next = Some(offset).filter(|offset| *offset < total.max(1));
    core::iter::from_fn(move || {
        let offset = next?;
        let end = (offset + CHUNK_LEN).min(total);
        next = Some(end).filter(|end| *end < total);
        Some(Chunk { id, kind, total: total as u32, offset: offset as u32, bytes: whole.get(offset..end)? })
    })
}

/// What a chunk was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    Incomplete,
    /// Its bytes were there already.
    Duplicate,
    /// It was the last that was missing.
    Complete,
}

/// Why a chunk is of no use. It changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// One before it is missing.
    #[error("bytes from {missing} on are missing before those at {offset}")]
    Gap {
        /// The first byte that is missing.
        missing: u32,
        /// Where the chunk begins.
        offset: u32,
    },
    /// Earlier chunks of the same transfer tell of another whole.
    #[error("the chunk belongs to another transfer with the same number")]
    Changed,
    /// It is too long or empty, or reaches behind the end of the whole.
    #[error("the chunk does not fit the whole")]
    Bounds,
    /// The whole is longer than this receiver takes.
    #[error("{total} bytes are too many, at most {limit} fit")]
    TooLong {
        /// Bytes of the whole.
        total: u32,
        /// The most that fit.
        limit: u32,
    },
}

/// Puts the chunks of one transfer after the other together, in a buffer that is as long as the longest whole.
#[derive(Clone, Debug)]
pub struct Assembler<B> {
    buffer: B,
    transfer: Option<Transfer>,
}

/// What was transferred; see [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at Chunk")]
pub struct Whole<'w> {
    pub id: u32,
    pub kind: ChunkKind,
    pub bytes: &'w [u8],
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    id: u32,
    kind: ChunkKind,
    total: u32,
    received: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Assembler<B> {
    /// An assembler that has received nothing yet.
    pub const fn new(buffer: B) -> Self {
        Self { buffer, transfer: None }
    }

    /// Forgets what has come.
    pub fn clear(&mut self) {
        self.transfer = None;
    }

    /// Takes a chunk. One at offset 0 of another id or kind than the last begins a new transfer; what is incomplete of the last one
    /// is dropped.
    ///
    /// # Errors
    ///
    /// [`ChunkError`] says what is wrong with it, or what is missing before it.
    pub fn push(&mut self, chunk: &Chunk<'_>) -> Result<Progress, ChunkError> {
        let len = u32::try_from(chunk.bytes.len()).map_err(|_| ChunkError::Bounds)?;
        let end = chunk.offset.checked_add(len).ok_or(ChunkError::Bounds)?;
        let is_empty = len == 0 && chunk.total > 0;
        if len as usize > CHUNK_LEN || is_empty || end > chunk.total {
            return Err(ChunkError::Bounds);
        }
        let current = self.transfer.filter(|transfer| transfer.id == chunk.id && transfer.kind == chunk.kind);
        let received = current.map_or(0, |transfer| transfer.received);
        if current.is_some_and(|transfer| transfer.total != chunk.total) {
            return Err(ChunkError::Changed);
        }
        if chunk.offset > received {
            return Err(ChunkError::Gap { missing: received, offset: chunk.offset });
        }
        if current.is_some() && end <= received {
            return Ok(Progress::Duplicate);
        }
        let buffer = self.buffer.as_mut();
        let too_long = ChunkError::TooLong { total: chunk.total, limit: buffer.len() as u32 };
        let whole = buffer.get_mut(..chunk.total as usize).ok_or(too_long)?;
        let place = whole.get_mut(chunk.offset as usize..end as usize);
        place.ok_or(ChunkError::Bounds)?.copy_from_slice(chunk.bytes);
        self.transfer = Some(Transfer { id: chunk.id, kind: chunk.kind, total: chunk.total, received: end });
        Ok(if end == chunk.total { Progress::Complete } else { Progress::Incomplete })
    }

    /// What was transferred, if all of the last transfer has come.
    pub fn whole(&self) -> Option<Whole<'_>> {
        let transfer = self.transfer?;
        if transfer.received < transfer.total {
            return None;
        }
        Some(Whole {
            id: transfer.id,
            kind: transfer.kind,
            bytes: self.buffer.as_ref().get(..transfer.total as usize)?,
        })
    }

    /// What the sender of the last transfer is told, if there is one.
    pub fn acknowledgement(&self) -> Option<Acknowledgement<'static>> {
        let transfer = self.transfer?;
        Some(Acknowledgement {
            id: transfer.id,
            received: transfer.received,
            state: if transfer.received < transfer.total { TransferState::Incomplete } else { TransferState::Complete },
        })
    }
}
