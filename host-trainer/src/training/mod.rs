//! The training loop.
//!
//! It is ours rather than burn-train's, because a run must be resumable to the bit and must average its weights:
//! burn-train restores neither the random state nor what early stopping has seen, and knows no averaging.

mod average;
pub mod batch;
mod checkpoint;
mod muon;
pub mod optimizer;
mod progress;
pub mod step;
mod transfer;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use burn::module::Module;
use burn::store::RecordError;
use burn::tensor::Device;

use batch::{Batch, EpochBatches};
use checkpoint::Checkpoint;
pub use progress::Progress;
use step::Statistics;

use crate::dataset::{self, LabelledImages};
use crate::network::{DropoutMasks, Network};
use crate::recipe::{PixelScaling, Recipe, Schedule};
use crate::report::history::{Epoch, History, HistoryError, Validation};

/// File of the recipe in a run's folder.
pub const RECIPE_FILE: &str = "recipe.json";
/// File of the history in a run's folder.
pub const HISTORY_FILE: &str = "history.json";
/// File of the best weights in a run's folder.
pub const WEIGHTS_FILE: &str = "weights.bpk";
/// Folder of the checkpoints in a run's folder.
const CHECKPOINTS: &str = "checkpoints";

/// Why a training run ended early or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A file of the run could not be written.
    #[error("cannot write {path}: {source}; free some room or choose another folder with --runs")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Weights or the optimizer's state could not be saved or loaded.
    #[error("{path} could not be saved or loaded: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What burn says.
        source: RecordError,
    },
    /// The history could not be saved or loaded.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The folder holds a run already.
    #[error(
        "{path} holds a run already: continue it with --resume, name another with --name, or delete the folder"
    )]
    RunExists {
        /// The run's folder.
        path: PathBuf,
    },
    /// The folder's run was made by another recipe.
    #[error("{path} was made by another recipe: resume with the flags it was started with")]
    OtherRecipe {
        /// The recipe's file.
        path: PathBuf,
    },
    /// The run that convolutions were to come from has none that fit.
    #[error(
        "cannot start with the convolutions of {path}: {reason}; name the folder of a trained run of the same network"
    )]
    TransferSource {
        /// The run's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} in epoch {epoch}: lower the learning rate with --learning-rate"
    )]
    Diverged {
        /// The epoch that it happened in.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// The user stopped the run.
    #[error("stopped after {epochs} epochs: continue with the same command, `train` with --resume")]
    Stopped {
        /// Complete epochs, which are saved.
        epochs: usize,
    },
}

impl TrainingError {
    fn record(path: PathBuf) -> impl FnOnce(RecordError) -> Self {
        |source| Self::Record { path, source }
    }

    fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// What a run trains on and is judged by.
pub struct TrainingData {
    /// Images whose gradients are taken.
    pub train: LabelledImages,
    /// Images that choose the best epoch; without them the last epoch is the best.
    pub validation: Option<LabelledImages>,
}

impl TrainingData {
    /// What `recipe` trains on and is judged by, of the data set's training images.
    pub fn of(recipe: &Recipe, images: &LabelledImages) -> Self {
        let split = (!recipe.all_images).then(|| dataset::split(images, dataset::SPLIT_SEED));
        let (train, validation) = match &split {
            Some(split) => (&split.training, Some(&split.validation)),
            None => (images, None),
        };
        let select = |images| {
            let mut selected = recipe.select(images);
            selected.truncate(recipe.image_limit.unwrap_or(usize::MAX));
            selected
        };
        Self {
            train: select(train),
            validation: validation.map(select),
        }
    }
}

/// What a run ends with.
pub struct TrainedRun {
    /// The best epoch's weights (averaged if the recipe averages), on the device without autodiff.
    pub network: Network,
    /// Every epoch's figures.
    pub history: History,
}

/// Trains by `recipe`, leaving recipe, history, checkpoints and best weights in the folder `run`.
///
/// With `resume` an interrupted run goes on and ends with the same weights as an uninterrupted one on the same
/// machine; without, the folder must not hold a run.
pub fn train(
    recipe: &Recipe,
    data: &TrainingData,
    run: &Path,
    resume: bool,
    device: &Device,
    progress: &mut Progress,
) -> Result<TrainedRun, TrainingError> {
    let device = device.clone().autodiff();
    let network = transfer::starting_network(recipe, &device)?;
    prepare_folder(recipe, run, resume)?;
    let mut state = resume_or_begin(network, recipe, run, &device)?;
    progress.start(recipe, data.train.len(), state.history.epochs.len());
    while state.history.epochs.len() < recipe.epochs && !out_of_patience(recipe, &state.history) {
        state = train_epoch(state, recipe, data, &device, progress)?;
        let epochs = &state.history.epochs;
        if state.history.best() == epochs.last() {
            let weights = run.join(WEIGHTS_FILE);
            let partial = run.join("weights.partial.bpk");
            let saved = state.average.clone().save_file(&partial);
            saved.map_err(TrainingError::record(partial.clone()))?;
            fs::rename(&partial, &weights)
                .map_err(|source| TrainingError::write(&weights, source))?;
        }
        state.history.save(&run.join(HISTORY_FILE))?;
        state.save(&run.join(CHECKPOINTS))?;
        progress.epoch_done(&state.history);
    }
    progress.finish();
    Ok(TrainedRun {
        network: load_weights(recipe, &run.join(WEIGHTS_FILE), &device.without_autodiff())?,
        history: state.history,
    })
}

/// The recipe's network with the weights of `file`, on a device without autodiff.
pub fn load_weights(
    recipe: &Recipe,
    file: &Path,
    device: &Device,
) -> Result<Network, TrainingError> {
    let loaded = recipe.network(device).try_load_file(file);
    loaded.map_err(TrainingError::record(file.to_owned()))
}

fn prepare_folder(recipe: &Recipe, run: &Path, resume: bool) -> Result<(), TrainingError> {
    let path = run.join(RECIPE_FILE);
    let text = serde_json::to_string_pretty(recipe).expect("a recipe is plain data");
    match fs::read_to_string(&path) {
        Ok(_) if !resume => Err(TrainingError::RunExists {
            path: run.to_owned(),
        }),
        Ok(present) if present != text => Err(TrainingError::OtherRecipe { path }),
        Ok(_) => Ok(()),
        Err(_) => fs::create_dir_all(run)
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| TrainingError::write(&path, source)),
    }
}

fn resume_or_begin(
    network: Network,
    recipe: &Recipe,
    run: &Path,
    device: &Device,
) -> Result<Checkpoint, TrainingError> {
    let optimizer = optimizer::optimizer(recipe);
    if let Some(saved) =
        Checkpoint::load(&run.join(CHECKPOINTS), recipe, optimizer.clone(), device)?
    {
        return Ok(saved);
    }
    Ok(Checkpoint {
        average: network.valid(),
        network,
        optimizer,
        history: History::default(),
    })
}

fn train_epoch(
    state: Checkpoint,
    recipe: &Recipe,
    data: &TrainingData,
    device: &Device,
    progress: &mut Progress,
) -> Result<Checkpoint, TrainingError> {
    let begin = Instant::now();
    let epoch = state.history.epochs.len() + 1;
    let inference = device.clone().without_autodiff();
    let batches = EpochBatches::new(recipe, &data.train, epoch, &inference);
    let (mut state, statistics, learning_rate) = thread::scope(|scope| {
        let steps = EpochBatches::count(data.train.len(), recipe.batch_size);
        train_on(batches.ahead(scope), steps, state, recipe, device, progress)
    })?;
    if !statistics.loss().is_finite() {
        return Err(TrainingError::Diverged {
            epoch,
            loss: statistics.loss(),
        });
    }
    let validation = data
        .validation
        .as_ref()
        .map(|images| evaluate(&state.average, images, recipe.pixel_scaling, device));
    state.history.epochs.push(Epoch {
        epoch,
        learning_rate,
        train_loss: statistics.loss(),
        train_accuracy: statistics.accuracy(),
        validation: validation.map(|measured| Validation {
            loss: measured.loss(),
            accuracy: measured.accuracy(),
        }),
        seconds: begin.elapsed().as_secs_f64(),
    });
    Ok(state)
}

