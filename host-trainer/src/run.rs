//! A training run's folder.

use std::path::PathBuf;

use crate::dataset::Description;
use crate::files::{self, FileError};
use crate::history::History;
use crate::recipe::Recipe;

/// Paths and content of a run's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The run's folder.
    pub folder: PathBuf,
}

impl Run {
    /// The run in that folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Name of the run: its folder's.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// How the run is trained.
    pub fn recipe_file(&self) -> PathBuf {
        self.folder.join("recipe.json")
    }

    /// What the run is trained on.
    pub fn dataset_file(&self) -> PathBuf {
        self.folder.join("dataset.json")
    }

    /// What was measured in each epoch.
    pub fn history_file(&self) -> PathBuf {
        self.folder.join("history.json")
    }

    /// The best epoch's weights.
    pub fn weights_file(&self) -> PathBuf {
        self.folder.join("weights.bpk")
    }

    /// Folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// The learning curves, `png` or `svg`.
    pub fn curves_file(&self, extension: &str) -> PathBuf {
        self.folder.join("learning-curves").with_extension(extension)
    }

    /// Reads the recipe.
    pub fn recipe(&self) -> Result<Recipe, FileError> {
        files::read_json(&self.recipe_file())
    }

    /// Reads the data set's description. Runs of earlier versions have none: they were trained on CIFAR-10.
    pub fn dataset(&self, recipe: &Recipe) -> Result<Description, FileError> {
        let path = self.dataset_file();
        match files::read_json_if_present(&path)? {
            Some(description) => Ok(description),
            None => Description::cifar10().of_classes(recipe.classes.as_deref()).map_err(FileError::content(&path)),
        }
    }

    /// Reads the history.
    pub fn history(&self) -> Result<History, FileError> {
        files::read_json(&self.history_file())
    }
}
