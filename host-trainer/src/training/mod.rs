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

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use burn::module::Module;
use burn::store::RecordError;
use burn::tensor::Device;
use serde::Serialize;
use serde_json::Value;

use batch::{Batch, EpochBatches};
use checkpoint::Checkpoint;
pub use progress::Progress;
use step::{Loss, Statistics};

use crate::dataset::{Dataset, LabelledImages};
use crate::files::{self, FileError};
use crate::history::{Epoch, History, Validation};
use crate::network::{FloatModel, Network, WeightsError, load_weights, save_weights, to_tensor};
use crate::recipe::{Recipe, Schedule};
use crate::run::Run;

/// Why a training run ended early or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A file of the run could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimizer's state could not be saved or loaded.
    #[error("{} cannot be used: {source}; put a whole copy there, or delete the run's folder and train again", path.display())]
    OptimizerState {
        /// The file.
        path: PathBuf,
        /// What burn says.
        source: RecordError,
    },
    /// The folder holds a run already.
    #[error(
        "{} holds a run already: continue it with --resume, name another with --name, or delete the folder", folder.display()
    )]
    RunExists {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The folder's run was made by another recipe, or on another data set.
    #[error("{} was made otherwise: {differences}; go on with the flags and pictures it was started with, or choose another folder with --runs", folder.display())]
    OtherRun {
        /// The run's folder.
        folder: PathBuf,
        /// What differs, with both values.
        differences: String,
    },
    /// There is no run to go on with.
    #[error("nothing to resume: {} {reason}", folder.display())]
    NothingToResume {
        /// The run's folder.
        folder: PathBuf,
        /// Why not, as the end of a sentence about the folder.
        reason: &'static str,
    },
    /// Another process trains the run.
    #[error("{0}")]
    Locked(String),
    /// What convolutions were to come from has none that fit.
    #[error(
        "cannot start with the convolutions of {}: {reason}; name the folder of a trained run, or the blob of a model, of \
         the same network", path.display()
    )]
    TransferSource {
        /// The run's folder, or the blob.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss is no number any more.
    #[error(
        "the training diverged in epoch {epoch}: {what} is no number any more; earlier epochs are kept; lower the learning \
         rate with --learning-rate"
    )]
    Diverged {
        /// The epoch that it happened in.
        epoch: usize,
        /// What was found first.
        what: &'static str,
    },
    /// The user stopped the run.
    #[error("stopped after {epochs} epochs: continue with the same command, `train` with --resume")]
    Stopped {
        /// Complete epochs, which are saved.
        epochs: usize,
    },
}

/// What a run ends with.
pub struct TrainedRun {
    /// The best epoch's weights (averaged if the recipe averages), on the device without autodiff.
    pub network: Network,
    /// Every epoch's figures.
    pub history: History,
}

/// Where a training begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With epoch 1; the folder must not hold a run.
    Anew,
    /// With the epoch after the last checkpoint; the folder must hold a run.
    Resume,
    /// As [`Start::Resume`] if the folder holds a run, else as [`Start::Anew`].
    Continue,
}

