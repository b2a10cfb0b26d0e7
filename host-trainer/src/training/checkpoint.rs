//! Checkpoints: everything that a run needs to go on after an epoch as if it had never stopped.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::RecordError;
use burn::tensor::Device;

use super::{TrainingError, optimizer};
use crate::dataset::Description;
use crate::files::{self, FileError};
use crate::history::History;
use crate::network::{Network, load_weights, save_weights};
use crate::recipe::Recipe;
use crate::run::Run;

/// A run's state between two epochs. What else the run needs follows from the recipe and the history.
pub struct Checkpoint {
    /// The weights as the optimizer left them.
    pub network: Network,
    /// The optimizer with its momenta.
    pub optimizer: ModuleOptimizer,
    /// The weights' moving average, on the device without autodiff.
    pub average: Network,
    /// What was measured so far, an entry an epoch.
    pub history: History,
}

const NETWORK: &str = "network.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const AVERAGE: &str = "average.bpk";
const HISTORY: &str = "history.json";

impl Checkpoint {
    /// Saves the checkpoint under `directory` and removes older ones. At every moment a complete one is there.
    pub fn save(&self, directory: &Path) -> Result<(), TrainingError> {
        let target = directory.join(self.history.epochs.len().to_string());
        let partial = target.with_extension("partial");
        let failed = |source| FileError::write(&partial)(source);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed)?;
        }
        fs::create_dir_all(&partial).map_err(failed)?;
        save_weights(self.network.valid(), None, &partial.join(NETWORK))?;
        let state = partial.join(OPTIMIZER);
        files::write(&state, &self.optimizer.into_bytes().map_err(state_failed(state.clone()))?)?;
        save_weights(self.average.clone(), None, &partial.join(AVERAGE))?;
        files::write_json(&partial.join(HISTORY), &self.history)?;
        if target.exists() {
            fs::remove_dir_all(&target).map_err(failed)?;
        }
        files::rename(&partial, &target).map_err(failed)?;
        for older in saved(directory) {
            if older != target {
                fs::remove_dir_all(&older).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Loads the newest checkpoint of `run`, trained by `recipe` on such a data set; `None` if there is none.
    pub fn load(
        run: &Run,
        recipe: &Recipe,
        dataset: &Description,
        device: &Device,
    ) -> Result<Option<Self>, TrainingError> {
        let Some(newest) = saved(&run.checkpoints()).pop() else {
            return Ok(None);
        };
        let inference = device.clone().without_autodiff();
        let load = |name| load_weights(recipe, dataset, None, &newest.join(name), &inference);
        let network = load(NETWORK)?.train();
        let file = newest.join(OPTIMIZER);
        let optimizer = optimizer::optimizer(recipe, &network).load(&file).map_err(state_failed(file))?;
        Ok(Some(Self {
            network,
            optimizer,
            average: load(AVERAGE)?,
            history: files::read_json(&newest.join(HISTORY))?,
        }))
    }
}

fn state_failed(path: PathBuf) -> impl FnOnce(RecordError) -> TrainingError {
    |source| TrainingError::OptimizerState { path, source }
}

/// The complete checkpoints under `directory`, oldest first.
fn saved(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut epochs: Vec<usize> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    epochs.sort_unstable();
    epochs.into_iter().map(|epoch| directory.join(epoch.to_string())).collect()
}
