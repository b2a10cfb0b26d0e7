//! A model as it is handed on: blob, float weights and report, side by side.

mod card;
mod describe;
mod page;
mod pictures;
#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};
use shared_model::{Backend, Model, OperationView};

use super::canvas::ReportError;
use super::gallery;
use super::learning_curves::LearningCurves;
use super::reliability_diagram::ReliabilityDiagram;
use super::{canvas, confusion_matrix};
use crate::boards::BoardNeeds;
use crate::dataset::{CIFAR10_SHAPE, Description, Image};
use crate::evaluate::{Evaluation, Temperature, Threshold};
use crate::files::{self, FileError};
use crate::history::History;
use crate::model_files::{Identity, ModelFileError, ModelFiles};
use crate::output;
use crate::quantize::QuantizationReport;
use crate::recipe::Recipe;
pub use pictures::OwnPictures;

/// Everything that is known about a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Name of the model: its blob's file name without the extension.
    pub name: String,
    /// The blob that it reports on.
    pub blob: Identity,
    /// What it was trained on.
    pub dataset: Description,
    /// How it was trained.
    pub recipe: Recipe,
    /// Images that were trained on.
    pub train_images: usize,
    /// If it was made with pictures of one's own, how many there are and what was found among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<OwnPictures>,
    /// Every epoch's figures.
    pub history: History,
    /// How its probabilities were calibrated; `None` if they are as they were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// How its threshold was chosen; `None` if it believes every answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// How it was quantized.
    pub quantization: QuantizationReport,
    /// How large it is.
    pub size: ModelSize,
    /// What it needs of each board; reports of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boards: Vec<BoardNeeds>,
    /// What it is worth on the test set.
    pub evaluation: Evaluation,
}

/// How large a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSize {
    /// Shape `[h, w, c]` of a picture.
    pub input_shape: [usize; 3],
    /// Weights and biases of convolutions and dense layers; batch normalization is part of the requantization.
    pub parameters: usize,
    /// Multiplications for one image.
    pub multiply_accumulates: u64,
    /// The blob, in flash.
    pub blob_bytes: usize,
    /// Least working memory of an inference on a Cortex-M with the DSP extension.
    pub arena_bytes: usize,
}

impl ModelSize {
    /// Of a model whose blob has `blob_bytes` bytes.
    pub fn of(model: &Model, blob_bytes: usize) -> Self {
        let parameters = |view: OperationView| view.weights.len() + view.biases.len();
        let products = |view: OperationView| view.operation.multiply_accumulates(view.input);
        Self {
            input_shape: model.input_shape().dimensions(),
            parameters: model.operations().map(parameters).sum(),
            multiply_accumulates: model.operations().map(products).sum(),
            blob_bytes,
            arena_bytes: model.arena_len_on(Backend::ARM_DSP),
        }
    }
}

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Text.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] ReportError),
}

impl ModelReport {
    /// Writes the report for programs, the card, the page and the card's pictures; `images` are those that the
    /// evaluation looked at.
    pub fn save(&self, files: &ModelFiles, images: &[Image]) -> Result<(), SaveError> {
        files::write_json(&files.report(), self)?;
        files::write(&files.card(), self.markdown(files).as_bytes())?;
        files::write(&files.page(), self.page(files, images).as_bytes())?;
        self.draw(files, images)?;
        Ok(())
    }

    /// Reads what [`ModelReport::save`] wrote, if it is about `model`, which the blob holds.
    pub fn load(model: &Model, files: &ModelFiles) -> Result<Self, ModelFileError> {
        let report: Self = files::read_json(&files.report())?;
        let blob = Identity::of(model);
        if report.blob == blob && report.dataset.labels == blob.labels && report.dataset.shape() == model.input_shape()
        {
            return Ok(report);
        }
        Err(ModelFileError::OtherModel {
            blob: files.blob.clone(),
            report: files.report(),
            found: report.blob.crc32,
            expected: blob.crc32,
        })
    }

