//! `train`: one run of one recipe.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use host_trainer::camera::Camera;
use host_trainer::dataset::Dataset;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::files;
use host_trainer::recipe::{
    Augmentation, Border, Head, Normalization, OWN_PICTURES, Optimizer, PRESETS, Recipe, Schedule,
};
use host_trainer::report;
use host_trainer::run::Run;
use host_trainer::training::{self, Progress, Start, TrainedRun, TrainingError};
use host_trainer::{output, say};
use serde::Deserialize;

use super::CommandResult;
use super::data::{Directory, check_apart};

/// Flags of `train`.
#[derive(Args)]
#[command(after_help = presets_help())]
pub struct Arguments {
    /// Recipe to start from (see below) [default: own-pictures with a folder of pictures, vgg3-best with CIFAR-10].
    #[arg(long, value_parser = PRESETS.map(|(name, _)| name))]
    preset: Option<String>,
    /// Recipe to start from instead: a run's recipe.json, or the report of a model (NAME.json), whose recipe it takes.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    recipe: Option<PathBuf>,
    /// Name of the run's folder; the preset's name if not given.
    #[arg(long)]
    name: Option<String>,
    /// Continue an interrupted run, started with the same flags.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    data: Directory,
    #[command(flatten)]
    overrides: Overrides,
}

/// Where a run computes and writes.
#[derive(Args)]
pub struct Place {
    /// Folder that holds the runs.
    #[arg(long, default_value_os_t = files::in_repository("runs"), value_parser = folder())]
    pub runs: PathBuf,
    /// What computes.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Plain lines instead of a progress bar.
    #[arg(long)]
    pub plain: bool,
}

impl Place {
    /// How progress is shown here.
    pub fn progress(&self) -> Progress {
        if self.plain { Progress::lines() } else { Progress::automatic() }
    }
}

/// Hyperparameters that replace the preset's.
#[derive(Args)]
#[command(next_help_heading = "Hyperparameters (default: those of the preset or recipe)")]
struct Overrides {
    /// Passes over the training images.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: Option<u16>,
    /// Images in a batch.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..))]
    batch_size: Option<u16>,
    /// Learning rate, or the schedule's peak.
    #[arg(long, value_parser = positive)]
    learning_rate: Option<f64>,
    /// How the learning rate changes.
    #[arg(long, value_enum)]
    schedule: Option<ScheduleName>,
    /// Part of a one-cycle schedule that warms up.
    #[arg(long, default_value_t = 0.15, value_parser = fraction)]
    warm_up: f64,
    /// What a plateau multiplies the learning rate by.
    #[arg(long, default_value_t = 0.5, value_parser = fraction)]
    plateau_factor: f64,
    /// Epochs without a better validation loss that make a plateau.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    plateau_patience: usize,
    /// What turns gradients into updates.
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerName>,
    /// Momentum of SGD (0.9 if not given) or Muon (0.6).
    #[arg(long, requires = "optimizer", value_parser = fraction)]
    momentum: Option<f64>,
    /// Muon's learning rate for what it leaves to SGD (biases, normalization, output layer), relative to its own.
    #[arg(long, default_value_t = 0.85, value_parser = positive)]
    rest_rate: f64,
    /// Muon's momentum for what it leaves to SGD.
    #[arg(long, default_value_t = 0.85, value_parser = fraction)]
    rest_momentum: f64,
    /// Decay of the weights in the gradient (Keras' L2 penalty times 2).
    #[arg(long, value_parser = not_negative)]
    weight_decay: Option<f64>,
    /// Probability mass that targets give away.
    #[arg(long, value_parser = fraction)]
    label_smoothing: Option<f64>,
    /// Dropout rates: one for all, or one after each pool and one after the hidden layer.
    #[arg(long, value_delimiter = ',', value_name = "RATE[,RATE…]", value_parser = fraction)]
    dropout: Option<Vec<f64>>,
    /// Largest shift in pixels.
    #[arg(long)]
    shift: Option<usize>,
    /// What a shift moves in.
    #[arg(long, value_enum)]
    border: Option<Border>,
    /// Flip half of the images.
    #[arg(long)]
    flip: Option<bool>,
    /// Side of a blanked square in pixels.
    #[arg(long)]
    cutout: Option<usize>,
    /// Largest magnification, and reduction, in percent.
    #[arg(long, value_parser = clap::value_parser!(u8).range(..=50))]
    zoom: Option<u8>,
    /// Train for pictures as a camera gives them: exposure, white balance, noise, focus, field of view.
    #[arg(long, value_enum)]
    camera: Option<Camera>,
    /// Filters of the first block's convolutions; each further block has twice as many as the one before.
    #[arg(long, value_parser = clap::value_parser!(u16).range(4..=64))]
    width: Option<u16>,
    /// Blocks of two convolutions and a pool, which halves height and width.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=5))]
    blocks: Option<u8>,
    /// What stands between the blocks and the logits.
    #[arg(long, value_enum)]
    head: Option<Head>,
    /// Learn every class as if it had as many images as the others.
    #[arg(long)]
    class_weights: Option<bool>,
    /// How pixels become inputs.
    #[arg(long, alias = "pixel-scaling", value_enum)]
    normalization: Option<Normalization>,
    /// Decay of the weights' exponential moving average; 0 for none.
    #[arg(long, alias = "weight-averaging", value_parser = fraction)]
    ema: Option<f64>,
    /// Stop after so many epochs without a better validation loss.
    #[arg(long, value_parser = at_least_one)]
    patience: Option<usize>,
    /// Train on all training images and validate on none: for final weights, when every choice is made.
    #[arg(long, conflicts_with = "patience")]
    all_images: bool,
    /// Train and validate on the first N images only, for quick experiments.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    images: Option<u16>,
    /// Tell only these classes apart.
    #[arg(long, value_delimiter = ',', value_name = "CLASS,CLASS[,CLASS…]")]
    classes: Option<Vec<String>>,
    /// Start with the convolutions of the run in that folder, or of the model with that blob, whatever its classes; none
    /// for random ones.
    #[arg(long, value_name = "RUN|BLOB|none")]
    transfer: Option<PathBuf>,
    /// First epochs in which these convolutions stay as they are.
    #[arg(long)]
    frozen_epochs: Option<usize>,
    /// Start of every random number.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ScheduleName {
    Constant,
    OneCycle,
    Cosine,
    ReduceOnPlateau,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OptimizerName {
    Sgd,
    Nesterov,
    Adam,
    Adamw,
    Muon,
}

fn fraction(text: &str) -> Result<f64, String> {
    number(text, |value| (0.0..1.0).contains(&value), "at least 0 and below 1")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "not negative")
}

