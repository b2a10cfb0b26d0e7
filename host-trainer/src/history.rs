//! What was measured in each epoch of a run.

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
    /// On the validation images; `None` in a run that trains on all images.
    pub validation: Option<Validation>,
    /// Wall time of the epoch, validation included.
    pub seconds: f64,
}

/// What an epoch's weights are worth on images that they were not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean over the images.
    pub loss: f64,
    /// In percent.
    pub accuracy: f64,
}

impl History {
    /// The epoch whose weights are kept: the one with the highest validation accuracy, the first of equals, or the last
    /// one of a run without validation; `None` before the first epoch.
    pub fn best(&self) -> Option<&Epoch> {
        let accuracy = |epoch: &Epoch| epoch.validation.map_or(0.0, |figures| figures.accuracy);
        if self.epochs.last()?.validation.is_none() {
            return self.epochs.last();
        }
        self.epochs.iter().reduce(|best, epoch| if accuracy(epoch) > accuracy(best) { epoch } else { best })
    }

    /// Time of the whole training, validation included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(accuracies: &[Option<f64>]) -> History {
        let epoch = |(index, accuracy): (usize, &Option<f64>)| Epoch {
            epoch: index + 1,
            learning_rate: 0.1,
            train_loss: 1.0,
            train_accuracy: 60.0,
            validation: accuracy.map(|accuracy| Validation { loss: 1.0, accuracy }),
            seconds: 1.0,
        };
        History { epochs: accuracies.iter().enumerate().map(epoch).collect() }
    }

    fn best(accuracies: &[Option<f64>]) -> Option<usize> {
        history(accuracies).best().map(|epoch| epoch.epoch)
    }

    #[test]
    fn the_first_of_the_most_accurate_epochs_is_the_best() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[Some(60.0), Some(70.0), Some(70.0), Some(65.0)]), Some(2));
    }

    #[test]
    fn without_validation_the_last_epoch_is_the_best() {
        assert_eq!(best(&[None, None, None]), Some(3));
    }
}
