//! The fixed part of a blob.

use crate::{BLOB_ALIGNMENT, error::LoadError, section::HEADER_LEN};
use crc::{CRC_32_ISO_HDLC, Crc};

/// The first bytes of every blob.
pub(crate) const MAGIC: [u8; 8] = *b"INT8NET\0";

/// The version of the format that this crate reads and writes.
pub const FORMAT_VERSION: u32 = 2;

/// The CRC covers everything from here on.
pub(crate) const CRC_START: usize = 20;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// CRC-32/ISO-HDLC.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// What the first bytes of a blob say of it, not compared with the rest: enough to find a blob's end, or to tell it from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// See [`FORMAT_VERSION`].
    pub version: u32,
    /// Bytes of the blob.
    pub len: u32,
    /// CRC-32 of the blob, which identifies the model.
    pub crc32: u32,
    /// Bytes of the graph.
    pub graph_len: u32,
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = HEADER_LEN;

    /// Reads it from the first bytes of a blob.
    ///
    /// # Errors
    ///
    /// [`LoadError::BadMagic`] if no blob begins so.
    pub fn read(header: &[u8; HEADER_LEN]) -> Result<Self, LoadError> {
        let [m0, m1, m2, m3, m4, m5, m6, m7, fields @ ..] = *header;
        let found = [m0, m1, m2, m3, m4, m5, m6, m7];
        if found != MAGIC {
            return Err(LoadError::BadMagic(found));
        }
        let [version, len, crc32, graph_len] = words(&fields);
        Ok(Self { version, len, crc32, graph_len })
    }
}

/// A blob taken apart.
pub(super) struct Parts<'a> {
    pub graph: &'a [u8],
    pub section: &'a [u8],
    pub crc32: u32,
}

/// Checks everything about a blob that needs no look into its graph.
pub(super) fn split(blob: &[u8]) -> Result<Parts<'_>, LoadError> {
    let given = blob.len();
    let too_short = LoadError::TooShort(given);
    let (header, content) = blob.split_first_chunk::<HEADER_LEN>().ok_or(too_short)?;
    let Header { version, len: expected, crc32: stored, graph_len } = Header::read(header)?;
    if version != FORMAT_VERSION {
        return Err(LoadError::UnsupportedVersion(version));
    }
    if given < expected as usize {
        return Err(LoadError::Truncated { expected, given });
    }
    if given > expected as usize {
        return Err(LoadError::TrailingBytes { expected, given });
    }
    let remainder = blob.as_ptr().addr() % BLOB_ALIGNMENT;
    if remainder != 0 {
        return Err(LoadError::Misaligned(remainder));
    }
    let computed = checksum(&blob[CRC_START..]);
    if computed != stored {
        return Err(LoadError::CrcMismatch { stored, computed });
    }
    let (graph, section) = split_content(content, graph_len)?;
    Ok(Parts { graph, section, crc32: stored })
}

/// The four little-endian words after the magic.
fn words(fields: &[u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(fields.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Graph and section from what follows the header.
fn split_content(content: &[u8], graph_len: u32) -> Result<(&[u8], &[u8]), LoadError> {
    let outside = LoadError::GraphOutsideBlob { graph_len, available: content.len() };
    let (graph, rest) = content.split_at_checked(graph_len as usize).ok_or(outside.clone())?;
    let end = HEADER_LEN + graph.len();
    let (padding, section) = rest.split_at_checked(end.next_multiple_of(BLOB_ALIGNMENT) - end).ok_or(outside)?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err(LoadError::PaddingNotZero);
    }
    Ok((graph, section))
}