/// Trains by `recipe` on `dataset`, which was made for it, leaving recipe, history, checkpoints and best weights in `run`.
///
/// An interrupted run goes on and ends with the same weights as an uninterrupted one on the same machine. A complete one
/// is left as it is.
pub fn train(
    recipe: &Recipe,
    dataset: &Dataset,
    run: &Run,
    start: Start,
    device: &Device,
    progress: &mut Progress,
) -> Result<TrainedRun, TrainingError> {
    let description = &dataset.description;
    let inference = device.clone();
    let device = device.clone().autodiff();
    let begin = || transfer::starting_network(recipe, description, &device);
    // A refusal leaves nothing; and after the lock another process may have begun the run.
    let network = if is_begun(recipe, dataset, run, start)? { None } else { Some(begin()?) };
    let _lock = run.lock().map_err(TrainingError::Locked)?;
    if !is_begun(recipe, dataset, run, start)? {
        if let Some(record) = &dataset.record {
            files::write_json(&run.data_file(), record)?;
        }
        files::write_json(&run.dataset_file(), description)?;
        files::write_json(&run.recipe_file(), recipe)?;
    }
    let mut state = match Checkpoint::load(run, recipe, description, &device)? {
        Some(saved) => {
            // The run may have ended between its checkpoint and its history.
            if files::read_json_if_present(&run.history_file())?.as_ref() != Some(&saved.history) {
                files::write_json(&run.history_file(), &saved.history)?;
            }
            saved
        }
        None => {
            if let Some(history) = files::read_json_if_present::<History>(&run.history_file())? {
                if !is_complete(recipe, &history) {
                    let reason = "has a history but no checkpoints any more; choose another folder with --runs";
                    return Err(TrainingError::NothingToResume { folder: run.folder.clone(), reason });
                }
                let network = load_weights(recipe, description, None, &run.weights_file(), &inference)?;
                return Ok(TrainedRun { network, history });
            }
            let network = network.map_or_else(begin, Ok)?;
            Checkpoint {
                average: network.valid(),
                optimizer: optimizer::optimizer(recipe, &network),
                network,
                history: History::default(),
            }
        }
    };
    progress.start(recipe, dataset.train.len(), state.history.epochs.len());
    while !is_complete(recipe, &state.history) {
        state = train_epoch(state, recipe, dataset, &device, progress)?;
        let epochs = &state.history.epochs;
        if state.history.best() == epochs.last() {
            save_weights(state.average.clone(), None, &run.weights_file())?;
        }
        state.save(&run.checkpoints())?;
        // Last: where there is a history there is a checkpoint.
        files::write_json(&run.history_file(), &state.history)?;
        progress.epoch_done(&state.history);
    }
    progress.finish();
    Ok(TrainedRun {
        network: load_weights(recipe, description, None, &run.weights_file(), &inference)?,
        history: state.history,
    })
}

/// Whether the folder holds this run, and not another one.
fn is_begun(recipe: &Recipe, dataset: &Dataset, run: &Run, start: Start) -> Result<bool, TrainingError> {
    let folder = || run.folder.clone();
    match (files::read_json_if_present::<Recipe>(&run.recipe_file())?, start) {
        (None, Start::Anew | Start::Continue) => Ok(false),
        (None, Start::Resume) => {
            Err(TrainingError::NothingToResume { folder: folder(), reason: "holds no run; start it without --resume" })
        }
        (Some(_), Start::Anew) => Err(TrainingError::RunExists { folder: folder() }),
        (Some(present), Start::Resume | Start::Continue) => {
            let of_recipe = differences(&present, recipe);
            let of_data = match (run.data()?, &dataset.record) {
                (Some(before), Some(now)) => before.differences(now),
                (Some(_), None) | (None, _) => differences(&run.dataset(recipe)?, &dataset.description),
            };
            let differences = [of_recipe, of_data].concat().join(", ");
            if differences.is_empty() {
                Ok(true)
            } else {
                Err(TrainingError::OtherRun { folder: folder(), differences })
            }
        }
    }
}

/// The fields that differ, each with both values: what is `present` in a run's folder, and what is `asked` for.
pub fn differences<T: Serialize>(present: &T, asked: &T) -> Vec<String> {
    let fields = |value| serde_json::to_value(value).expect("it is plain data");
    let mut found = Vec::new();
    compare("", Some(&fields(present)), Some(&fields(asked)), &mut found);
    found
}

fn compare(name: &str, present: Option<&Value>, asked: Option<&Value>, found: &mut Vec<String>) {
    match (present, asked) {
        (Some(Value::Object(present)), Some(Value::Object(asked))) => {
            let names: BTreeSet<&String> = present.keys().chain(asked.keys()).collect();
            for inner in names {
                let path = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                compare(&path, present.get(inner), asked.get(inner), found);
            }
        }
        _ if present == asked => {}
        _ => {
            let [there, here] = [present, asked]
                .map(|value| value.filter(|value| !value.is_null()).map_or("nothing".to_owned(), Value::to_string));
            found.push(format!("{name} is {there} there and {here} here"));
        }
    }
}

