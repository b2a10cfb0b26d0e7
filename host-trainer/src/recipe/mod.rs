//! How a network is trained, as data.

mod layers;
mod prepare;
mod presets;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared_model::graph::MAX_OPERATIONS;

use crate::camera::Camera;
use crate::dataset::ChannelStatistics;
pub use layers::LayerConfig;
pub use presets::{OWN_PICTURES, PRESETS};

/// Everything that decides how a network is trained, apart from the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Name of the preset that it started from.
    pub preset: String,
    /// Filters of each block's convolutions.
    pub filters: Vec<usize>,
    /// Batch normalization after every ReLU.
    pub batch_norm: bool,
    /// What stands between the blocks and the logits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub head: Head,
    /// Dropout rate after each pool.
    pub block_dropout: Vec<f64>,
    /// Dropout rate after the head.
    pub hidden_dropout: f64,
    /// How pixels become the network's input.
    #[serde(alias = "pixel_scaling")]
    pub normalization: Normalization,
    /// What is done to training images.
    pub augmentation: Augmentation,
    /// How gradients become updates.
    pub optimizer: Optimizer,
    /// Learning rate: the constant one, or the peak of the schedule.
    pub learning_rate: f64,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Factor of the decay term in the gradient, on the weights of convolutions and of the hidden dense layer only.
    /// Keras' L2 penalty λ is a weight decay of 2λ.
    pub weight_decay: f64,
    /// Learns every class as if it had as many images as the others: see [`crate::training::step::Loss`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub class_weights: bool,
    /// Probability mass that the target gives away to all classes.
    pub label_smoothing: f64,
    /// Images in a batch.
    pub batch_size: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Decay a step of the weights' exponential moving average (EMA), which is then what is evaluated and kept.
    #[serde(alias = "weight_averaging")]
    pub ema: Option<f64>,
    /// Stop after so many epochs without a better validation loss.
    pub patience: Option<usize>,
    /// Train on all training images and validate on none, for the final weights of a recipe that is chosen.
    pub all_images: bool,
    /// Only the first so many images are trained on and validated with: for quick experiments.
    pub image_limit: Option<usize>,
    /// The classes that the network tells apart, in the order of its outputs; `None` for all of the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Whose convolutions the network starts with, instead of random ones: the folder of a run, or a model's blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<PathBuf>,
    /// First epochs in which convolutions that were transferred stay as they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub frozen_epochs: usize,
    /// Start of every random number.
    pub seed: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What stands between the blocks and the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// A dense layer of 128 outputs with ReLU, as in the tutorial: it knows where in the picture something is.
    #[default]
    Hidden,
    #[value(alias = "average")]
    /// The mean of each channel: few weights, which few pictures can teach, and the same number for any size of picture.
    GlobalAverage,
}

/// How a pixel value 0…255 becomes an input of the network, a channel at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// To 0…1.
    Unit,
    /// To 0…1, then minus the training set's mean.
    Centred,
    /// To 0…1, minus the training set's mean, divided by its standard deviation.
    Standardized,
}

impl Normalization {
    /// What is subtracted from a pixel scaled to 0…1, and what it is then divided by, for a data set of such statistics.
    pub fn statistics(self, of_data: &ChannelStatistics) -> ChannelStatistics {
        let channels = of_data.mean.len();
        let (mean, deviation) = (of_data.mean.clone(), of_data.deviation.clone());
        match self {
            Normalization::Unit => ChannelStatistics { mean: vec![0.0; channels], deviation: vec![1.0; channels] },
            Normalization::Centred => ChannelStatistics { mean, deviation: vec![1.0; channels] },
            Normalization::Standardized => ChannelStatistics { mean, deviation },
        }
    }
}

