//! Files whose every bit is known beforehand.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::DatasetError;

/// A published file: its name, length and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// File name without folder.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl KnownFile {
    /// Reads the file from `directory`.
    ///
    /// # Errors
    /// [`DatasetError::Missing`], [`DatasetError::Altered`] or [`DatasetError::Io`].
    pub fn read(&self, directory: &Path) -> Result<Vec<u8>, DatasetError> {
        let path = directory.join(&self.name);
        let content = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DatasetError::Missing { path: path.clone() },
            _ => DatasetError::Io {
                action: "read",
                path: path.clone(),
                source,
            },
        })?;
        self.verify(&path, content.len() as u64, sha256(&content))?;
        Ok(content)
    }

    /// Writes the file into `directory`, under its name only when it is complete and verified.
    ///
    /// # Errors
    /// [`DatasetError::Altered`] if `content` is not the published one, or [`DatasetError::Io`].
    pub fn write(&self, directory: &Path, content: &[u8]) -> Result<(), DatasetError> {
        let path = directory.join(&self.name);
        self.verify(&path, content.len() as u64, sha256(content))?;
        let part = directory.join(format!("{}.part", self.name));
        fs::write(&part, content).map_err(DatasetError::io("write", &part))?;
        fs::rename(&part, &path).map_err(DatasetError::io("rename to", &path))
    }

    /// Checks the file at `path`, whatever its name, without holding it in memory.
    ///
    /// # Errors
    /// [`DatasetError::Altered`] or [`DatasetError::Io`].
    pub fn check(&self, path: &Path) -> Result<(), DatasetError> {
        let mut file = File::open(path).map_err(DatasetError::io("open", path))?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(DatasetError::io("read", path))?;
            if count == 0 {
                return self.verify(path, bytes, hexadecimal(&hasher.finalize()));
            }
            hasher.update(&buffer[..count]);
            bytes += count as u64;
        }
    }

    fn verify(&self, path: &Path, bytes: u64, sha256: String) -> Result<(), DatasetError> {
        if (bytes, &sha256) == (self.bytes, &self.sha256) {
            return Ok(());
        }
        Err(DatasetError::Altered {
            path: path.to_path_buf(),
            bytes,
            sha256,
            expected_bytes: self.bytes,
            expected_sha256: self.sha256.clone(),
        })
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180.
    #[test]
    fn hashes_are_sha256_in_hexadecimal() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
