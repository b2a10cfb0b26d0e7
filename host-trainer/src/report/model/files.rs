//! Where a model's files lie, and how they are read and written.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use shared_model::{AlignedBytes, LoadError, Model};

/// Paths of a model's files: they differ in the extension only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The blob, for microcontrollers.
    pub blob: PathBuf,
}

impl ModelFiles {
    /// The files of the model with that blob.
    pub fn of_blob(blob: impl Into<PathBuf>) -> Self {
        Self { blob: blob.into() }
    }

    /// The files of the model that lies in its run's own folder and is named like it.
    pub fn of_run(run: &Path) -> Self {
        let name = run.file_name().unwrap_or(run.as_os_str());
        Self::of_blob(run.join(name).with_added_extension("blob"))
    }

    /// The float weights, burn's format.
    pub fn weights(&self) -> PathBuf {
        self.blob.with_extension("bpk")
    }

    /// The report, for programs.
    pub fn report(&self) -> PathBuf {
        self.blob.with_extension("json")
    }

    /// The model card, Markdown.
    pub fn card(&self) -> PathBuf {
        self.blob.with_extension("md")
    }

    /// The report as one page, HTML.
    pub fn page(&self) -> PathBuf {
        self.blob.with_extension("html")
    }

    /// A picture of the report; `extension` says which, in which format.
    pub fn picture(&self, extension: &str) -> PathBuf {
        self.blob.with_extension(extension)
    }

    /// Name of the model.
    pub fn name(&self) -> String {
        self.blob
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// A model's file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file system refused to read.
    #[error(
        "cannot read {path}: {source}; make a model with `cargo run -p host-trainer -- quantize`"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file system refused to write.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The blob is refused.
    #[error("{path}: {source}")]
    Blob {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// The report beside the blob is another model's.
    #[error(
        "{report} is not the report of {blob}: the blob's network has other classes or an input of another shape"
    )]
    OtherModel {
        /// The blob.
        blob: PathBuf,
        /// The report.
        report: PathBuf,
    },
    /// The file holds something else.
    #[error("{path} is not a report of this program's version: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Reads a file, naming it in the error.
pub fn read(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    fs::read(path).map_err(|source| ModelFileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads what this program has written as JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelFileError> {
    serde_json::from_slice(&read(path)?).map_err(|source| ModelFileError::Content {
        path: path.to_owned(),
        source,
    })
}

/// Loads the model in `bytes`, which were read from `path`.
pub fn load<'a>(bytes: &'a AlignedBytes, path: &Path) -> Result<Model<'a>, ModelFileError> {
    Model::load(bytes).map_err(|source| ModelFileError::Blob {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file as a whole or not at all, making its folder if it is missing.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ModelFileError> {
    let partial = path.with_added_extension("partial");
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&partial, content))
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|source| ModelFileError::Write {
            path: path.to_owned(),
            source,
        })
}