/// A folder, which need not be there yet.
fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| if path.is_file() { Err("it is a file: give a folder") } else { Ok(path) })
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0, "above 0")
}

/// A number for which `fits` holds; `range` says in words which do.
pub fn number(text: &str, fits: impl Fn(f64) -> bool, range: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && fits(*value));
    value.ok_or_else(|| format!("it must be a number {range}"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let value = text.parse().ok().filter(|value| *value > 0);
    value.ok_or_else(|| "it must be a whole number above 0".to_owned())
}

fn presets_help() -> String {
    let lines = PRESETS.map(|(name, text)| format!("  {name:24} {text}"));
    format!("Presets:\n{}", lines.join("\n"))
}

/// Runs `train`.
pub fn run(arguments: Arguments) -> CommandResult {
    let recipe = arguments.recipe()?;
    let name = arguments.name.as_ref().unwrap_or(&recipe.preset);
    let run = Run::named(&arguments.place.runs, name)?;
    let selected = device::select(arguments.place.device)?;
    say!("{}", selected.explanation);
    let data = arguments.data.load()?;
    check_apart(&data, "--runs", &run.folder)?;
    let dataset = recipe.prepare(&data)?;
    let recipe = arguments.paced(recipe, &dataset);
    let progress = &mut arguments.place.progress();
    let start = if arguments.resume { Start::Resume } else { Start::Anew };
    let trained = match training::train(&recipe, &dataset, &run, start, &selected.device, progress) {
        Err(TrainingError::Stopped { epochs }) => {
            let given = std::env::args_os().skip(2).filter(|word| word != "--resume");
            let given: Vec<String> = given.map(output::word).collect();
            return Err(format!(
                "stopped after {epochs} epochs, which are kept; go on with\n  cargo run -p host-trainer -- train --resume {}",
                given.join(" ")
            )
            .into());
        }
        result => result?,
    };
    draw_curves(&trained, &run)?;
    say!("{}", summary(&trained));
    say!("run: {}", run.folder.display());
    say!("next: cargo run -p host-trainer -- quantize --run {}", output::word(&run.folder));
    Ok(())
}

/// Draws a run's learning curves into its folder.
pub fn draw_curves(trained: &TrainedRun, run: &Run) -> Result<(), report::ReportError> {
    report::learning_curves(&trained.history, &run.name(), &run.curves_file("png"), &run.curves_file("svg"))
}

/// One line about how a run ended.
pub fn summary(trained: &TrainedRun) -> String {
    let epochs = &trained.history.epochs;
    let seconds = trained.history.seconds();
    let validation = trained.history.best().and_then(|best| {
        let accuracy = best.validation?.accuracy;
        Some(format!("; best validation accuracy {accuracy:.2} % after epoch {}", best.epoch))
    });
    format!("trained {} epochs in {:.1} min{}", epochs.len(), seconds / 60.0, validation.unwrap_or_default())
}

/// A file that holds a recipe: alone, or in a model's report.
#[derive(Deserialize)]
#[serde(untagged)]
enum RecipeFile {
    Report { recipe: Recipe },
    Recipe(Recipe),
}

impl Arguments {
    fn recipe(&self) -> Result<Recipe, Box<dyn std::error::Error>> {
        let mut recipe = match &self.recipe {
            Some(file) => match files::read_json(file)? {
                RecipeFile::Report { recipe } | RecipeFile::Recipe(recipe) => recipe,
            },
            None => {
                let usual = if self.data.is_folder() { OWN_PICTURES } else { "vgg3-best" };
                let preset = self.preset.as_deref().unwrap_or(usual);
                Recipe::preset(preset).ok_or_else(|| format!("no preset {preset}"))?
            }
        };
        let overrides = &self.overrides;
        if let Some(source) = overrides.transfer.as_ref().filter(|source| source.to_str().is_none()) {
            return Err(
                format!("--transfer {}: a recipe keeps paths as text: name one in UTF-8", source.display()).into()
            );
        }
        overrides.apply_training(&mut recipe);
        overrides.apply_regularization(&mut recipe)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// With as many epochs as suit the pictures, where neither a flag nor a file says how many.
    fn paced(&self, recipe: Recipe, dataset: &Dataset) -> Recipe {
        if recipe.preset != OWN_PICTURES || self.recipe.is_some() {
            return recipe;
        }
        let mut recipe = recipe.paced(self.overrides.epochs.map(usize::from), dataset);
        set(&mut recipe.frozen_epochs, &self.overrides.frozen_epochs);
        recipe
    }
}

fn set<T: Clone>(target: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

impl Overrides {
    fn apply_training(&self, recipe: &mut Recipe) {
        set(&mut recipe.epochs, &self.epochs.map(usize::from));
        set(&mut recipe.batch_size, &self.batch_size.map(usize::from));
        set(&mut recipe.learning_rate, &self.learning_rate);
        set(&mut recipe.seed, &self.seed);
        set(&mut recipe.normalization, &self.normalization);
        if let Some(schedule) = self.schedule {
            recipe.schedule = match schedule {
                ScheduleName::Constant => Schedule::Constant,
                ScheduleName::OneCycle => Schedule::OneCycle { warm_up: self.warm_up },
                ScheduleName::Cosine => Schedule::Cosine,
                ScheduleName::ReduceOnPlateau => {
                    Schedule::ReduceOnPlateau { factor: self.plateau_factor, patience: self.plateau_patience }
                }
            };
        }
        if let Some(optimizer) = self.optimizer {
            recipe.optimizer = self.optimizer(optimizer);
        }
        if let Some(decay) = self.ema {
            recipe.ema = Some(decay).filter(|&decay| decay > 0.0);
        }
        recipe.patience = self.patience.or(recipe.patience);
        recipe.all_images |= self.all_images;
        recipe.image_limit = self.images.map(usize::from).or(recipe.image_limit);
        set(&mut recipe.classes, &self.classes.clone().map(Some));
        if self.width.is_some() || self.blocks.is_some() {
            recipe.set_size(self.width.map(usize::from), self.blocks.map(usize::from));
        }
        set(
            &mut recipe.transfer,
            &self.transfer.clone().map(|source| Some(source).filter(|path| *path != Path::new("none"))),
        );
        set(&mut recipe.frozen_epochs, &self.frozen_epochs);
        set(&mut recipe.head, &self.head);
        set(&mut recipe.class_weights, &self.class_weights);
    }

    fn optimizer(&self, name: OptimizerName) -> Optimizer {
        let sgd = |nesterov| Optimizer::Sgd { momentum: self.momentum.unwrap_or(0.9), nesterov };
        match name {
            OptimizerName::Sgd => sgd(false),
            OptimizerName::Nesterov => sgd(true),
            OptimizerName::Adam => Optimizer::Adam,
            OptimizerName::Adamw => Optimizer::AdamW,
            OptimizerName::Muon => Optimizer::Muon {
                momentum: self.momentum.unwrap_or(0.6),
                rest_rate: self.rest_rate,
                rest_momentum: self.rest_momentum,
            },
        }
    }

    fn apply_regularization(&self, recipe: &mut Recipe) -> Result<(), String> {
        set(&mut recipe.weight_decay, &self.weight_decay);
        set(&mut recipe.label_smoothing, &self.label_smoothing);
        if let Some(rates) = &self.dropout {
            recipe.set_dropout(rates)?;
        }
        let augmentation: &mut Augmentation = &mut recipe.augmentation;
        set(&mut augmentation.shift, &self.shift);
        set(&mut augmentation.border, &self.border);
        set(&mut augmentation.flip, &self.flip);
        set(&mut augmentation.cutout, &self.cutout);
        set(&mut augmentation.zoom, &self.zoom);
        set(&mut augmentation.camera, &self.camera.map(Some));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        train: Arguments,
    }

    fn recipe(flags: &str) -> Recipe {
        let command = Command::try_parse_from(["train"].into_iter().chain(flags.split_whitespace())).unwrap();
        command.train.recipe().unwrap()
    }

    #[test]
    fn flags_change_what_a_file_or_preset_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recipe.json");
        let saved = Recipe {
            seed: 7,
            image_limit: Some(500),
            classes: Some(vec!["truck".to_owned(), "cat".to_owned()]),
            schedule: Schedule::ReduceOnPlateau { factor: 0.3, patience: 2 },
            patience: Some(4),
            ema: None,
            ..Recipe::preset("vgg2").unwrap()
        };
        let from_file = format!("--recipe {}", file.display());
        files::write_json(&file, &saved).unwrap();
        assert_eq!(recipe(&from_file), saved);
        files::write_json(&file, &serde_json::json!({ "name": "a model", "recipe": saved })).unwrap();
        assert_eq!(recipe(&from_file), saved);

        let changed = recipe(&format!(
            "{from_file} --optimizer muon --momentum 0.5 --rest-rate 2 --rest-momentum 0.7 --schedule cosine --ema 0.99 \
             --dropout 0.1,0.25,0 --shift 2 --border reflect --flip true --cutout 6 --normalization centred --epochs 3 \
             --zoom 10 --camera any --head global-average --class-weights true \
             --batch-size 32 --learning-rate 0.0125 --label-smoothing 0.05 --images 600 --classes dog,ship --seed 8 --patience 9"
        ));
        let expected = Recipe {
            optimizer: Optimizer::Muon { momentum: 0.5, rest_rate: 2.0, rest_momentum: 0.7 },
            schedule: Schedule::Cosine,
            ema: Some(0.99),
            block_dropout: vec![0.1, 0.25],
            hidden_dropout: 0.0,
            augmentation: Augmentation {
                shift: 2,
                border: Border::Reflect,
                flip: true,
                cutout: 6,
                zoom: 10,
                camera: Some(Camera::Any),
            },
            head: Head::GlobalAverage,
            class_weights: true,
            normalization: Normalization::Centred,
            epochs: 3,
            batch_size: 32,
            learning_rate: 0.0125,
            label_smoothing: 0.05,
            image_limit: Some(600),
            classes: Some(vec!["dog".to_owned(), "ship".to_owned()]),
            seed: 8,
            patience: Some(9),
            ..saved
        };
        assert_eq!(changed, expected);
        let all = recipe(
            "--preset vgg1 --all-images --transfer runs/other --optimizer adamw --weight-averaging 0 --weight-decay 0.01",
        );
        assert!(all.all_images && all.transfer == Some("runs/other".into()) && all.optimizer == Optimizer::AdamW);
    }
}