fn train_epoch(
    state: Checkpoint,
    recipe: &Recipe,
    dataset: &Dataset,
    device: &Device,
    progress: &mut Progress,
) -> Result<Checkpoint, TrainingError> {
    let begin = Instant::now();
    let epoch = state.history.epochs.len() + 1;
    let inference = device.clone().without_autodiff();
    let batches = EpochBatches::new(recipe, dataset, epoch, &inference);
    let loss = Loss::new(recipe, &dataset.train, dataset.description.labels.len());
    let (mut state, statistics, learning_rate) = thread::scope(|scope| {
        let steps = EpochBatches::count(dataset.train.len(), recipe.batch_size);
        train_on(batches.ahead(scope), steps, state, recipe, &loss, device, progress)
    })?;
    if !state.network.is_finite() || !state.average.is_finite() {
        return Err(TrainingError::Diverged { epoch, what: "a weight" });
    }
    let measured = |images| {
        let network = state.average.clone();
        evaluate(&FloatModel::new(network, recipe, &dataset.description, &inference), images)
    };
    let validation = dataset.validation.as_ref().map(measured);
    if validation.is_some_and(|measured: Statistics| !measured.loss().is_finite()) {
        return Err(TrainingError::Diverged { epoch, what: "the validation loss" });
    }
    state.history.epochs.push(Epoch {
        epoch,
        learning_rate,
        train_loss: statistics.loss(),
        train_accuracy: statistics.accuracy(),
        validation: validation.map(|measured| Validation { loss: measured.loss(), accuracy: measured.accuracy() }),
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
    loss: &Loss,
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
        let (mut gradients, measured) = step::gradients(&state.network, batch, loss, micro_batches(device));
        if done < recipe.frozen_epochs {
            transfer::freeze_convolutions(&state.network, &mut gradients);
        }
        state.network = state.optimizer.step(rate, state.network, gradients);
        let current = state.network.valid();
        state.average = match recipe.ema {
            Some(decay) => average::average(state.average, &current, ema_decay(decay, step)),
            None => current,
        };
        if !measured.loss().is_finite() {
            return Err(TrainingError::Diverged { epoch: done + 1, what: "the loss" });
        }
        statistics += measured;
        progress.step_done(done + 1, measured, statistics.images);
        if progress.should_stop() {
            return Err(TrainingError::Stopped { epochs: done });
        }
    }
    Ok((state, statistics, rate))
}

/// Seconds that training by `recipe` takes for an image here, measured on two batches.
pub fn seconds_an_image(recipe: &Recipe, dataset: &Dataset, device: &Device) -> f64 {
    let network = Network::new(recipe, &dataset.description, &device.clone().autodiff());
    let mut seconds = f64::INFINITY;
    let loss = Loss::default();
    // The first batch warms up what is measured with the second.
    for batch in EpochBatches::new(recipe, dataset, 1, device).take(2) {
        let begin = Instant::now();
        let images = batch.len() as f64;
        step::gradients(&network, batch, &loss, micro_batches(device));
        seconds = begin.elapsed().as_secs_f64() / images;
    }
    seconds
}

/// Loss and accuracy of a float network.
pub fn evaluate(model: &FloatModel, data: &LabelledImages) -> Statistics {
    const IMAGES_AT_ONCE: usize = 250;
    let mut statistics = Statistics::default();
    for (images, labels) in data.images.chunks(IMAGES_AT_ONCE).zip(data.labels.chunks(IMAGES_AT_ONCE)) {
        let batch = Batch {
            images: to_tensor(images, model.shape, &model.statistics, &model.device),
            labels: batch::labels_to_tensor(labels, &model.device),
            masks: Vec::new(),
        };
        statistics += step::evaluate(&model.network, batch);
    }
    statistics
}

/// Threads that share a batch: see [`step::gradients`]. A GPU and the slow reference backend take batches whole.
fn micro_batches(device: &Device) -> usize {
    if crate::device::is_flex(device) { 2 } else { 1 }
}

/// The average's decay at `step`: little in the beginning, when the average would otherwise still remember the random
/// initial weights.
fn ema_decay(target: f64, step: usize) -> f64 {
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
    epoch.validation.map_or(f64::INFINITY, |figures| figures.loss)
}

/// Whether all epochs are trained, or patience ended.
fn is_complete(recipe: &Recipe, history: &History) -> bool {
    let losses = history.epochs.iter().map(validation_loss);
    let best = losses.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    let out_of_patience = recipe.patience.zip(best);
    history.epochs.len() >= recipe.epochs
        || out_of_patience.is_some_and(|(patience, (index, _))| history.epochs.len() - 1 - index >= patience)
}
