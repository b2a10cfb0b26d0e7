//! Frames: how a message becomes bytes on the wire, and how it is found among them.

use crate::{FRAME_LEN, Kinds, VERSION};
use cobs::{CobsEncoder, decode_in_place};
use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};
use heapless::Vec;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Ends a frame on the wire and occurs nowhere inside.
pub const END: u8 = 0;

/// The buffer is too short for what was to be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the message does not fit the buffer")]
pub struct TooLong;

/// Writes `message` as one frame to the front of `buffer`, and gives the frame.
///
/// # Errors
///
/// If the buffer is too short. [`FRAME_LEN`] bytes are enough for every message whose texts have a usual length.
pub fn encode<'b>(message: &(impl Serialize + Kinds), buffer: &'b mut [u8]) -> Result<&'b [u8], TooLong> {
    let mut wire = Wire { encoder: CobsEncoder::new(buffer), digest: CRC32.digest() };
    wire.try_push(VERSION).map_err(|_| TooLong)?;
    let end = postcard::serialize_with_flavor(message, wire).map_err(|_| TooLong)?;
    *buffer.get_mut(end).ok_or(TooLong)? = END;
    buffer.get(..=end).ok_or(TooLong)
}

/// Passes postcard's bytes through the CRC and COBS into the buffer.
struct Wire<'b> {
    encoder: CobsEncoder<'b>,
    digest: Digest<'static, u32, Table<1>>,
}

impl Flavor for Wire<'_> {
    /// Bytes written, the end not among them.
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.digest.update(bytes);
        self.encoder.push(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(mut self) -> postcard::Result<usize> {
        self.encoder.push(&self.digest.finalize().to_le_bytes()).map_err(|_| postcard::Error::SerializeBufferFull)?;
        Ok(self.encoder.finalize())
    }
}

/// What a whole and undamaged frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// A message.
    Message(T),
    /// A message of a kind that this reader does not know: the sender is newer.
    UnknownKind(u32),
    /// Something in another version of the protocol, this one.
    OtherVersion(u8),
}

/// Frames that a [`Decoder`] has seen; a count that is full stays full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Whole frames of this version, those of unknown kinds among them.
    pub received: u32,
    /// Damaged on the way, cut off, or too long.
    pub corrupted: u32,
    /// Whole frames of another version: the other side runs other software.
    pub foreign: u32,
}

/// Finds messages in a stream of bytes, which may hold anything else too.
#[derive(Debug, Default)]
pub struct Decoder {
    frame: Vec<u8, FRAME_LEN>,
    /// The frame is complete, and its memory lent out until the next byte.
    is_ended: bool,
    is_too_long: bool,
    statistics: Statistics,
}

impl Decoder {
    /// A decoder that has received nothing yet.
    pub const fn new() -> Self {
        Self {
            frame: Vec::new(),
            is_ended: false,
            is_too_long: false,
            statistics: Statistics { received: 0, corrupted: 0, foreign: 0 },
        }
    }

    /// Counts of the frames so far.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Takes the next byte, and gives what the frame holds that it ends, if it ends one.
    ///
    /// A message borrows its texts and bytes from the decoder. A damaged frame is dropped and counted.
    pub fn push<'d, T: Deserialize<'d> + Kinds>(&'d mut self, byte: u8) -> Option<Received<T>> {
        if core::mem::take(&mut self.is_ended) {
            self.frame.clear();
        }
        if byte != END {
            // FRAME_LEN counts the end as well.
            self.is_too_long |= self.frame.len() + 1 >= FRAME_LEN || self.frame.push(byte).is_err();
            return None;
        }
        self.is_ended = true;
        if self.frame.is_empty() && !self.is_too_long {
            // Ends may be repeated, so that a receiver is surely between frames.
            return None;
        }
        let opened = if core::mem::take(&mut self.is_too_long) { None } else { open(&mut self.frame) };
        let counter = match opened {
            Some(Received::Message(_) | Received::UnknownKind(_)) => &mut self.statistics.received,
            Some(Received::OtherVersion(_)) => &mut self.statistics.foreign,
            None => &mut self.statistics.corrupted,
        };
        *counter = counter.saturating_add(1);
        opened
    }
}

/// What a frame holds, whose end is already cut off; `None` if it is damaged.
fn open<'f, T: Deserialize<'f> + Kinds>(frame: &'f mut [u8]) -> Option<Received<T>> {
    let len = decode_in_place(frame).ok()?;
    let (content, crc) = frame.get(..len)?.split_last_chunk()?;
    if CRC32.checksum(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (&version, body) = content.split_first()?;
    if version != VERSION {
        return Some(Received::OtherVersion(version));
    }
    let (kind, _) = postcard::take_from_bytes(body).ok()?;
    if kind >= T::KINDS {
        return Some(Received::UnknownKind(kind));
    }
    let (message, rest) = postcard::take_from_bytes(body).ok()?;
    rest.is_empty().then_some(Received::Message(message))
}
