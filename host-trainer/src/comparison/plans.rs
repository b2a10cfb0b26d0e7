//! The tutorial's own table, and what its author proposes to try next.

use std::path::Path;

use super::{Entry, Plan, Published, Source};
use crate::dataset::CIFAR10_SHAPE;
use crate::family;
use crate::recipe::{Normalization, Optimizer, PRESETS, Recipe, Schedule};

/// The accuracy on the test set in percent, and the epochs, that the tutorial reports for each of its networks: Jason
/// Brownlee, "How to Develop a CNN From Scratch for CIFAR-10 Photo Classification", Machine Learning Mastery, 2019.
const PUBLISHED: [(&str, f64, usize); 9] = [
    ("vgg1", 67.070, 100),
    ("vgg2", 71.080, 100),
    ("vgg3", 73.500, 100),
    ("vgg3-dropout", 83.450, 100),
    ("vgg3-weight-decay", 72.550, 100),
    ("vgg3-augment", 84.470, 100),
    ("vgg3-increasing-dropout", 84.690, 200),
    ("vgg3-dropout-augment", 85.880, 200),
    ("vgg3-full", 88.620, 400),
];

const ABOUT_TUTORIAL: &str = "\
Each step of the tutorial on CIFAR-10: the test accuracy that its author reports (Jason Brownlee, *How to Develop a CNN \
From Scratch for CIFAR-10 Photo Classification*, Machine Learning Mastery, 2019), and ours, in float and as the int8 \
network that runs on a microcontroller. The networks are the same, and so is the regularization that a row is about; \
no other is added. Ours are trained with another schedule, a one-cycle learning rate in fewer epochs, and with SGD with \
Nesterov momentum, or Muon where strong dropout keeps SGD from learning (vgg3-increasing-dropout). The test images are \
looked at once a row, when its training is over; but five rows were trained again in another way, after their first \
figure had been seen: vgg3-augment (14 epochs: 84.24 % in int8), vgg3-dropout-augment (30 epochs: 85.44 %), \
vgg3-increasing-dropout (SGD, 44 epochs on 50,000 images: 83.88 %), vgg3-dropout and vgg3-full (16 and 30 epochs on \
45,000 images: 81.45 and 87.71 %). \
The epoch whose weights are kept is chosen on 5,000 validation images; a row without a validation accuracy is \
trained on all 50,000, as the tutorial's are, and keeps its last epoch. The last row is the model of this repository, \
with a recipe of ours, chosen on validation images; with SGD in 40 epochs it had 91.64 % in int8, and with today's recipe on 45,000 \
images 92.28 %.";

/// The nine presets of the tutorial, and the model in `best`, which is not trained here.
///
/// `schedule` makes the recipe from the preset, for instance [`Recipe::compressed`].
pub fn tutorial(best: &Path, schedule: fn(Recipe) -> Recipe) -> Plan {
    let entry = |name: &str, tutorial, source| Entry {
        name: name.to_owned(),
        about: PRESETS
            .iter()
            .find_map(|&(preset, about)| (preset == name).then_some(about))
            .expect("the table names presets")
            .to_owned(),
        tutorial,
        source,
    };
    let rows = PUBLISHED.iter().map(|&(name, accuracy, epochs)| {
        let recipe = Recipe::preset(name).expect("the tutorial's networks are presets");
        let source = Source::Run { run: name.to_owned(), recipe: Box::new(schedule(recipe)), input: CIFAR10_SHAPE };
        entry(name, Some(Published { accuracy, epochs }), source)
    });
    let blob = best.to_owned();
    let best = entry("vgg3-best", None, Source::Model { blob });
    Plan {
        name: "tutorial",
        title: "The tutorial's table, reproduced",
        about: ABOUT_TUTORIAL,
        entries: rows.chain([best]).collect(),
    }
}

const ABOUT_EXTENSIONS: &str = "\
What the tutorial's author proposes to try: other pixel scalings, learning-rate schedules, optimizers, early stopping, \
transfer learning. Each row is one short run of the network `vgg3` without regularization (8,000 training images, 5 \
epochs, SGD with Nesterov momentum, one-cycle, pixels in 0…1, where the row does not say otherwise), so rows compare \
with each other, not with the tutorial's table; differences of a point or so are chance. For the transfer, a network \
learns six kinds of animals; its convolutions then start one that learns four kinds of vehicles from 400 images, beside \
one that starts from random weights.";

