//! Files whose every bit is known beforehand, and the archives that they come in.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::dataset::error::DatasetError;
use crate::files;
use crate::format::hexadecimal;

/// A published file: its name, length and hash.
#[derive(Debug, Clone)]
pub(super) struct KnownFile {
    /// File name without folder.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl KnownFile {
    /// Reads the file from `path`, whatever its name there.
    ///
    /// # Errors
    /// [`DatasetError::Unusable`] if there is none or another one, or [`DatasetError::Io`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DatasetError> {
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                let problem = "is missing: `cargo run -p host-trainer -- data fetch` downloads it";
                return DatasetError::unusable(path, problem);
            }
            DatasetError::io("read", path)(error)
        };
        let length = fs::metadata(path).map_err(failed)?.len();
        if length > self.bytes {
            return Err(self.unlike(path, &format!("{length} bytes")));
        }
        let content = fs::read(path).map_err(failed)?;
        self.verify(path, &content)?;
        Ok(content)
    }

    /// Writes the file into `directory`, under its name only when it is complete and verified.
    ///
    /// # Errors
    /// [`DatasetError::Unusable`] if `content` is not the published one, or [`DatasetError::Io`].
    pub fn write(&self, directory: &Path, content: &[u8]) -> Result<(), DatasetError> {
        let path = directory.join(&self.name);
        self.verify(&path, content)?;
        files::replace(&path, content).map_err(DatasetError::io("write", &path))
    }

    fn verify(&self, path: &Path, content: &[u8]) -> Result<(), DatasetError> {
        let (bytes, sha256) = (content.len() as u64, sha256(content));
        if (bytes, &sha256) == (self.bytes, &self.sha256) {
            return Ok(());
        }
        Err(self.unlike(path, &format!("{bytes} bytes and SHA-256 {sha256}")))
    }

    /// The file at `path` is another one, of which this is known.
    fn unlike(&self, path: &Path, found: &str) -> DatasetError {
        let problem = format!(
            "is truncated or altered: it has {found}, but {} bytes and SHA-256 {} were expected; \
             delete it and run `cargo run -p host-trainer -- data fetch`",
            self.bytes, self.sha256
        );
        DatasetError::unusable(path, problem)
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// What is in a gzipped tar.
pub(super) struct Archive {
    /// Where it lies, for errors.
    pub path: PathBuf,
    /// The files by their names without folders.
    pub files: HashMap<String, Vec<u8>>,
}

impl Archive {
    /// Unpacks `content`, which was read from `path`.
    ///
    /// # Errors
    /// [`DatasetError::Io`].
    pub fn unpack(path: &Path, content: impl Read) -> Result<Self, DatasetError> {
        let unpack = || -> io::Result<_> {
            let mut files = HashMap::new();
            for entry in tar::Archive::new(GzDecoder::new(content)).entries()? {
                let mut entry = entry?;
                let name = entry.path()?.file_name().map(|name| name.to_owned());
                if let Some(name) = name.and_then(|name| name.into_string().ok()) {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    files.insert(name, content);
                }
            }
            Ok(files)
        };
        let files = unpack().map_err(DatasetError::io("unpack", path))?;
        Ok(Self { path: path.into(), files })
    }

    /// Content of the file `name`.
    ///
    /// # Errors
    /// [`DatasetError::Unusable`] if there is none.
    pub fn file(&self, name: &str) -> Result<&[u8], DatasetError> {
        match self.files.get(name) {
            Some(content) => Ok(content),
            None => {
                let problem = format!("holds no {name}");
                Err(DatasetError::unusable(&self.path, problem))
            }
        }
    }
}
