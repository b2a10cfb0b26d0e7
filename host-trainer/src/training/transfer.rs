//! A network that starts with the convolutions of another.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;

use super::{RECIPE_FILE, TrainingError, WEIGHTS_FILE, load_weights};
use crate::network::{Block, Network};
use crate::recipe::Recipe;

/// The recipe's untrained network on `device`, which is with autodiff; with the blocks of the run that the recipe
/// transfers from, if there is one. Classes, and so the dense layers, may differ.
pub fn starting_network(recipe: &Recipe, device: &Device) -> Result<Network, TrainingError> {
    let network = recipe.network(device);
    Ok(match &recipe.transfer {
        Some(source) => Network {
            blocks: blocks(recipe, source, device)?,
            ..network
        },
        None => network,
    })
}

fn blocks(recipe: &Recipe, source: &Path, device: &Device) -> Result<Vec<Block>, TrainingError> {
    let refused = |reason: String| TrainingError::TransferSource {
        path: source.to_owned(),
        reason,
    };
    let text = fs::read(source.join(RECIPE_FILE)).map_err(|error| refused(error.to_string()))?;
    let trained: Recipe =
        serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
    if (&trained.filters, trained.batch_norm) != (&recipe.filters, recipe.batch_norm) {
        return Err(refused(format!(
            "its network is that of {}, this one's that of {}",
            trained.preset, recipe.preset
        )));
    }
    let weights = source.join(WEIGHTS_FILE);
    let network = load_weights(&trained, &weights, &device.clone().without_autodiff())?;
    Ok(network.train().blocks)
}
