//! The tutorial's own table.

use std::path::Path;

use super::{Entry, Plan, Published, Source};
use crate::recipe::{PRESETS, Recipe};

/// The accuracy on the test set in percent, and the epochs, that the tutorial reports for each of its networks: Jason
/// Brownlee, "How to Develop a CNN From Scratch for CIFAR-10 Photo Classification", Machine Learning Mastery, 2019.
const PUBLISHED: [(&str, Published); 9] = [
    ("vgg1", published(67.070, 100)),
    ("vgg2", published(71.080, 100)),
    ("vgg3", published(73.500, 100)),
    ("vgg3-dropout", published(83.450, 100)),
    ("vgg3-weight-decay", published(72.550, 100)),
    ("vgg3-augment", published(84.470, 100)),
    ("vgg3-increasing-dropout", published(84.690, 200)),
    ("vgg3-dropout-augment", published(85.880, 200)),
    ("vgg3-full", published(88.620, 400)),
];

const fn published(accuracy: f64, epochs: usize) -> Published {
    Published { accuracy, epochs }
}

const ABOUT: &str = "\
Each step of the tutorial on CIFAR-10: the test accuracy that its author reports (Jason Brownlee, *How to Develop a CNN \
From Scratch for CIFAR-10 Photo Classification*, Machine Learning Mastery, 2019), and ours, in float and as the int8 \
network that runs on a microcontroller. The networks are the same, and so is the regularization that a row is about; \
no other is added. Ours are trained with another schedule: SGD with Nesterov momentum and a one-cycle learning rate, \
and so in fewer epochs. The test images are looked at once a row, when its training is over; but four rows were trained \
again with a longer schedule, after their first figure had been seen: vgg3-augment (14 epochs: 84.24 % in int8), \
vgg3-dropout-augment (30 epochs: 85.44 %), vgg3-dropout and vgg3-full (16 and 30 epochs on 45,000 images: 81.45 and \
87.71 %). The epoch whose weights are kept is chosen on 5,000 validation images; a row without a validation accuracy is \
trained on all 50,000, as the tutorial's are, and keeps its last epoch. The last row is the model of this repository, \
with a recipe of ours.";

/// The nine presets of the tutorial, and the model in `best`, which is not trained here.
///
/// `schedule` makes the recipe from the preset, for instance [`Recipe::compressed`].
pub fn tutorial(best: &Path, schedule: fn(Recipe) -> Recipe) -> Plan {
    let rows = PUBLISHED.iter().map(|&(name, published)| {
        let recipe = Recipe::preset(name).expect("the tutorial's networks are presets");
        Entry {
            name,
            about: about(name),
            tutorial: Some(published),
            source: Source::Run {
                run: name,
                recipe: Box::new(schedule(recipe)),
            },
        }
    });
    let best = Entry {
        name: "vgg3-best",
        about: about("vgg3-best"),
        tutorial: None,
        source: Source::Model {
            blob: best.to_owned(),
        },
    };
    Plan {
        name: "tutorial",
        title: "The tutorial's table, reproduced",
        about: ABOUT,
        entries: rows.chain([best]).collect(),
    }
}

fn about(name: &str) -> &'static str {
    let preset = PRESETS.iter().find(|(preset, _)| *preset == name);
    preset.expect("the table names presets").1
}
