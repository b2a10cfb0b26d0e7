//! The presets: the steps of the tutorial, our own recipe, and both with shorter schedules.

use super::{Augmentation, Border, Head, Normalization, Optimizer, Recipe, Schedule};
use crate::dataset::Dataset;
use crate::files;

/// Name and one line about each preset, in the order of the tutorial.
pub const PRESETS: [(&str, &str); 11] = [
    ("vgg1", "one block of two convolutions with 32 filters"),
    ("vgg2", "two blocks, 32 and 64 filters"),
    ("vgg3", "three blocks, 32, 64 and 128 filters"),
    ("vgg3-dropout", "three blocks, dropout 0.2"),
    ("vgg3-weight-decay", "three blocks, L2 penalty 0.001"),
    ("vgg3-augment", "three blocks, shifts of 10 % and flips"),
    ("vgg3-increasing-dropout", "three blocks, dropout 0.2, 0.3, 0.4, 0.5"),
    ("vgg3-dropout-augment", "three blocks, dropout 0.2, shifts and flips"),
    ("vgg3-full", "three blocks, increasing dropout, shifts and flips, batch normalization"),
    ("vgg3-best", "the network of vgg3-full with a modern recipe: Muon, weight averaging, label smoothing"),
    (OWN_PICTURES, "for a folder of pictures: starts with the convolutions of the model in data/models"),
];

/// The preset for a few pictures of one's own.
pub const OWN_PICTURES: &str = "own-pictures";

/// What was found best among Muon's settings: `data/comparison/recipes.md`.
const MUON: Optimizer = Optimizer::Muon { momentum: 0.6, rest_rate: 0.85, rest_momentum: 0.85 };

/// The model whose convolutions [`OWN_PICTURES`] starts with.
const STARTING_MODEL: &str = "data/models/vgg3-full.blob";

impl Recipe {
    /// The preset of that name, as the tutorial has it (`vgg3-best`: as we found best).
    pub fn preset(name: &str) -> Option<Self> {
        let vgg3 = Self { preset: name.to_owned(), ..Self::tutorial_vgg3() };
        let recipe = match name {
            "vgg1" => vgg3.with_blocks(1),
            "vgg2" => vgg3.with_blocks(2),
            "vgg3" => vgg3,
            "vgg3-dropout" => vgg3.with_dropout([0.2, 0.2, 0.2], 0.2),
            "vgg3-weight-decay" => Self { weight_decay: 0.002, ..vgg3 },
            "vgg3-augment" => Self { augmentation: Augmentation::TUTORIAL, ..vgg3 },
            "vgg3-increasing-dropout" => Self { epochs: 200, ..vgg3.with_dropout([0.2, 0.3, 0.4], 0.5) },
            "vgg3-dropout-augment" => {
                Self { epochs: 200, augmentation: Augmentation::TUTORIAL, ..vgg3.with_dropout([0.2, 0.2, 0.2], 0.2) }
            }
            "vgg3-full" => Self {
                epochs: 400,
                batch_norm: true,
                augmentation: Augmentation::TUTORIAL,
                ..vgg3.with_dropout([0.2, 0.3, 0.4], 0.5)
            },
            "vgg3-best" => vgg3.with_modern_training(),
            OWN_PICTURES => vgg3.with_modern_training().for_own_pictures(),
            _ => return None,
        };
        Some(recipe)
    }

