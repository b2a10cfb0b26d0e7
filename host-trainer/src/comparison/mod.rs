//! Tables that compare runs: what each step of the tutorial is worth, and what its author's further ideas are.

mod chart;
mod extensions;
mod markdown;
mod records;
#[cfg(test)]
mod tests;
mod tutorial;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::report::ReportError;
use crate::files::{self, FileError};
use crate::model_files::ModelFiles;
use crate::report::model::ModelReport;
use crate::run::Run;

pub use extensions::extensions;
pub use records::Records;
pub use tutorial::tutorial;

/// What a table compares: the runs are made or collected, then [`Plan::table`] puts their figures together.
pub struct Plan {
    /// The table's file names begin with it.
    pub name: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What the table shows and where the figures of others come from, in Markdown.
    pub about: &'static str,
    /// In the order of the table; runs that build on another's weights stand after it.
    pub entries: Vec<Entry>,
}

/// A row of a table, before anything was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name of the row.
    pub name: &'static str,
    /// What the row is about.
    pub about: &'static str,
    /// Accuracy on the test set that the tutorial gives, in percent, and its epochs.
    pub tutorial: Option<Published>,
    /// Where the row's figures come from.
    pub source: Source,
}

/// What the tutorial reports for a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Correct predictions on the test set, in percent.
    pub accuracy: f64,
    /// Epochs of its training.
    pub epochs: usize,
}

/// Where a row's figures come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A run of its own, in the folder of that name.
    Run {
        /// Name of the run's folder; two rows may share one.
        run: &'static str,
        /// How it is trained.
        recipe: Box<Recipe>,
    },
    /// A model that is there already, which the comparison does not train.
    Model {
        /// Its blob.
        blob: PathBuf,
    },
}

/// A comparison as it is written to files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// What the table shows, in Markdown.
    pub about: String,
    /// The command that makes the table from the runs that are there.
    pub command: String,
    /// In order.
    pub rows: Vec<Row>,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the row.
    pub name: String,
    /// What the row is about.
    pub about: String,
    /// What the tutorial reports.
    pub tutorial: Option<Published>,
    /// The command that trains, quantizes and measures the row again.
    pub command: String,
    /// What was measured; `None` if the row was never run.
    pub measured: Option<Measured>,
}

/// A row's own figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Correct predictions of the float network on the test images, in percent.
    pub float_top1: f64,
    /// Correct predictions of the integer network, in percent.
    pub int8_top1: f64,
    /// Test images; fewer than 10,000 for a network of fewer classes.
    pub test_images: usize,
    /// Of the kept weights on the validation images, in percent; `None` if the run validated on none.
    pub validation_accuracy: Option<f64>,
    /// Images that were trained on.
    pub train_images: usize,
    /// Epochs that were trained.
    pub epochs: usize,
    /// Time of the training, validation included.
    pub seconds: f64,
    /// Weights and biases of convolutions and dense layers.
    pub parameters: usize,
    /// Size of the blob.
    pub blob_bytes: usize,
}

impl From<&ModelReport> for Measured {
    fn from(report: &ModelReport) -> Self {
        let validation = report.history.best().and_then(|best| best.validation);
        Self {
            float_top1: report.evaluation.float_top1,
            int8_top1: report.evaluation.int8_top1,
            test_images: report.evaluation.images,
            validation_accuracy: validation.map(|validation| validation.accuracy),
            train_images: report.train_images,
            epochs: report.history.epochs.len(),
            seconds: report.history.seconds(),
            parameters: report.size.parameters,
            blob_bytes: report.size.blob_bytes,
        }
    }
}

/// A row's run was made by another recipe than the row's.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The report that lies there is not this row's.
    #[error(
        "{path} was made by another recipe than this row's: delete the run's folder and train it again"
    )]
    OtherRecipe {
        /// The report.
        path: PathBuf,
    },
    /// A report is there but cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Entry {
    /// The files of the row's model, if its run lies under `runs`.
    pub fn files(&self, runs: &Path) -> ModelFiles {
        match &self.source {
            Source::Run { run, .. } => ModelFiles::of_run(&Run::at(runs.join(run))),
            Source::Model { blob } => ModelFiles::of_blob(blob),
        }
    }

    /// The report of the row's model; `None` if there is none.
    pub fn report(&self, runs: &Path) -> Result<Option<ModelReport>, CollectError> {
        let files = self.files(runs);
        let Some(report) = files::read_json_if_present::<ModelReport>(&files.report())? else {
            return Ok(None);
        };
        match &self.source {
            Source::Run { recipe, .. } if **recipe != report.recipe => {
                Err(CollectError::OtherRecipe {
                    path: files.report(),
                })
            }
            _ => Ok(Some(report)),
        }
    }
}

impl Plan {
    /// The table of the runs that lie under `runs`; a run that is not there keeps the figures that `records` has, else it is a
    /// row without figures.
    ///
    /// `command` is what makes the table, without the flags that choose rows.
    pub fn table(
        &self,
        runs: &Path,
        records: &Records,
        command: &str,
    ) -> Result<Table, CollectError> {
        let row = |entry: &Entry| {
            let report = entry.report(runs)?;
            let measured = match &report {
                Some(report) => Some(Measured::from(report)),
                None => records.measured(entry)?,
            };
            Ok(Row {
                name: entry.name.to_owned(),
                about: entry.about.to_owned(),
                tutorial: entry.tutorial,
                command: match &entry.source {
                    Source::Run { .. } => format!("{command} --only {}", entry.name),
                    Source::Model { .. } => report
                        .as_ref()
                        .map_or_else(String::new, |report| report.commands(&entry.files(runs))),
                },
                measured,
            })
        };
        Ok(Table {
            title: self.title.to_owned(),
            about: self.about.to_owned(),
            command: format!("{command} --collect"),
            rows: self
                .entries
                .iter()
                .map(row)
                .collect::<Result<_, CollectError>>()?,
        })
    }
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As Markdown or JSON.
    #[error(transparent)]
    File(#[from] FileError),
    /// As a chart.
    #[error(transparent)]
    Chart(#[from] ReportError),
}

impl Table {
    /// Writes the table as Markdown and JSON, and the chart as PNG and SVG, to `folder/name.*`; the names written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<Vec<PathBuf>, WriteError> {
        let file = |extension: &str| folder.join(name).with_added_extension(extension);
        files::write(&file("md"), self.markdown(name).as_bytes())?;
        files::write_json(&file("json"), self)?;
        chart::chart(self, &file("png"), &file("svg"))?;
        Ok(["md", "json", "png", "svg"].map(file).to_vec())
    }
}
