//! A network that starts with the convolutions of another.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;

use super::TrainingError;
use crate::dataset::Description;
use crate::network::{Network, load_weights};
use crate::recipe::Recipe;
use crate::run::Run;

/// The recipe's untrained network on `device`, which is with autodiff; with the convolutions of the run that the recipe
/// transfers from, if there is one. Classes, and so the dense layers, may differ.
pub fn starting_network(recipe: &Recipe, dataset: &Description, device: &Device) -> Result<Network, TrainingError> {
    let network = Network::new(recipe, dataset, device);
    Ok(match &recipe.transfer {
        Some(source) => network.with_convolutions_of(trained(recipe, dataset, source, device)?),
        None => network,
    })
}

fn trained(recipe: &Recipe, dataset: &Description, source: &Path, device: &Device) -> Result<Network, TrainingError> {
    let refused = |reason: String| TrainingError::TransferSource { folder: source.to_owned(), reason };
    let run = Run::at(source);
    let trained = run.recipe().map_err(|error| refused(error.to_string()))?;
    let trained_on = run.dataset(&trained).map_err(|error| refused(error.to_string()))?;
    if (&trained.filters, trained.batch_norm) != (&recipe.filters, recipe.batch_norm) {
        return Err(refused(format!(
            "its network is that of {}, this one's that of {}",
            trained.preset, recipe.preset
        )));
    }
    let [.., channels] = dataset.shape;
    if trained_on.shape[2] != channels {
        return Err(refused(format!("its images have {} channels, this one's {channels}", trained_on.shape[2])));
    }
    let device = device.clone().without_autodiff();
    Ok(load_weights(&trained, &trained_on, None, &run.weights_file(), &device)?.train())
}
