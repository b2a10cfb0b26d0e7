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
    /// The epoch whose weights are kept: the one with the highest validation accuracy, of equals the one with the lowest
    /// loss, or the last one of a run without validation; `None` before the first epoch.
    pub fn best(&self) -> Option<&Epoch> {
        let worth = |epoch: &Epoch| epoch.validation.map_or((0.0, 0.0), |figures| (figures.accuracy, -figures.loss));
        if self.epochs.last()?.validation.is_none() {
            return self.epochs.last();
        }
        self.epochs.iter().reduce(|best, epoch| if worth(epoch) > worth(best) { epoch } else { best })
    }

    /// Time of the whole training, validation included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of validation accuracies and losses.
    fn best(figures: &[Option<(f64, f64)>]) -> Option<usize> {
        let epoch = |(index, figures): (usize, &Option<(f64, f64)>)| Epoch {
            epoch: index + 1,
            learning_rate: 0.1,
            train_loss: 1.0,
            train_accuracy: 60.0,
            validation: figures.map(|(accuracy, loss)| Validation { loss, accuracy }),
            seconds: 1.0,
        };
        History { epochs: figures.iter().enumerate().map(epoch).collect() }.best().map(|epoch| epoch.epoch)
    }

    #[test]
    fn the_most_accurate_epoch_with_the_lowest_loss_is_the_best() {
        assert_eq!(best(&[]), None);
        let figures = [(60.0, 0.1), (70.0, 0.5), (70.0, 0.4), (70.0, 0.4), (65.0, 0.2)];
        assert_eq!(best(&figures.map(Some)), Some(3));
    }

    #[test]
    fn without_validation_the_last_epoch_is_the_best() {
        assert_eq!(best(&[None, None, None]), Some(3));
    }
}