/// The rows, whose runs lie under `runs`. Those that train by the recipe that others change share the run `base`.
pub fn extensions(runs: &Path) -> Plan {
    let base = Recipe { image_limit: Some(8000), epochs: 5, ..Recipe::preset("vgg3").expect("a preset").compressed() };
    let scaled = |normalization| Recipe { normalization, ..base.clone() };
    let scheduled = |schedule| Recipe { schedule, ..base.clone() };
    let adaptive = |optimizer, weight_decay| Recipe { optimizer, weight_decay, learning_rate: 0.001, ..base.clone() };
    let classes = |names: &str| Some(names.split(' ').map(str::to_owned).collect());
    let plateau = Schedule::ReduceOnPlateau { factor: 0.5, patience: 1 };
    let stopped_early = Recipe { epochs: 30, patience: Some(5), ..scheduled(Schedule::Constant) };
    let animals =
        Recipe { classes: classes("bird cat deer dog frog horse"), image_limit: None, epochs: 2, ..base.clone() };
    let vehicles = Recipe {
        classes: classes("airplane automobile ship truck"),
        // About 100 of each class.
        image_limit: Some(400),
        epochs: 30,
        ..base.clone()
    };
    let transferred = Recipe { transfer: Some(runs.join("transfer-source")), ..vehicles.clone() };
    #[rustfmt::skip]
    let rows = [
        ("pixels-unit", "pixels scaled to 0…1, as in the tutorial", base.clone()),
        ("pixels-centred", "… minus the training images' mean of the channel", scaled(Normalization::Centred)),
        ("pixels-standardized", "… divided by the channel's standard deviation", scaled(Normalization::Standardized)),
        ("schedule-constant", "constant learning rate", scheduled(Schedule::Constant)),
        ("schedule-cosine", "half a cosine down to zero", scheduled(Schedule::Cosine)),
        ("schedule-one-cycle", "linear up, then linear down to zero", base.clone()),
        ("schedule-plateau", "halved after an epoch without a better validation loss", scheduled(plateau)),
        ("early-stopping", "constant rate, at most 30 epochs, stopped after 5 without a better validation loss", stopped_early),
        ("optimizer-sgd", "SGD with Nesterov momentum 0.9", base.clone()),
        ("optimizer-adam", "Adam, learning rate 0.001", adaptive(Optimizer::Adam, 0.0)),
        ("optimizer-adamw", "AdamW, learning rate 0.001, weight decay 0.01", adaptive(Optimizer::AdamW, 0.01)),
        ("transfer-source", "six kinds of animals, 27,000 images, 2 epochs: whose convolutions are transferred", animals),
        ("transfer-scratch", "four kinds of vehicles, 400 images, from random weights", vehicles),
        ("transfer", "four kinds of vehicles, 400 images, from the animals' convolutions", transferred),
    ];
    let entries = rows.map(|(name, about, recipe)| Entry {
        name: name.to_owned(),
        about: about.to_owned(),
        tutorial: None,
        source: Source::Run {
            run: if recipe == base { "base" } else { name }.to_owned(),
            recipe: Box::new(recipe),
            input: CIFAR10_SHAPE,
        },
    });
    Plan { name: "extensions", title: "Extensions of the tutorial", about: ABOUT_EXTENSIONS, entries: entries.into() }
}

const ABOUT_FAMILY: &str = "\
Networks of blocks of two 3×3 convolutions and a 2×2 max pool; each block has twice as many filters as the one before, and the mean of \
each channel of the last one gives the logits. Each is trained by `vgg3-best`'s recipe on all 50,000 training images, keeps its last \
epoch, and is tested once; those with a size in their name see CIFAR-10's pictures enlarged to it, or grey. The smallest do not \
learn their pictures by heart, and see them shifted less and with nothing cut out. The last \
row is the reference model, with the tutorial's head: a dense layer of 128 outputs.

Instructions are the plan's estimate, which is within a twentieth of what is executed.

![Accuracy over instructions, and over flash](ladder.svg)";

/// The ladder of the family, and the reference model in `best`, which is not trained here.
pub fn family(best: &Path) -> Plan {
    let rungs = family::LADDER.map(|(member, epochs)| Entry {
        name: member.name(),
        about: member.description(),
        tutorial: None,
        source: Source::Run { run: member.name(), recipe: Box::new(member.on_ladder(epochs)), input: member.input },
    });
    let reference = Entry {
        name: family::REFERENCE.name(),
        about: family::REFERENCE.description(),
        tutorial: None,
        source: Source::Model { blob: best.to_owned() },
    };
    Plan {
        name: "family",
        title: "A network for every board",
        about: ABOUT_FAMILY,
        entries: rungs.into_iter().chain([reference]).collect(),
    }
}