/// Random changes of training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Largest shift in pixels, each direction.
    pub shift: usize,
    /// What a shift moves in.
    pub border: Border,
    /// Horizontal flips, half of the images.
    pub flip: bool,
    /// Side of a square that is blanked, in pixels; 0 for none.
    pub cutout: usize,
    /// Largest magnification, and reduction, in percent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub zoom: u8,
    /// What cameras do to pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Camera>,
}

/// What stands beyond the edge of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// The pixel at the edge, repeated.
    Nearest,
    /// The image mirrored at its edge pixel.
    Reflect,
}

impl Augmentation {
    /// Images as they are.
    pub const NONE: Self = Self { shift: 0, border: Border::Nearest, flip: false, cutout: 0, zoom: 0, camera: None };
    /// Shifts of 10 % and flips.
    pub const TUTORIAL: Self = Self { shift: 3, flip: true, ..Self::NONE };
}

/// The rule that turns gradients into updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// Momentum factor.
        momentum: f64,
        /// Nesterov's variant.
        nesterov: bool,
    },
    /// Kingma and Ba, 2015, with weight decay in the gradient.
    Adam,
    /// Loshchilov and Hutter, 2019: Adam with weight decay apart from the gradient.
    AdamW,
    /// Jordan, 2024: orthogonalized momentum for the weights of convolutions and of the hidden dense layer; SGD with
    /// Nesterov's momentum for all other parameters. There is no weight decay: the weights keep their norm.
    Muon {
        /// Momentum factor of the orthogonalized updates.
        momentum: f64,
        /// Learning rate of the other parameters, relative to that of the weights.
        rest_rate: f64,
        /// Momentum factor of the other parameters.
        rest_momentum: f64,
    },
}

/// The learning rate over a run of T steps, relative to its peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Schedule {
    /// Always the same.
    Constant,
    /// Linear up to the peak, then linear to zero.
    OneCycle {
        /// Part of the run that goes up.
        warm_up: f64,
    },
    /// Half a cosine from the peak to zero.
    Cosine,
    /// Multiplied by `factor` after `patience` epochs without a better validation loss.
    ReduceOnPlateau {
        /// What the learning rate is multiplied by.
        factor: f64,
        /// Epochs to wait.
        patience: usize,
    },
}

impl Schedule {
    /// The learning rate of `step` of `steps`, relative to its peak. A plateau's reductions are not in it: they
    /// depend on the run.
    pub fn relative_rate(self, step: usize, steps: usize) -> f64 {
        let done = (step as f64 + 0.5) / steps as f64;
        match self {
            Schedule::Constant | Schedule::ReduceOnPlateau { .. } => 1.0,
            Schedule::OneCycle { warm_up } if done < warm_up => done / warm_up,
            Schedule::OneCycle { warm_up } => (1.0 - done) / (1.0 - warm_up),
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        }
    }
}

/// More than any microcontroller has the memory for.
const MOST_FILTERS: usize = 1024;

/// Of three operations each, beside which a blob has room for those of the head.
const MOST_BLOCKS: usize = (MAX_OPERATIONS - 2) / 3;

impl Recipe {
    /// Sets the filters of the first block, of which each further block has twice as many as the one before, and the number of blocks;
    /// those that are not given stay. Convolutions of another size than they come from are not transferred.
    pub fn set_size(&mut self, width: Option<usize>, blocks: Option<usize>) {
        let width = width.unwrap_or(self.filters[0]);
        let blocks = blocks.unwrap_or(self.filters.len());
        let filters: Vec<usize> = (0..blocks).map(|block| width << block).collect();
        if filters != self.filters {
            self.filters = filters;
            self.block_dropout.resize(blocks, self.block_dropout.last().copied().unwrap_or_default());
            (self.transfer, self.frozen_epochs) = (None, 0);
        }
    }

