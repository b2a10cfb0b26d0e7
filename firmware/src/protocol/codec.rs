//! Frames on the wire: see the module above.

use super::VERSION;
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
/// If the buffer is too short: [`MESSAGE_FRAME_LEN`](super::MESSAGE_FRAME_LEN) is enough for every message whose texts or
/// picture take no more bytes than an image, and [`REQUEST_FRAME_LEN`](super::REQUEST_FRAME_LEN) for every request.
pub fn encode<'b>(message: &impl Serialize, buffer: &'b mut [u8]) -> Result<&'b [u8], TooLong> {
    let mut wire = Wire {
        encoder: CobsEncoder::new(buffer),
        digest: CRC32.digest(),
    };
    wire.try_push(VERSION).map_err(|_| TooLong)?;
    let end = postcard::serialize_with_flavor(message, wire).map_err(|_| TooLong)?;
    *buffer.get_mut(end).ok_or(TooLong)? = END;
    buffer.get(..=end).ok_or(TooLong)
}

/// Where postcard's bytes go: through the CRC and COBS into the buffer.
struct Wire<'b> {
    encoder: CobsEncoder<'b>,
    digest: Digest<'static, u32, Table<1>>,
}

impl Flavor for Wire<'_> {
    /// Bytes written, the terminating zero not among them.
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.digest.update(bytes);
        self.encoder
            .push(bytes)
            .map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(mut self) -> postcard::Result<usize> {
        self.encoder
            .push(&self.digest.finalize().to_le_bytes())
            .map_err(|_| postcard::Error::SerializeBufferFull)?;
        Ok(self.encoder.finalize())
    }
}

/// What a [`Decoder`] has seen; counts that are full stay full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames that were a message.
    pub received: u32,
    /// Frames that were not: damaged on the way, cut off, or too long.
    pub corrupted: u32,
    /// Whole frames of another version of the protocol: the other side runs other software.
    pub foreign: u32,
}

/// Finds messages in a stream of bytes, of whatever origin; `N` is the most bytes of a frame.
#[derive(Debug, Default)]
pub struct Decoder<const N: usize> {
    frame: Vec<u8, N>,
    /// The frame is complete, and its memory lent out until the next byte.
    is_ended: bool,
    is_too_long: bool,
    statistics: Statistics,
}

impl<const N: usize> Decoder<N> {
    /// Nothing received yet.
    pub const fn new() -> Self {
        Self {
            frame: Vec::new(),
            is_ended: false,
            is_too_long: false,
            statistics: Statistics {
                received: 0,
                corrupted: 0,
                foreign: 0,
            },
        }
    }

    /// What was received so far.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Takes the next byte, and gives the message that it ends, if it does.
    ///
    /// A message borrows its texts and its picture from the decoder. A frame that is no message is dropped and counted.
    pub fn push<'d, T: Deserialize<'d>>(&'d mut self, byte: u8) -> Option<T> {
        if core::mem::take(&mut self.is_ended) {
            self.frame.clear();
        }
        if byte != END {
            // The sender's limit counts the end as well.
            self.is_too_long |= self.frame.len() + 1 >= N || self.frame.push(byte).is_err();
            return None;
        }
        self.is_ended = true;
        if self.frame.is_empty() && !self.is_too_long {
            // Ends may be repeated, so that a receiver is surely between frames.
            return None;
        }
        let opened = if core::mem::take(&mut self.is_too_long) {
            Err(Damage::Corrupted)
        } else {
            open(&mut self.frame)
        };
        let counter = match opened {
            Ok(_) => &mut self.statistics.received,
            Err(Damage::Corrupted) => &mut self.statistics.corrupted,
            Err(Damage::Foreign) => &mut self.statistics.foreign,
        };
        *counter = counter.saturating_add(1);
        opened.ok()
    }
}

/// Why a frame is no message.
enum Damage {
    Corrupted,
    Foreign,
}

/// The message in a frame, whose terminating zero is already cut off.
fn open<'f, T: Deserialize<'f>>(frame: &'f mut [u8]) -> Result<T, Damage> {
    let len = decode_in_place(frame).map_err(|_| Damage::Corrupted)?;
    let plain = frame.get(..len).ok_or(Damage::Corrupted)?;
    let (bytes, crc) = plain.split_last_chunk().ok_or(Damage::Corrupted)?;
    if CRC32.checksum(bytes) != u32::from_le_bytes(*crc) {
        return Err(Damage::Corrupted);
    }
    match bytes.split_first() {
        Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            _ => Err(Damage::Corrupted),
        },
        Some(_) => Err(Damage::Foreign),
        None => Err(Damage::Corrupted),
    }
}
