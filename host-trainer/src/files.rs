//! Files that are read and written as a whole, with errors that name them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused to read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write {}: {source}; free some room or choose another folder", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else than it should.
    #[error("{} cannot be understood: {reason}; it is no file of this program, or another version's", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl FileError {
    /// For `map_err`: what failed was writing `path`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    /// For `map_err`: what `path` holds is wrong.
    pub fn content<E: ToString>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |error| Self::Content { path, reason: error.to_string() }
    }
}

/// The content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read { path: path.to_owned(), source })
}

/// Reads what [`write_json`] wrote.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    serde_json::from_slice(&read(path)?).map_err(FileError::content(path))
}

/// Reads what [`write_json`] wrote, if the file is there.
pub fn read_json_if_present<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    path.exists().then(|| read_json(path)).transpose()
}

/// Writes a file as a whole or not at all, making its folder if it is missing.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let partial = path.with_added_extension("partial");
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&partial, content))
        .and_then(|()| fs::rename(&partial, path))
        .map_err(FileError::write(path))
}

/// Writes plain data as JSON, like [`write`].
pub fn write_json(path: &Path, content: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_string_pretty(content).expect("it is plain data");
    write(path, text.as_bytes())
}