    fn tutorial_vgg3() -> Self {
        Self {
            preset: String::new(),
            filters: vec![32, 64, 128],
            batch_norm: false,
            head: Head::Hidden,
            block_dropout: vec![0.0; 3],
            hidden_dropout: 0.0,
            normalization: Normalization::Unit,
            augmentation: Augmentation::NONE,
            optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false },
            learning_rate: 0.001,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            class_weights: false,
            label_smoothing: 0.0,
            batch_size: 64,
            epochs: 100,
            ema: None,
            patience: None,
            all_images: false,
            image_limit: None,
            classes: None,
            transfer: None,
            frozen_epochs: 0,
            seed: 1,
        }
    }

    fn with_blocks(mut self, blocks: usize) -> Self {
        self.filters.truncate(blocks);
        self.block_dropout.truncate(blocks);
        self
    }

    fn with_dropout(mut self, blocks: [f64; 3], hidden: f64) -> Self {
        self.block_dropout = blocks.to_vec();
        self.hidden_dropout = hidden;
        self
    }

    /// Muon, and images that are shifted, flipped and cut out in place of dropout. What was tried for it:
    /// `data/comparison/recipes.md`.
    fn with_modern_training(self) -> Self {
        Self {
            batch_norm: true,
            normalization: Normalization::Standardized,
            augmentation: Augmentation {
                shift: 4,
                border: Border::Reflect,
                flip: true,
                cutout: 8,
                ..Augmentation::NONE
            },
            optimizer: MUON,
            learning_rate: 0.05,
            schedule: Schedule::OneCycle { warm_up: 0.0 },
            label_smoothing: 0.1,
            batch_size: 128,
            epochs: 80,
            ema: Some(0.995),
            ..self
        }
    }

    /// For a few hundred or thousand pictures: first a new head, of few weights, learns what convolutions that know a
    /// hundred times as many pictures see; then all learn, with small steps. What was tried for it:
    /// `data/comparison/own-pictures.md`.
    fn for_own_pictures(self) -> Self {
        Self {
            head: Head::GlobalAverage,
            augmentation: Augmentation { shift: 3, zoom: 15, cutout: 0, ..self.augmentation },
            class_weights: true,
            batch_size: 32,
            epochs: 30,
            transfer: Some(files::repository().join(STARTING_MODEL)),
            ..self.shortened()
        }
    }

    /// With as many epochs as images of that data set are trained on in a few minutes on two cores, or with those given:
    /// their number follows from images and multiplications, never from a clock, so that everybody gets the same weights.
    /// Convolutions that come from elsewhere stay as they are for the first sixth.
    pub fn paced(self, epochs: Option<usize>, dataset: &Dataset) -> Self {
        /// Of the full network at 32×32: 750 images a second make 200 s.
        const MULTIPLICATIONS: f64 = 150_000.0 * 39e6;
        const EPOCHS: (f64, f64) = (4.0, 30.0);
        let epochs = epochs.unwrap_or_else(|| {
            let description = &dataset.description;
            let an_image = self.multiplications(description.shape(), description.labels.len());
            let affordable = MULTIPLICATIONS / (dataset.train.len() * an_image).max(1) as f64;
            affordable.clamp(EPOCHS.0, EPOCHS.1) as usize
        });
        Self { epochs, frozen_epochs: if self.transfer.is_some() { epochs / 6 } else { 0 }, ..self }
    }

    /// A schedule of the same network for a few minutes, without what only pays in a longer run. What was tried for it:
    /// `data/comparison/recipes.md`.
    pub fn shortened(self) -> Self {
        let augmentation = Augmentation { shift: 2, cutout: 0, ..self.augmentation };
        Self { epochs: 4, augmentation, learning_rate: 0.06, ema: Some(0.98), ..self }
    }

    /// A preset of the tutorial with a schedule that is to reach its accuracy in far fewer epochs: one cycle of a learning rate that is an order
    /// of magnitude larger, with Nesterov momentum, or with Muon where dropout is so strong that SGD learns slowly. The network, its
    /// regularization and its input are the preset's.
    ///
    /// The rows that are hardest to reach are trained on all images, as the tutorial's are, and keep their last epoch.
    pub fn compressed(self) -> Self {
        let sgd = (Optimizer::Sgd { momentum: 0.9, nesterov: true }, if self.batch_norm { 0.05 } else { 0.02 }, 0.2);
        let (epochs, all_images, (optimizer, learning_rate, warm_up)) = match self.preset.as_str() {
            "vgg1" | "vgg2" | "vgg3" => (5, false, sgd),
            "vgg3-weight-decay" => (6, false, sgd),
            "vgg3-dropout" => (34, true, sgd),
            "vgg3-augment" => (20, false, sgd),
            "vgg3-increasing-dropout" => (40, false, (MUON, 0.05, 0.0)),
            "vgg3-dropout-augment" => (42, false, sgd),
            _ => (56, true, sgd),
        };
        Self { epochs, all_images, optimizer, learning_rate, schedule: Schedule::OneCycle { warm_up }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::LabelledImages;
    use shared_model::Shape;

    #[test]
    fn epochs_follow_from_pictures_and_multiplications() {
        let recipe = Recipe::preset(OWN_PICTURES).unwrap();
        let epochs = |images: usize, side: u16| {
            let shape = Shape::new(side, side, 3);
            let train =
                LabelledImages { images: vec![vec![0; shape.elements()].into(); images], labels: vec![0; images] };
            let labels = ["a", "b"].map(str::to_owned).to_vec();
            let paced =
                recipe.clone().paced(None, &Dataset::new("pictures", shape, labels, train, LabelledImages::default()));
            (paced.epochs, paced.frozen_epochs)
        };
        assert_eq!(epochs(200, 32), (30, 5));
        assert_eq!(epochs(10_000, 32), (15, 2));
        assert_eq!(epochs(2500, 64), (15, 2));
        assert_eq!(epochs(3000, 96), (5, 0));
        assert_eq!(epochs(10_000, 96).0, 4);
    }
}
