//! What of a linked program lies in flash.

use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use thiserror::Error;

use crate::Segment;

/// A file is not the program of a board.
#[derive(Debug, Error)]
pub enum ElfError {
    /// Something else.
    #[error("not an ELF file of 32 bits")]
    Kind,
    /// An ELF file that contradicts itself.
    #[error("damaged ELF file: {0}")]
    Damaged(#[from] object::read::Error),
    /// A line of a partition table is none.
    #[error("this line of partitions.csv cannot be read: {0}")]
    Partition(String),
    /// A partition table has no place for a program.
    #[error("partitions.csv has no app")]
    NoProgram,
    /// A partition is too small for the program.
    #[error("the program has {len} bytes, and partitions.csv keeps {room} for it")]
    TooLarge {
        /// Bytes of the image.
        len: usize,
        /// Bytes of the partition.
        room: u32,
    },
}

/// All that a programmer writes, by ascending address: where each segment lies in flash, not where the program copies it to.
///
/// # Errors
///
/// If these bytes are no ELF file of 32 bits, or a damaged one.
pub fn load_segments(elf: &[u8]) -> Result<Vec<Segment>, ElfError> {
    if FileKind::parse(elf) != Ok(FileKind::Elf32) {
        return Err(ElfError::Kind);
    }
    let header = FileHeader32::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let mut segments = Vec::new();
    for program in header.program_headers(endian, elf)? {
        let bytes = program.data(endian, elf).map_err(|()| ElfError::Kind)?;
        if program.p_type(endian) == PT_LOAD && !bytes.is_empty() {
            segments.push(Segment { address: program.p_paddr(endian), bytes: bytes.to_vec() });
        }
    }
    segments.sort_by_key(|segment| segment.address);
    Ok(segments)
}
