//! Tables that compare runs: what each step of the tutorial is worth, and what its author's further ideas are.

mod chart;
mod plans;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared_model::Shape;

use crate::files::{self, FileError};
use crate::model_files::ModelFiles;
use crate::recipe::Recipe;
use crate::report::model::ModelReport;
use crate::report::{ReportError, canvas};
use crate::run::Run;

pub use plans::{extensions, family, tutorial};

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
    pub name: String,
    /// What the row is about.
    pub about: String,
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
        run: String,
        /// How it is trained.
        recipe: Box<Recipe>,
        /// What it sees of CIFAR-10's pictures.
        input: Shape,
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

/// A table could not be put together or written.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The report of a row's run is that of another recipe than the row's.
    #[error("{path} was made by another recipe than this row's: delete the run's folder and train it again")]
    OtherRecipe {
        /// The report.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] ReportError),
}

impl Entry {
    /// The files of the row's model, if its run lies under `runs`.
    pub fn files(&self, runs: &Path) -> ModelFiles {
        match &self.source {
            Source::Run { run, .. } => Run::at(runs.join(run)).model_files(),
            Source::Model { blob } => ModelFiles::of_blob(blob),
        }
    }

    /// The report of the row's model; `None` if there is none.
    pub fn report(&self, runs: &Path) -> Result<Option<ModelReport>, ComparisonError> {
        let files = self.files(runs);
        let Some(report) = files::read_json_if_present::<ModelReport>(&files.report())? else {
            return Ok(None);
        };
        if let Source::Run { recipe, .. } = &self.source
            && **recipe != report.recipe
        {
            return Err(ComparisonError::OtherRecipe { path: files.report() });
        }
        Ok(Some(report))
    }
}

/// The table that lies in a folder, and the recipes of its rows: what is kept of runs, so that a row outlives its run's
/// folder.
pub struct Records {
    table: Option<Table>,
    runs: PathBuf,
}

impl Records {
    /// Those of `plan`'s table in `folder`, which may not be there yet.
    pub fn of(plan: &Plan, folder: &Path) -> Result<Self, FileError> {
        Ok(Self {
            table: files::read_json_if_present(&folder.join(plan.name).with_added_extension("json"))?,
            runs: folder.join("runs").join(plan.name),
        })
    }

    /// What is kept of a run.
    pub fn run(&self, run: &str) -> Run {
        Run::at(self.runs.join(run))
    }

    /// The figures that the table has for a row; `None` if there are none, or if they are of another recipe than the
    /// row's.
    pub fn measured(&self, entry: &Entry) -> Result<Option<Measured>, FileError> {
        let Source::Run { run, recipe, .. } = &entry.source else {
            return Ok(None);
        };
        let kept: Option<Recipe> = files::read_json_if_present(&self.run(run).recipe_file())?;
        let rows = self.table.iter().flat_map(|table| &table.rows);
        Ok(rows.filter(|row| row.name == entry.name && kept.as_ref() == Some(recipe)).find_map(|row| row.measured))
    }
}

impl Plan {
    /// The table of the runs that lie under `runs`; a run that is not there keeps the figures that `records` has, else it is a
    /// row without figures.
    ///
    /// `command` is what makes the table, without the flags that choose rows.
    pub fn table(&self, runs: &Path, records: &Records, command: &str) -> Result<Table, ComparisonError> {
        let row = |entry: &Entry| {
            let report = entry.report(runs)?;
            let again = match entry.source {
                Source::Run { .. } => format!("{command} --only {}", entry.name),
                Source::Model { .. } => {
                    report.as_ref().map_or_else(String::new, |report| report.commands(&entry.files(runs)))
                }
            };
            let measured = match &report {
                Some(report) => Some(Measured::from(report)),
                None => records.measured(entry)?,
            };
            Ok(Row {
                name: entry.name.clone(),
                about: entry.about.clone(),
                tutorial: entry.tutorial,
                command: again,
                measured,
            })
        };
        Ok(Table {
            title: self.title.to_owned(),
            about: self.about.to_owned(),
            command: format!("{command} --collect"),
            rows: self.entries.iter().map(row).collect::<Result<_, ComparisonError>>()?,
        })
    }
}

