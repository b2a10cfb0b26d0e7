//! Checkpoints: everything that a run needs to go on after an epoch as if it had never stopped.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::{TrainingError, load_weights};
use crate::network::Network;
use crate::recipe::Recipe;
use crate::report::history::History;

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
        let failed = |source| TrainingError::write(&partial, source);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed)?;
        }
        fs::create_dir_all(&partial).map_err(failed)?;
        save_network(self.network.valid(), partial.join(NETWORK))?;
        let optimizer = partial.join(OPTIMIZER);
        let result = self.optimizer.save(&optimizer);
        result.map_err(TrainingError::record(optimizer))?;
        save_network(self.average.clone(), partial.join(AVERAGE))?;
        self.history.save(&partial.join(HISTORY))?;
        if target.exists() {
            fs::remove_dir_all(&target).map_err(failed)?;
        }
        fs::rename(&partial, &target).map_err(failed)?;
        for older in saved(directory) {
            if older != target {
                fs::remove_dir_all(&older).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Loads the newest checkpoint under `directory`; `None` if there is none.
    pub fn load(
        directory: &Path,
        recipe: &Recipe,
        optimizer: ModuleOptimizer,
        device: &Device,
    ) -> Result<Option<Self>, TrainingError> {
        let Some(newest) = saved(directory).pop() else {
            return Ok(None);
        };
        let inference = device.clone().without_autodiff();
        let network = load_weights(recipe, &newest.join(NETWORK), &inference)?;
        let file = newest.join(OPTIMIZER);
        let optimizer = optimizer.load(&file).map_err(TrainingError::record(file))?;
        Ok(Some(Self {
            network: network.train(),
            optimizer,
            average: load_weights(recipe, &newest.join(AVERAGE), &inference)?,
            history: History::load(&newest.join(HISTORY))?,
        }))
    }
}

fn save_network(network: Network, file: PathBuf) -> Result<(), TrainingError> {
    network
        .save_file(&file)
        .map_err(TrainingError::record(file))
}

/// The complete checkpoints under `directory`, oldest first.
fn saved(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut epochs: Vec<usize> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    epochs.sort_unstable();
    epochs
        .into_iter()
        .map(|epoch| directory.join(epoch.to_string()))
        .collect()
}
