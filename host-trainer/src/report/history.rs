//! What was measured in each epoch of a run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A run's figures, an entry an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// In order, from epoch 1.
    pub epochs: Vec<Epoch>,
}

/// One epoch's figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// At the epoch's last step.
    pub learning_rate: f64,
    /// Mean over the training images, with dropout, augmentation and label smoothing.
    pub train_loss: f64,
    /// In percent, with dropout and augmentation.
    pub train_accuracy: f64,
    /// Mean over the validation images.
    pub validation_loss: f64,
    /// In percent.
    pub validation_accuracy: f64,
    /// Wall time of the epoch, validation included.
    pub seconds: f64,
}

/// The history's file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file system refused.
    #[error("cannot read or write {path}: {source}")]
    File {
        /// The history's file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not hold a history.
    #[error("{path} does not hold a training history: {source}")]
    Content {
        /// The history's file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl History {
    /// Number of the epoch with the highest validation accuracy, the first of equals; `None` before the first epoch.
    pub fn best_epoch(&self) -> Option<usize> {
        let mut best: Option<&Epoch> = None;
        for epoch in &self.epochs {
            if best.is_none_or(|best| epoch.validation_accuracy > best.validation_accuracy) {
                best = Some(epoch);
            }
        }
        best.map(|epoch| epoch.epoch)
    }

    /// Writes the history as JSON.
    pub fn save(&self, path: &Path) -> Result<(), HistoryError> {
        let text = serde_json::to_string_pretty(self).expect("a history is plain data");
        std::fs::write(path, text).map_err(|source| HistoryError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads a history that [`History::save`] wrote.
    pub fn load(path: &Path) -> Result<Self, HistoryError> {
        let text = std::fs::read_to_string(path).map_err(|source| HistoryError::File {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| HistoryError::Content {
            path: path.to_owned(),
            source,
        })
    }
}
