//! Files that are read and written as a whole, with errors that name them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a default path lies: in the repository that the program was built from, whatever the working directory is. Paths that
/// a person gives are relative to the working directory.
pub fn in_repository(path: &str) -> PathBuf {
    let repository = repository();
    match std::env::current_dir() {
        Ok(directory) if directory == repository => path.into(),
        Ok(_) | Err(_) => repository.join(path),
    }
}

/// The repository that the program was built from.
pub fn repository() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate lies in a folder of the workspace")
}

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

/// More than any file that this program reads as a whole.
const LARGEST: u64 = 256 << 20;

/// The content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, LARGEST)
}

/// The content of a file that has at most so many bytes.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut content));
    read.map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if content.len() as u64 > limit {
        return Err(FileError::Content { path: path.to_owned(), reason: format!("it is longer than {limit} bytes") });
    }
    Ok(content)
}

/// Reads what [`write_json`] wrote.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    serde_json::from_slice(&read(path)?).map_err(FileError::content(path))
}

/// Reads what [`write_json`] wrote, if the file is there.
pub fn read_json_if_present<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    path.exists().then(|| read_json(path)).transpose()
}

/// Writes a file as [`replace`] does, making its folder if it is missing.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| replace(path, content));
    written.map_err(FileError::write(path))
}

/// Writes a file as a whole or not at all: it gets its name when its content is on the disk, and has it for good when this
/// returns.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_added_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&partial, path)
}

/// Renames a file or folder, replacing what has the name, and waits until the disk knows of it.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    // Windows has no folders that can be opened as files, and writes their entries by itself.
    if cfg!(unix)
        && let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty())
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Writes plain data as JSON, like [`write()`]. A path in it that is not UTF-8 is an error.
pub fn write_json(path: &Path, content: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_string_pretty(content);
    let text = text.map_err(|error| FileError::write(path)(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    write(path, text.as_bytes())
}
