//! A recipe as the command line that gives it.

use clap::ValueEnum;

use super::{Augmentation, Optimizer, Recipe, Schedule};

impl Recipe {
    /// The flags of `train` that make this recipe from its preset.
    ///
    /// # Panics
    /// If there is no preset of the recipe's name.
    pub fn flags(&self) -> Vec<String> {
        let preset = Self::preset(&self.preset).expect("a recipe starts from a preset");
        let mut flags = Flags(vec![format!("--preset {}", self.preset)]);
        flags.differing("--epochs", &self.epochs, &preset.epochs);
        flags.differing("--batch-size", &self.batch_size, &preset.batch_size);
        if self.optimizer != preset.optimizer {
            flags.0.extend(optimizer(self.optimizer));
        }
        flags.differing(
            "--learning-rate",
            &self.learning_rate,
            &preset.learning_rate,
        );
        if self.schedule != preset.schedule {
            flags.0.extend(schedule(self.schedule));
        }
        if self.pixel_scaling != preset.pixel_scaling {
            flags.value("--pixel-scaling", value_name(self.pixel_scaling));
        }
        flags.regularization(self, &preset);
        flags.images(self, &preset);
        flags.0
    }
}

struct Flags(Vec<String>);

impl Flags {
    fn value(&mut self, flag: &str, value: impl ToString) {
        self.0.push(format!("{flag} {}", value.to_string()));
    }

    fn differing<T: PartialEq + ToString>(&mut self, flag: &str, value: &T, preset: &T) {
        if value != preset {
            self.value(flag, value.to_string());
        }
    }

    fn optional<T: ToString>(&mut self, flag: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.value(flag, value.to_string());
        }
    }

    fn regularization(&mut self, recipe: &Recipe, preset: &Recipe) {
        self.differing("--weight-decay", &recipe.weight_decay, &preset.weight_decay);
        self.differing(
            "--label-smoothing",
            &recipe.label_smoothing,
            &preset.label_smoothing,
        );
        let rates = |recipe: &Recipe| {
            let mut rates = recipe.block_dropout.clone();
            rates.push(recipe.hidden_dropout);
            list(&rates)
        };
        self.differing("--dropout", &rates(recipe), &rates(preset));
        let Augmentation {
            shift,
            border,
            flip,
            cutout,
        } = recipe.augmentation;
        self.differing("--shift", &shift, &preset.augmentation.shift);
        if border != preset.augmentation.border {
            self.value("--border", value_name(border));
        }
        self.differing("--flip", &flip, &preset.augmentation.flip);
        self.differing("--cutout", &cutout, &preset.augmentation.cutout);
        if recipe.weight_averaging != preset.weight_averaging {
            let decay = recipe.weight_averaging.unwrap_or(0.0);
            self.value("--weight-averaging", decay);
        }
    }

    fn images(&mut self, recipe: &Recipe, preset: &Recipe) {
        self.optional("--patience", &recipe.patience);
        if recipe.all_images {
            self.0.push("--all-images".to_owned());
        }
        self.optional("--images", &recipe.image_limit);
        if recipe.classes.is_some() {
            self.value("--classes", recipe.class_names().join(","));
        }
        let source = recipe.transfer.as_ref().map(|run| run.display());
        self.optional("--transfer", &source);
        self.differing("--seed", &recipe.seed, &preset.seed);
    }
}

fn optimizer(optimizer: Optimizer) -> Vec<String> {
    let sgd = |name: &str, momentum: f64| {
        vec![
            format!("--optimizer {name}"),
            format!("--momentum {momentum}"),
        ]
    };
    match optimizer {
        Optimizer::Sgd {
            momentum,
            nesterov: false,
        } => sgd("sgd", momentum),
        Optimizer::Sgd {
            momentum,
            nesterov: true,
        } => sgd("nesterov", momentum),
        Optimizer::Adam => vec!["--optimizer adam".to_owned()],
        Optimizer::AdamW => vec!["--optimizer adamw".to_owned()],
        Optimizer::Muon {
            momentum,
            rest_rate,
            rest_momentum,
        } => vec![
            "--optimizer muon".to_owned(),
            format!("--momentum {momentum}"),
            format!("--rest-rate {rest_rate}"),
            format!("--rest-momentum {rest_momentum}"),
        ],
    }
}

fn schedule(schedule: Schedule) -> Vec<String> {
    match schedule {
        Schedule::Constant => vec!["--schedule constant".to_owned()],
        Schedule::Cosine => vec!["--schedule cosine".to_owned()],
        Schedule::OneCycle { warm_up } => vec![
            "--schedule one-cycle".to_owned(),
            format!("--warm-up {warm_up}"),
        ],
        Schedule::ReduceOnPlateau { factor, patience } => vec![
            "--schedule reduce-on-plateau".to_owned(),
            format!("--plateau-factor {factor}"),
            format!("--plateau-patience {patience}"),
        ],
    }
}

fn value_name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.expect("no value is hidden").get_name().to_owned()
}

fn list(values: &[f64]) -> String {
    let texts: Vec<String> = values.iter().map(f64::to_string).collect();
    texts.join(",")
}
