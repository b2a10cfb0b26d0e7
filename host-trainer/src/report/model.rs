//! A model as it is handed on: blob, float weights and report, side by side.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared_model::{AlignedBytes, LoadError, Model};

use crate::dataset::CLASSES;
use crate::evaluate::Evaluation;
use crate::quantize::QuantizationReport;
use crate::recipe::Recipe;
use crate::report::history::{Epoch, History};
use crate::report::{ReportError, confusion_matrix, learning_curves};

/// Everything that is known about a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Name of the model: its blob's file name without the extension.
    pub name: String,
    /// How it was trained.
    pub recipe: Recipe,
    /// Epochs that were trained.
    pub epochs: usize,
    /// Images that were trained on.
    pub train_images: usize,
    /// The epoch whose weights were kept: see [`History::best`].
    pub best: Epoch,
    /// How it was quantized.
    pub quantization: QuantizationReport,
    /// What it is worth on the test set.
    pub evaluation: Evaluation,
}

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

    /// The float weights, burn's format.
    pub fn weights(&self) -> PathBuf {
        self.blob.with_extension("bpk")
    }

    /// The report, for programs.
    pub fn report(&self) -> PathBuf {
        self.blob.with_extension("json")
    }

    /// The report, for people.
    pub fn card(&self) -> PathBuf {
        self.blob.with_extension("md")
    }

    /// Name of the model.
    pub fn name(&self) -> String {
        self.blob
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Draws learning curves and the integer network's confusion matrix beside the blob, as PNG and SVG.
    pub fn draw(&self, history: &History, evaluation: &Evaluation) -> Result<(), ReportError> {
        let file = |extension| self.blob.with_extension(extension);
        learning_curves(
            history,
            &self.name(),
            &file("curves.png"),
            &file("curves.svg"),
        )?;
        let matrix = evaluation.int8_confusion.map(|row| row.to_vec());
        confusion_matrix(
            &matrix,
            &CLASSES,
            &file("confusion.png"),
            &file("confusion.svg"),
        )
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

impl ModelReport {
    /// Writes the report for programs and the one for people.
    pub fn save(&self, files: &ModelFiles) -> Result<(), ModelFileError> {
        let text = serde_json::to_string_pretty(self).expect("a report is plain data");
        write(&files.report(), text.as_bytes())?;
        write(&files.card(), self.markdown().as_bytes())
    }

    /// Reads what [`ModelReport::save`] wrote.
    pub fn load(files: &ModelFiles) -> Result<Self, ModelFileError> {
        let path = files.report();
        serde_json::from_slice(&read(&path)?)
            .map_err(|source| ModelFileError::Content { path, source })
    }

    /// The report for people.
    pub fn markdown(&self) -> String {
        let Evaluation {
            images,
            float_top1,
            int8_top1,
            agreement,
            ..
        } = self.evaluation;
        let best = &self.best;
        let mut text = format!(
            "# {}\n\n\
             | figure | value |\n| --- | --- |\n\
             | test images | {images} |\n\
             | float accuracy | {float_top1:.2} % |\n\
             | int8 accuracy | {int8_top1:.2} % |\n\
             | same class in float and int8 | {agreement:.2} % |\n\
             | trained | preset {}, {} epochs on {} images, seed {} |\n\
             | kept | epoch {}{} |\n\
             | calibration | {} training images, {} % clipped at each end |\n\n",
            self.name,
            self.recipe.preset,
            self.epochs,
            self.train_images,
            self.recipe.seed,
            best.epoch,
            best.validation.map_or(String::new(), |figures| format!(
                ", validation accuracy {:.2} %",
                figures.accuracy
            )),
            self.quantization.calibration_images,
            100.0 * self.quantization.clip,
        );
        text += "| layer | scale | zero point | SQNR, dB |\n| --- | --- | --- | --- |\n";
        for layer in &self.quantization.layers {
            text += &format!(
                "| {} | {:.5} | {} | {:.1} |\n",
                layer.layer, layer.scale, layer.zero_point, layer.sqnr_db
            );
        }
        text += "\n| class | recall float, % | recall int8, % |\n| --- | --- | --- |\n";
        for (class, name) in CLASSES.iter().enumerate() {
            let [float, int8] = [
                &self.evaluation.float_confusion,
                &self.evaluation.int8_confusion,
            ]
            .map(|matrix| {
                100.0 * f64::from(matrix[class][class])
                    / f64::from(matrix[class].iter().sum::<u32>())
            });
            text += &format!("| {name} | {float:.1} | {int8:.1} |\n");
        }
        text
    }
}
