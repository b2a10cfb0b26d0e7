//! Files that are read and written as a whole, with errors that name them.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Component, Path, PathBuf};

use same_file::Handle;
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
    /// The file system knows no locks, or refused one.
    #[error("cannot lock {}: {source}; some network drives have no locks: choose a folder on another drive", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else than it should.
    #[error("{} cannot be understood: {reason}; it is damaged, no file of this program, or another version's: put a whole copy there", path.display())]
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

    /// For `map_err`: what failed was locking `path`.
    fn lock(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Lock { path, source }
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

/// What comes from standard input until it ends, as [`read`] takes a file.
pub fn read_standard_input() -> Result<Vec<u8>, FileError> {
    read_all(io::stdin(), Path::new("standard input"), LARGEST)
}

/// The content of a file that has at most so many bytes.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // What is no file, such as a pipe, says no length, and may never end.
    if file.metadata().map_err(failed)?.len() > limit {
        return Err(too_long(path, limit));
    }
    read_all(file, path, limit)
}

fn read_all(source: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    let read = source.take(limit + 1).read_to_end(&mut content);
    read.map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    if content.len() as u64 > limit {
        return Err(too_long(path, limit));
    }
    Ok(content)
}

fn too_long(path: &Path, limit: u64) -> FileError {
    FileError::Content { path: path.to_owned(), reason: format!("it is longer than {limit} bytes") }
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
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| rename(&partial, path)).inspect_err(|_| {
        // Where there is no room, a part takes some of it.
        let _ = fs::remove_file(&partial);
    })
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

/// Holds a file that processes lock before they change something; until it is dropped, at the latest with the process.
pub struct Lock {
    _file: File,
}

/// Locks a file, making it and its folder if they are missing. If another process holds it, `held` gets that one in words: it
/// gives up with an error, or has it waited for. Who holds the lock may remove the file.
///
/// # Errors
/// A sentence: that of `held`, or that there can be no lock.
pub fn lock(path: &Path, held: impl Fn(&str) -> Result<(), String>) -> Result<Lock, String> {
    let failed = |error: io::Error| FileError::write(path)(error).to_string();
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    // Windows may refuse to truncate a locked file.
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    loop {
        let mut file = options.open(path).map_err(failed)?;
        if !try_lock(&file, path).map_err(|error| error.to_string())? {
            let mut holder = String::new();
            let is_said = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            held(if is_said { holder.trim() } else { "another process" })?;
            file.lock().map_err(|source| FileError::lock(path)(source).to_string())?;
            file.rewind().map_err(failed)?;
        }
        // One that was removed meanwhile keeps nobody away: the next process makes a new one.
        if is_at(&file, path).map_err(failed)? {
            file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id())).map_err(failed)?;
            return Ok(Lock { _file: file });
        }
    }
}

/// Whether a file is locked now; if not, another process holds it.
fn try_lock(file: &File, path: &Path) -> Result<bool, FileError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(FileError::lock(path)(source)),
    }
}

/// Whether an open file still has that name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match Handle::from_path(path) {
        Ok(there) => Ok(there == Handle::from_file(file.try_clone()?)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a path's folder entry lies, without links and `..` on the way to it: equal for equal entries, whether they are there
/// yet or not. An entry that is a link itself is not followed, as writing replaces it.
pub fn entry(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut folder = PathBuf::new();
    for component in path.parent().unwrap_or(&path).components() {
        match component {
            Component::ParentDir => {
                folder.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::Normal(_) => {
                folder.push(component)
            }
        }
        folder = fs::canonicalize(&folder).unwrap_or(folder);
    }
    path.file_name().map_or(folder.clone(), |name| folder.join(name))
}

/// Writes plain data as JSON, like [`write()`]. A path in it that is not UTF-8 is an error.
pub fn write_json(path: &Path, content: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_string_pretty(content);
    let text = text.map_err(|error| FileError::write(path)(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    write(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn what_is_far_too_long_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // A file that is nothing but a length; no memory would hold it.
        file.as_file().set_len(1 << 40).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("it is longer than 268435456 bytes"), "{error}");
        file.as_file().set_len(10).unwrap();
        assert_eq!(read_at_most(file.path(), 10).unwrap().len(), 10);
        assert!(read_at_most(file.path(), 9).is_err());
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("below")).unwrap();
        assert!(replace(&taken, b"content").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn who_reads_a_file_while_it_is_replaced_reads_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"before").unwrap();
        let mut opened = File::open(&path).unwrap();
        replace(&path, b"after").unwrap();
        let mut content = String::new();
        opened.read_to_string(&mut content).unwrap();
        assert_eq!((content.as_str(), read(&path).unwrap()), ("before", b"after".to_vec()));
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.json");
        let figures: Vec<f64> = (1..10_000).map(|n| f64::from(n).sqrt().ln_1p() * 10_f64.powi(n % 40 - 20)).collect();
        write_json(&path, &figures).unwrap();
        assert_eq!(read_json::<Vec<f64>>(&path).unwrap(), figures);
    }

    #[test]
    fn who_waits_for_a_lock_hears_for_whom() {
        for removes in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = &folder.path().join("below/lock");
            let first = lock(path, |_| Ok(())).unwrap();
            let own = format!("process {}", std::process::id());
            let refused = || lock(path, |holder| Err(holder.to_owned())).err();
            assert_eq!(refused(), Some(own.clone()));
            thread::scope(|scope| {
                let (sender, waits) = mpsc::channel();
                let waiting = move |holder: &str| sender.send(holder.to_owned()).map_err(|error| error.to_string());
                let second = scope.spawn(|| lock(path, waiting));
                assert_eq!(waits.recv(), Ok(own.clone()));
                // The second has opened the file by now.
                if removes {
                    fs::remove_file(path).unwrap();
                }
                drop(first);
                let _second = second.join().unwrap().unwrap();
                assert_eq!(refused(), Some(own), "{removes}");
            });
        }
    }

    /// Where there are no locks nobody holds one.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_lock_that_cannot_be_is_not_one_that_another_process_holds() {
        use std::os::unix::fs::OpenOptionsExt;
        // A file that is opened as a mere path has no operations, locks neither.
        const O_PATH: i32 = 0o10_000_000;
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = File::options().read(true).custom_flags(O_PATH).open(file.path()).unwrap();
        let error = try_lock(&opened, file.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot lock ") && error.ends_with("choose a folder on another drive"), "{error}");
    }
}
