//! What the tutorial's author proposes to try next, each as a short run.

use std::path::Path;

use super::{Entry, Plan, Source};
use crate::recipe::{Optimizer, Normalization, Recipe, Schedule};

/// Training images of most rows: enough to tell good from bad in minutes.
const IMAGES: usize = 8000;
const EPOCHS: usize = 5;
const ANIMALS: [&str; 6] = ["bird", "cat", "deer", "dog", "frog", "horse"];
const VEHICLES: [&str; 4] = ["airplane", "automobile", "ship", "truck"];
/// Training images of the four classes that a network is transferred to: about 100 of each.
const FEW_IMAGES: usize = 400;

const ABOUT: &str = "\
What the tutorial's author proposes to try: other pixel scalings, learning-rate schedules, optimizers, early stopping, \
transfer learning. Each row is one short run of the network `vgg3` without regularization (8,000 training images, 5 \
epochs, SGD with Nesterov momentum, one-cycle, pixels in 0…1, where the row does not say otherwise), so rows compare \
with each other, not with the tutorial's table; differences of a point or so are chance. For the transfer, a network \
learns six kinds of animals; its convolutions then start one that learns four kinds of vehicles from 400 images, beside \
one that starts from random weights.";

/// The rows, whose runs lie under `runs`.
pub fn extensions(runs: &Path) -> Plan {
    let base = Recipe {
        image_limit: Some(IMAGES),
        epochs: EPOCHS,
        ..Recipe::preset("vgg3").expect("a preset").compressed()
    };
    let entries = [
        normalizations(&base),
        schedules(&base),
        optimizers(&base),
        transfer(&base, runs),
    ];
    Plan {
        name: "extensions",
        title: "Extensions of the tutorial",
        about: ABOUT,
        entries: entries.concat(),
    }
}

fn entry(name: &'static str, run: &'static str, about: &'static str, recipe: Recipe) -> Entry {
    Entry {
        name,
        about,
        tutorial: None,
        source: Source::Run {
            run,
            recipe: Box::new(recipe),
        },
    }
}

/// The run that several rows compare with.
const BASE: &str = "base";

fn normalizations(base: &Recipe) -> Vec<Entry> {
    let scaled = |normalization| Recipe {
        normalization,
        ..base.clone()
    };
    vec![
        entry(
            "pixels-unit",
            BASE,
            "pixels scaled to 0…1, as in the tutorial",
            base.clone(),
        ),
        entry(
            "pixels-centred",
            "pixels-centred",
            "… minus the training images' mean of the channel",
            scaled(Normalization::Centred),
        ),
        entry(
            "pixels-standardized",
            "pixels-standardized",
            "… divided by the channel's standard deviation",
            scaled(Normalization::Standardized),
        ),
    ]
}

fn schedules(base: &Recipe) -> Vec<Entry> {
    let scheduled = |schedule| Recipe {
        schedule,
        ..base.clone()
    };
    vec![
        entry(
            "schedule-constant",
            "schedule-constant",
            "constant learning rate",
            scheduled(Schedule::Constant),
        ),
        entry(
            "schedule-cosine",
            "schedule-cosine",
            "half a cosine down to zero",
            scheduled(Schedule::Cosine),
        ),
        entry(
            "schedule-one-cycle",
            BASE,
            "linear up, then linear down to zero",
            base.clone(),
        ),
        entry(
            "schedule-plateau",
            "schedule-plateau",
            "halved after an epoch without a better validation loss",
            scheduled(Schedule::ReduceOnPlateau {
                factor: 0.5,
                patience: 1,
            }),
        ),
        entry(
            "early-stopping",
            "early-stopping",
            "constant rate, at most 30 epochs, stopped after 5 without a better validation loss",
            Recipe {
                epochs: 30,
                patience: Some(5),
                ..scheduled(Schedule::Constant)
            },
        ),
    ]
}

fn optimizers(base: &Recipe) -> Vec<Entry> {
    let adaptive = |optimizer, weight_decay| Recipe {
        optimizer,
        weight_decay,
        learning_rate: 0.001,
        ..base.clone()
    };
    vec![
        entry(
            "optimizer-sgd",
            BASE,
            "SGD with Nesterov momentum 0.9",
            base.clone(),
        ),
        entry(
            "optimizer-adam",
            "optimizer-adam",
            "Adam, learning rate 0.001",
            adaptive(Optimizer::Adam, 0.0),
        ),
        entry(
            "optimizer-adamw",
            "optimizer-adamw",
            "AdamW, learning rate 0.001, weight decay 0.01",
            adaptive(Optimizer::AdamW, 0.01),
        ),
    ]
}

fn transfer(base: &Recipe, runs: &Path) -> Vec<Entry> {
    const SOURCE: &str = "transfer-source";
    let few = Recipe {
        classes: Some(VEHICLES.map(str::to_owned).to_vec()),
        image_limit: Some(FEW_IMAGES),
        epochs: 30,
        ..base.clone()
    };
    vec![
        entry(
            SOURCE,
            SOURCE,
            "six kinds of animals, 27,000 images, 2 epochs: whose convolutions are transferred",
            Recipe {
                classes: Some(ANIMALS.map(str::to_owned).to_vec()),
                image_limit: None,
                epochs: 2,
                ..base.clone()
            },
        ),
        entry(
            "transfer-scratch",
            "transfer-scratch",
            "four kinds of vehicles, 400 images, from random weights",
            few.clone(),
        ),
        entry(
            "transfer",
            "transfer",
            "four kinds of vehicles, 400 images, from the animals' convolutions",
            Recipe {
                transfer: Some(runs.join(SOURCE)),
                ..few
            },
        ),
    ]
}
