//! Pictures from a file of the host, read through semihosting.

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{self, Read, Seek};
use thiserror::Error;

/// Bytes of the longest file name, with its terminating zero.
pub const NAME_LEN: usize = 256;

/// Why the pictures cannot be read.
#[derive(Debug, Error)]
pub enum RecordsError {
    #[error("its name is longer than 255 bytes or holds a zero byte")]
    Name,
    #[error("it cannot be opened in the directory in which QEMU was started: {0:?}")]
    Open(io::Error),
    #[error("it has {len} bytes, which is no whole number of pictures of {record_len} bytes")]
    Length { len: u64, record_len: usize },
    #[error("picture {index} cannot be read: {error:?}")]
    Read { index: u32, error: io::Error },
}

/// A file of pictures of the same length, one after the other.
pub struct RecordFile {
    file: File,
    records: u32,
    next: u32,
}

impl RecordFile {
    /// Opens the file `name` of records of `record_len` bytes, relative to the directory in which QEMU was started.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] if there is no such file or it does not hold one or more whole records.
    pub fn open(name: &str, record_len: usize) -> Result<Self, RecordsError> {
        let mut buffer = [0; NAME_LEN];
        let file = File::open(c_name(name, &mut buffer)?).map_err(RecordsError::Open)?;
        let len = file.metadata().map_err(RecordsError::Open)?.len();
        let records = whole_records(len, record_len).ok_or(RecordsError::Length { len, record_len })?;
        Ok(Self { file, records, next: 0 })
    }

    /// Reads the next record into `record`, which has the length of one, and gives its index, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`RecordsError::Read`] if the host cannot deliver it.
    pub fn next(&mut self, record: &mut [u8]) -> Result<Option<u32>, RecordsError> {
        let index = self.next;
        if index == self.records {
            return Ok(None);
        }
        self.next += 1;
        match self.file.read_exact(record) {
            Ok(()) => Ok(Some(index)),
            Err(error) => Err(RecordsError::Read { index, error }),
        }
    }

    /// Like [`next`](Self::next), with the first record after the last one.
    ///
    /// # Errors
    ///
    /// [`RecordsError::Read`] if the host cannot deliver it.
    pub fn next_in_circle(&mut self, record: &mut [u8]) -> Result<(), RecordsError> {
        if self.next == self.records {
            self.next = 0;
            self.file.rewind().map_err(|error| RecordsError::Read { index: 0, error })?;
        }
        self.next(record).map(|_| ())
    }
}

/// The records of `record_len` bytes in a file of `len` bytes, at least one.
fn whole_records(len: u64, record_len: usize) -> Option<u32> {
    let record_len = record_len as u64;
    let records = u32::try_from(len / record_len).ok()?;
    (records > 0 && len.is_multiple_of(record_len)).then_some(records)
}

/// The name of a file as semihosting wants it.
///
/// # Errors
///
/// [`RecordsError::Name`].
pub fn c_name<'b>(name: &str, buffer: &'b mut [u8; NAME_LEN]) -> Result<&'b CStr, RecordsError> {
    let terminated = buffer.get_mut(..=name.len()).ok_or(RecordsError::Name)?;
    terminated[..name.len()].copy_from_slice(name.as_bytes());
    CStr::from_bytes_with_nul(terminated).map_err(|_| RecordsError::Name)
}
