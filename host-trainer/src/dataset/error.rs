//! What can go wrong with the data set, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// An error while fetching, loading or writing images.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file is missing, is not the published one, or makes no sense.
    #[error("{} {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the remedy; it reads on after the path.
        problem: String,
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

    /// A download failed: what and why, and what to do where nothing is left to try.
    #[error("{0}")]
    Unavailable(String),
}

impl DatasetError {
    /// The file at `path` has a `problem`, which reads on after the path.
    pub(super) fn unusable(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unusable { path: path.into(), problem: problem.into() }
    }

    /// For `map_err`: an [`io::Error`] while trying to `action` the file at `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