/// Takes the `steps` steps of an epoch; also returns what they measured, and the last learning rate.
fn train_on(
    batches: impl Iterator<Item = Batch>,
    steps: usize,
    mut state: Checkpoint,
    recipe: &Recipe,
    device: &Device,
    progress: &mut Progress,
) -> Result<(Checkpoint, Statistics, f64), TrainingError> {
    let done = state.history.epochs.len();
    let peak = recipe.learning_rate * plateau_factor(recipe.schedule, &state.history);
    let mut statistics = Statistics::default();
    let mut rate = peak;
    for (index, batch) in batches.enumerate() {
        let step = done * steps + index;
        rate = peak * recipe.schedule.relative_rate(step, recipe.epochs * steps);
        let (gradients, measured) = step::gradients(
            &state.network,
            batch,
            recipe.label_smoothing,
            shards(device),
        );
        state.network = state.optimizer.step(rate, state.network, gradients);
        let current = state.network.valid();
        state.average = match recipe.weight_averaging {
            Some(decay) => average::average(state.average, &current, averaging_decay(decay, step)),
            None => current,
        };
        statistics += measured;
        progress.step_done(done + 1, measured, statistics.images);
        if progress.should_stop() {
            return Err(TrainingError::Stopped { epochs: done });
        }
    }
    Ok((state, statistics, rate))
}

/// Seconds that training by `recipe` takes for an image here, measured on two batches.
pub fn seconds_an_image(recipe: &Recipe, data: &LabelledImages, device: &Device) -> f64 {
    let network = recipe.network(&device.clone().autodiff());
    let mut seconds = f64::INFINITY;
    // The first batch warms up what is measured with the second.
    for batch in EpochBatches::new(recipe, data, 1, device).take(2) {
        let begin = Instant::now();
        let images = batch.len() as f64;
        step::gradients(&network, batch, recipe.label_smoothing, shards(device));
        seconds = begin.elapsed().as_secs_f64() / images;
    }
    seconds
}

/// Loss and accuracy of `network`, which stands on a device without autodiff.
pub fn evaluate(
    network: &Network,
    data: &LabelledImages,
    scaling: PixelScaling,
    device: &Device,
) -> Statistics {
    const IMAGES_AT_ONCE: usize = 250;
    let device = device.clone().without_autodiff();
    let mut statistics = Statistics::default();
    for (images, labels) in data
        .images
        .chunks(IMAGES_AT_ONCE)
        .zip(data.labels.chunks(IMAGES_AT_ONCE))
    {
        let batch = Batch {
            images: batch::to_tensor(images, scaling, &device),
            labels: batch::labels_to_tensor(labels, &device),
            masks: DropoutMasks::default(),
        };
        statistics += step::evaluate(network, batch);
    }
    statistics
}

/// Threads that share a batch: see [`step::gradients`]. A GPU and the slow reference backend take batches whole.
fn shards(device: &Device) -> usize {
    if crate::device::is_flex(device) { 2 } else { 1 }
}

/// The average's decay at `step`: little in the beginning, when the average would otherwise still remember the random
/// initial weights.
fn averaging_decay(target: f64, step: usize) -> f64 {
    let step = step as f64;
    target.min((1.0 + step) / (10.0 + step))
}

/// What the plateaus of the history make of the learning rate.
fn plateau_factor(schedule: Schedule, history: &History) -> f64 {
    let Schedule::ReduceOnPlateau { factor, patience } = schedule else {
        return 1.0;
    };
    let (mut best, mut waited, mut result) = (f64::INFINITY, 0, 1.0);
    for epoch in &history.epochs {
        waited += 1;
        let loss = validation_loss(epoch);
        if loss < best {
            best = loss;
            waited = 0;
        } else if waited >= patience {
            result *= factor;
            waited = 0;
        }
    }
    result
}

/// Recipes that wait for a better validation loss are refused in a run without validation.
fn validation_loss(epoch: &Epoch) -> f64 {
    epoch
        .validation
        .map_or(f64::INFINITY, |figures| figures.loss)
}

fn out_of_patience(recipe: &Recipe, history: &History) -> bool {
    let losses = history.epochs.iter().map(validation_loss);
    let best = losses.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    match (recipe.patience, best) {
        (Some(patience), Some((index, _))) => history.epochs.len() - 1 - index >= patience,
        _ => false,
    }
}