/// Columns of a table in Markdown: two of text, the others of numbers.
const COLUMNS: [&str; 11] = [
    "row",
    "what",
    "validation, %",
    "tutorial, %",
    "float, %",
    "int8, %",
    "images",
    "epochs",
    "minutes",
    "parameters",
    "blob, bytes",
];
/// The column that only a table with rows of the tutorial's has.
const TUTORIAL_COLUMN: usize = 3;

impl Table {
    /// Writes the table as Markdown and JSON, and the chart as PNG and SVG, to `folder/name.*`; the names written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<Vec<PathBuf>, ComparisonError> {
        let files = ["md", "json", "png", "svg"].map(|kind| folder.join(name).with_added_extension(kind));
        let [markdown, json, png, svg] = &files;
        files::write(markdown, self.markdown(name).as_bytes())?;
        files::write_json(json, self)?;
        canvas::save(self, png, svg)?;
        Ok(files.into())
    }

    /// Whether there is a row of the tutorial's.
    fn has_tutorial(&self) -> bool {
        self.rows.iter().any(|row| row.tutorial.is_some())
    }

    /// The table as Markdown; the chart beside it is `name.svg`, the runs' histories lie in `runs/`.
    pub fn markdown(&self, name: &str) -> String {
        let line = |mut cells: Vec<String>| {
            if !self.has_tutorial() {
                cells.remove(TUTORIAL_COLUMN);
            }
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = (0..COLUMNS.len()).map(|column| if column < 2 { "---" } else { "---:" });
        let mut text = format!("# {}\n\n{}\n\n![Chart]({name}.svg)\n\n", self.title, self.about);
        text += &line(COLUMNS.map(str::to_owned).into());
        text += &line(rule.map(str::to_owned).collect());
        for row in &self.rows {
            text += &line(row.cells().into());
        }
        if self.has_tutorial() {
            text += &self.verdict();
        }
        text += &format!(
            "\nThe time is that of the machine that trained the row. Each run's recipe, history and learning curves are in \
             [runs](runs). To put the table together again from the runs that are there, and to make a row again:\n\n\
             ```sh\n{}\n",
            self.command
        );
        for row in self.rows.iter().filter(|row| !row.command.is_empty()) {
            text += &format!("{}   # {}\n", row.command, row.name);
        }
        text + "```\n"
    }

    /// How many rows reach what the tutorial reports.
    fn verdict(&self) -> String {
        let rows = self.rows.iter();
        let published: Vec<_> = rows.filter_map(|row| Some((row.tutorial?, row.measured))).collect();
        let reached = |accuracy: fn(Measured) -> f64| {
            let rows = published.iter();
            rows.filter(|(tutorial, ours)| ours.is_some_and(|ours| accuracy(ours) >= tutorial.accuracy)).count()
        };
        format!(
            "\nAt or above the tutorial's accuracy: {} of {} rows in float, {} in int8.\n",
            reached(|ours| ours.float_top1),
            published.len(),
            reached(|ours| ours.int8_top1)
        )
    }
}

impl Row {
    /// What stands in the [`COLUMNS`].
    fn cells(&self) -> [String; 11] {
        let none = || "–".to_owned();
        let tutorial = self
            .tutorial
            .map_or_else(none, |tutorial| format!("{:.2} ({} epochs)", tutorial.accuracy, tutorial.epochs));
        let figure = |absent: &str, show: fn(Measured) -> String| self.measured.map_or_else(|| absent.to_owned(), show);
        let validation = self.measured.and_then(|ours| ours.validation_accuracy);
        [
            self.name.clone(),
            self.about.clone(),
            validation.map_or_else(none, |accuracy| format!("{accuracy:.2}")),
            tutorial,
            figure("missing", |ours| format!("{:.2}", ours.float_top1)),
            figure("missing", |ours| format!("{:.2}", ours.int8_top1)),
            figure("–", |ours| ours.train_images.to_string()),
            figure("–", |ours| ours.epochs.to_string()),
            figure("–", |ours| format!("{:.1}", ours.seconds / 60.0)),
            figure("–", |ours| ours.parameters.to_string()),
            figure("–", |ours| ours.blob_bytes.to_string()),
        ]
    }
}