    fn draw(&self, files: &ModelFiles, images: &[Image]) -> Result<(), ReportError> {
        let labels = self.labels();
        let evaluation = &self.evaluation;
        let pair = |name: &str| ["png", "svg"].map(|kind| files.picture(&format!("{name}.{kind}")));
        let [png, svg] = pair("curves");
        canvas::save(&LearningCurves::new(&self.history, &self.name), &png, &svg)?;
        let [png, svg] = pair("confusion");
        confusion_matrix(&evaluation.int8_confusion, &labels, &png, &svg)?;
        let [png, svg] = pair("reliability");
        let diagram = ReliabilityDiagram {
            float: &evaluation.float_reliability,
            int8: &evaluation.int8_reliability,
            size: (720, 640),
        };
        canvas::save(&diagram, &png, &svg)?;
        let png = files.picture("mistakes.png");
        gallery::mistakes(&evaluation.mistakes, images, self.dataset.shape(), &labels, &png)
    }

    fn labels(&self) -> Vec<&str> {
        self.dataset.labels.iter().map(String::as_str).collect()
    }

    /// One sentence about the model.
    fn summary(&self) -> String {
        let size = &self.size;
        let [height, width, _] = size.input_shape;
        format!(
            "A convolutional network for pictures of {height}×{width} pixels in {} classes, as integers of 8 bits for \
             microcontrollers: {:.1} million multiplications an image, {:.0} KB of flash, {:.1} KB of working memory.",
            self.dataset.labels.len(),
            size.multiply_accumulates as f64 / 1e6,
            size.blob_bytes as f64 / 1e3,
            size.arena_bytes as f64 / 1e3
        )
    }

    /// The figures that come first: names and values.
    fn headlines(&self) -> Vec<(&'static str, String)> {
        let evaluation = &self.evaluation;
        vec![
            ("accuracy, int8", format!("{:.2} %", evaluation.int8_top1)),
            ("accuracy, float", format!("{:.2} %", evaluation.float_top1)),
            ("same class in both", format!("{:.2} %", evaluation.agreement)),
            ("test images", evaluation.images.to_string()),
            ("parameters", self.size.parameters.to_string()),
        ]
    }

    /// How the network was made an integer network.
    fn quantization_in_words(&self) -> String {
        let quantization = &self.quantization;
        let trials = quantization.tried.iter();
        let uniform = trials.map(|trial| trial.logits_sqnr_db).fold(f64::NEG_INFINITY, f64::max);
        format!(
            "Ranges were measured on {} training images; by {} others it was chosen how much of each operation's outputs is cut \
             off at each end. The logits' signal to quantization noise ratio (SQNR) is {:.1} dB on those, and {uniform:.1} \
             dB with the best clip that is the same for all operations. Where a pool follows, a convolution is computed with it \
             at once, and the SQNR is that of the pool.",
            quantization.calibration_images, quantization.choice_images, quantization.logits_sqnr_db
        )
    }

    /// The commands that make the model again, from its files.
    pub fn commands(&self, model_files: &ModelFiles) -> String {
        let name = output::word(&self.name);
        let report = model_files.report();
        let report = output::word(report.strip_prefix(files::repository()).unwrap_or(&report));
        let mut data = self
            .pictures
            .as_ref()
            .map_or_else(String::new, |_| format!(" --data {}/", output::word(&self.dataset.name)));
        if self.pictures.is_some() || self.dataset.shape() != CIFAR10_SHAPE {
            data += &format!(" --input {}", self.dataset.input_flag());
        }
        let given = self.temperature.filter(|temperature| temperature.images.is_none());
        let temperature = given.map_or_else(String::new, |temperature| format!(" --temperature {}", temperature.value));
        format!(
            "cargo run -p host-trainer -- train --recipe {report} --name {name}{data}\n\
             cargo run -p host-trainer -- quantize --run runs/{name}{temperature}"
        )
    }
}
