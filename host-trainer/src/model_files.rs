//! A model as it is handed on: blob, float weights and report, side by side.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared_model::{AlignedBytes, LoadError, Model};

use crate::files::{self, FileError, Lock};

/// More than the flash of any microcontroller holds.
const LONGEST_BLOB: u64 = 64 << 20;

/// What the names of the report's pictures end with.
pub const PICTURES: [&str; 7] = [
    "curves.png",
    "curves.svg",
    "confusion.png",
    "confusion.svg",
    "reliability.png",
    "reliability.svg",
    "mistakes.png",
];

/// Paths of a model's files: they differ in the extension only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The blob, for microcontrollers.
    pub blob: PathBuf,
}

/// Keeps other processes from writing a model until it is dropped.
pub struct ModelLock {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for ModelLock {
    fn drop(&mut self) {
        // One that stays harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}

/// What tells a model's blob from others; report and float weights carry it, so that files of two models are not mixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// CRC-32 of the blob, eight hexadecimal digits.
    pub crc32: String,
    /// Names of the classes, in the order of the logits.
    pub labels: Vec<String>,
}

impl Identity {
    /// Of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            crc32: format!("{:08x}", model.crc32()),
            labels: model.graph().labels.iter().map(str::to_owned).collect(),
        }
    }
}

impl ModelFiles {
    /// The files of the model with that blob.
    pub fn of_blob(blob: impl Into<PathBuf>) -> Self {
        Self { blob: blob.into() }
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

    /// A picture of the report; `extension` says which, in which format: one of [`PICTURES`].
    pub fn picture(&self, extension: &str) -> PathBuf {
        self.blob.with_extension(extension)
    }

    /// All files that are written for a model.
    pub fn all(&self) -> impl Iterator<Item = PathBuf> {
        let fixed = [self.blob.clone(), self.weights(), self.report(), self.card(), self.page()];
        fixed.into_iter().chain(PICTURES.map(|picture| self.picture(picture)))
    }

    /// A file of another kind that lies where one of the model's would: it is there, and no blob.
    pub fn foreign(&self) -> Option<PathBuf> {
        let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        if is_there(&self.blob) { None } else { self.all().find(is_there) }
    }

    /// Keeps other processes from writing the model as long as the lock lives.
    ///
    /// # Errors
    /// A sentence that says who writes it, or why there can be no lock.
    pub fn lock(&self) -> Result<ModelLock, String> {
        let path = self.blob.with_added_extension("lock");
        let lock = files::lock(&path, |holder| {
            let blob = self.blob.display();
            Err(format!("{blob} is being written by {holder}; wait for it, or choose another name with --output"))
        })?;
        Ok(ModelLock { path, _lock: lock })
    }

    /// Name of the model.
    pub fn name(&self) -> String {
        self.blob.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The blob's bytes.
    pub fn read_blob(&self) -> Result<AlignedBytes, ModelFileError> {
        let bytes = files::read_at_most(&self.blob, LONGEST_BLOB).map_err(ModelFileError::NoBlob)?;
        Ok(AlignedBytes::from(bytes.as_slice()))
    }

    /// Loads the model in `bytes`, which are those of [`ModelFiles::read_blob`].
    pub fn load<'a>(&self, bytes: &'a AlignedBytes) -> Result<Model<'a>, ModelFileError> {
        Model::load(bytes).map_err(|source| ModelFileError::Blob { path: self.blob.clone(), source })
    }
}

/// A model's files are missing, damaged or mixed.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The blob cannot be read.
    #[error("{0}; make a model with `cargo run -p host-trainer -- quantize`")]
    NoBlob(FileError),
    /// The report cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The blob is refused.
    #[error("{} is no blob: {source}; put a whole copy there, or make it again with `quantize`", path.display())]
    Blob {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// The report beside the blob is another model's.
    #[error(
        "{} reports on the blob with CRC-32 {found}, but {} has {expected}: files of two models are mixed; copy .blob, .bpk \
         and .json together, or make them again with `quantize`", report.display(), blob.display()
    )]
    OtherModel {
        /// The blob.
        blob: PathBuf,
        /// The report.
        report: PathBuf,
        /// CRC-32 that the report names.
        found: String,
        /// The blob's.
        expected: String,
    },
}
