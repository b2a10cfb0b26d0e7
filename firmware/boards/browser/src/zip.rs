//! Zip files whose entries are stored as they are: PNG files would not become smaller.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// The most files of a zip file without extensions.
pub const MOST_FILES: usize = u16::MAX as usize;
const CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
/// What a reader must know: version 2.0.
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// The first of January 1980, as MS-DOS has dates; the pictures have theirs inside.
const DATE: u16 = 1 << 5 | 1;

/// A file that grows.
#[derive(Default)]
pub struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    files: u16,
}

impl Zip {
    /// Adds a file; all files together have less than 4 GB, and are at most [`MOST_FILES`].
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let (offset, len) = (self.bytes.len() as u32, content.len() as u32);
        let mut common = Vec::new();
        for field in [VERSION, FLAGS, 0, 0, DATE] {
            common.extend(field.to_le_bytes());
        }
        for field in [CRC32.checksum(content), len, len] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        // No extra field.
        common.extend([0; 2]);
        self.bytes.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), content].concat());
        // Made by MS-DOS; no comment, first disk, no attributes.
        self.directory.extend([b"PK\x01\x02", VERSION.to_le_bytes().as_slice(), &common, &[0; 10]].concat());
        self.directory.extend([&offset.to_le_bytes(), name.as_bytes()].concat());
        self.files += 1;
    }

    /// The whole file.
    pub fn finish(mut self) -> Vec<u8> {
        let (offset, len) = (self.bytes.len() as u32, self.directory.len() as u32);
        self.bytes.extend(self.directory);
        let files = self.files.to_le_bytes();
        self.bytes.extend([b"PK\x05\x06", [0; 4].as_slice(), &files, &files].concat());
        self.bytes.extend([len.to_le_bytes(), offset.to_le_bytes()].concat());
        self.bytes.extend([0; 2]);
        self.bytes
    }
}