    /// Sets the dropout rates: one for all places, or one after each pool and one after the hidden layer.
    pub fn set_dropout(&mut self, rates: &[f64]) -> Result<(), String> {
        let blocks = self.filters.len();
        match rates {
            [rate] => {
                self.block_dropout = vec![*rate; blocks];
                self.hidden_dropout = *rate;
            }
            [block_rates @ .., hidden] if block_rates.len() == blocks => {
                self.block_dropout = block_rates.to_vec();
                self.hidden_dropout = *hidden;
            }
            _ => {
                return Err(format!("dropout takes 1 rate or {} for {}, not {}", blocks + 1, self.preset, rates.len()));
            }
        }
        Ok(())
    }

    /// Says which value makes no sense, if one does not.
    pub fn check(&self) -> Result<(), String> {
        let mut fractions = vec![
            ("label smoothing", self.label_smoothing),
            ("hidden dropout", self.hidden_dropout),
            ("the decay of the EMA", self.ema.unwrap_or(0.0)),
        ];
        fractions.extend(self.block_dropout.iter().map(|&rate| ("dropout", rate)));
        let mut counts = vec![
            ("the number of epochs", self.epochs, 1),
            ("the batch size", self.batch_size, 2),
            ("the patience", self.patience.unwrap_or(1), 1),
            ("the number of images", self.image_limit.unwrap_or(2), 2),
        ];
        match self.schedule {
            Schedule::Constant | Schedule::Cosine => {}
            Schedule::OneCycle { warm_up } => fractions.push(("the warm-up", warm_up)),
            Schedule::ReduceOnPlateau { factor, patience } => {
                fractions.push(("the factor of a plateau", factor));
                counts.push(("the patience of a plateau", patience, 1));
            }
        }
        for (name, value) in fractions {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{name} is {value}: it must be at least 0 and below 1"));
            }
        }
        for (name, value, least) in counts {
            if value < least {
                return Err(format!("{name} is {value}: it must be at least {least}"));
            }
        }
        if self.filters.is_empty() || self.filters.len() != self.block_dropout.len() {
            let (blocks, rates) = (self.filters.len(), self.block_dropout.len());
            return Err(format!("there are {blocks} blocks of filters and {rates} dropout rates for them"));
        }
        if self.filters.len() > MOST_BLOCKS {
            return Err(format!("there are {} blocks: there must be 1 to {MOST_BLOCKS}", self.filters.len()));
        }
        if let Some(filters) = self.filters.iter().find(|filters| !(1..=MOST_FILTERS).contains(*filters)) {
            return Err(format!("there are {filters} filters in a block: there must be 1 to {MOST_FILTERS}"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(format!("the learning rate is {}: it must be above 0", self.learning_rate));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(format!("the weight decay is {}: it must not be negative", self.weight_decay));
        }
        self.check_optimizer()?;
        if self.augmentation.zoom > 50 {
            return Err(format!("the zoom is {} %: it must be at most 50", self.augmentation.zoom));
        }
        if self.frozen_epochs > 0 && self.transfer.is_none() {
            return Err("convolutions that are to stay as they are come from somewhere: give --transfer".to_owned());
        }
        let waits = matches!(self.schedule, Schedule::ReduceOnPlateau { .. }) || self.patience.is_some();
        if self.all_images && waits {
            return Err("a plateau or patience needs a validation loss, which a run on all images has not".to_owned());
        }
        Ok(())
    }

    fn check_optimizer(&self) -> Result<(), String> {
        let momenta = match self.optimizer {
            Optimizer::Sgd { momentum, .. } => vec![momentum],
            Optimizer::Muon { momentum, rest_momentum, .. } => vec![momentum, rest_momentum],
            Optimizer::Adam | Optimizer::AdamW => vec![],
        };
        for momentum in momenta {
            if !(0.0..1.0).contains(&momentum) {
                return Err(format!("the momentum is {momentum}: it must be at least 0 and below 1"));
            }
        }
        let Optimizer::Muon { rest_rate, .. } = self.optimizer else {
            return Ok(());
        };
        if !(rest_rate > 0.0 && rest_rate.is_finite()) {
            return Err(format!(
                "the relative learning rate of the other parameters is {rest_rate}: it must be above 0"
            ));
        }
        if self.weight_decay > 0.0 {
            return Err("Muon keeps the norm of the weights, so they cannot decay: give a weight decay of 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_preset_exists_under_its_name() {
        for (name, _) in PRESETS {
            assert_eq!(Recipe::preset(name).unwrap().preset, name);
        }
        assert_eq!(Recipe::preset("vgg4"), None);
    }

    #[test]
    fn committed_recipes_are_read_and_written_as_they_are() {
        let runs = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/comparison/runs");
        let folders = std::fs::read_dir(runs).unwrap().flatten();
        let runs = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        let mut recipes = 0;
        for run in runs {
            let text = std::fs::read_to_string(run.path().join("recipe.json")).unwrap();
            let recipe: Recipe = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string_pretty(&recipe).unwrap(), text.trim_end());
            recipes += 1;
        }
        assert!(recipes > 20, "{recipes} recipes");
    }

    #[test]
    fn waiting_for_a_validation_loss_needs_validation_images() {
        let recipe = Recipe { all_images: true, ..Recipe::preset("vgg3-best").unwrap() };
        assert_eq!(recipe.check(), Ok(()));
        let impatient = Recipe { patience: Some(3), ..recipe };
        assert!(impatient.check().unwrap_err().contains("validation"));
    }

    #[test]
    fn there_are_blocks_and_filters_but_not_too_many() {
        for (filters, is_sensible) in [
            (vec![1], true),
            (vec![1024], true),
            (vec![0], false),
            (vec![1_000_000_000], false),
            (vec![1; 10], true),
            (vec![1; 11], false),
            (vec![], false),
        ] {
            let block_dropout = vec![0.0; filters.len()];
            let recipe = Recipe { filters, block_dropout, ..Recipe::preset("vgg1").unwrap() };
            assert_eq!(recipe.check().is_ok(), is_sensible, "{:?}", recipe.filters);
        }
    }

    #[test]
    fn another_size_has_its_dropout_and_starts_with_random_convolutions() {
        let mut recipe = Recipe { block_dropout: vec![0.1, 0.2, 0.3], ..Recipe::preset(OWN_PICTURES).unwrap() };
        let same = recipe.clone();
        recipe.set_size(Some(32), Some(3));
        assert_eq!(recipe, same);
        assert!(recipe.transfer.is_some());
        recipe.set_size(Some(6), None);
        assert_eq!((&recipe.filters[..], &recipe.transfer), (&[6, 12, 24][..], &None));
        recipe.set_size(None, Some(5));
        assert_eq!(recipe.filters, [6, 12, 24, 48, 96]);
        assert_eq!(recipe.block_dropout, [0.1, 0.2, 0.3, 0.3, 0.3]);
        recipe.set_size(None, Some(2));
        assert_eq!((recipe.block_dropout.len(), recipe.check()), (2, Ok(())));
    }

    #[test]
    fn recipes_of_earlier_versions_are_read() {
        let recipe = Recipe { ema: Some(0.9), ..Recipe::preset("vgg3-best").unwrap() };
        let text = serde_json::to_string(&recipe).unwrap();
        let old = text.replace("\"normalization\"", "\"pixel_scaling\"").replace("\"ema\"", "\"weight_averaging\"");
        assert_ne!(old, text);
        assert_eq!(serde_json::from_str::<Recipe>(&old).unwrap(), recipe);
    }

    #[test]
    fn one_cycle_rises_to_its_peak_and_falls_to_zero() {
        let schedule = Schedule::OneCycle { warm_up: 0.25 };
        let rates: Vec<f64> = (0..100).map(|step| schedule.relative_rate(step, 100)).collect();
        assert!(rates[..25].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b));
        assert!(rates[24] > 0.97 && rates[0] < 0.03 && rates[99] < 0.01);
    }
}
