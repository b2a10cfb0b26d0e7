//! A network that starts with the convolutions of another.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::TrainingError;
use crate::dataset::Description;
use crate::model_files::{Identity, ModelFiles};
use crate::network::{Network, load_weights};
use crate::recipe::Recipe;
use crate::report::model::ModelReport;
use crate::run::Run;

/// The recipe's untrained network on `device`, which is with autodiff; with the convolutions that the recipe transfers, if
/// it does. Classes, the head and the size of images may differ, and grey images may take the convolutions of
/// coloured ones.
pub fn starting_network(recipe: &Recipe, dataset: &Description, device: &Device) -> Result<Network, TrainingError> {
    let network = Network::new(recipe, dataset, device);
    Ok(match &recipe.transfer {
        Some(source) => network.with_convolutions_of(trained(recipe, dataset, source, device)?),
        None => network,
    })
}

/// Takes the gradients of convolutions away, so that a step leaves these as they are.
pub fn freeze_convolutions(network: &Network, gradients: &mut GradientsParams) {
    struct Remover<'a>(&'a mut GradientsParams);
    impl ModuleVisitor for Remover<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.remove::<D>(parameter.id);
        }
    }
    network.visit_convolutions(&mut Remover(gradients));
}

/// What another network is and where its weights are.
struct Source {
    recipe: Recipe,
    dataset: Description,
    weights: std::path::PathBuf,
    identity: Option<Identity>,
}

impl Source {
    /// A run's folder, or a model's blob with report and weights beside it.
    fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        if path.extension().is_some_and(|extension| extension == "blob") {
            let files = ModelFiles::of_blob(path);
            let bytes = files.read_blob()?;
            let report = ModelReport::load(&files.load(&bytes)?, &files)?;
            let (recipe, dataset, identity) = (report.recipe, report.dataset, Some(report.blob));
            return Ok(Self { recipe, dataset, weights: files.weights(), identity });
        }
        let run = Run::at(path);
        let recipe = run.recipe()?;
        let dataset = run.dataset(&recipe)?;
        Ok(Self { recipe, dataset, weights: run.weights_file(), identity: None })
    }
}

fn trained(recipe: &Recipe, dataset: &Description, path: &Path, device: &Device) -> Result<Network, TrainingError> {
    let refused = |reason: String| TrainingError::TransferSource { path: path.to_owned(), reason };
    let source = Source::open(path).map_err(|error| refused(error.to_string()))?;
    if (&source.recipe.filters, source.recipe.batch_norm) != (&recipe.filters, recipe.batch_norm) {
        return Err(refused(format!(
            "its network is that of {}, this one's that of {}",
            source.recipe.preset, recipe.preset
        )));
    }
    let ([.., channels], [.., of_source]) = (dataset.shape, source.dataset.shape);
    if of_source != channels && channels != 1 {
        return Err(refused(format!("its images have {of_source} channels, this one's {channels}")));
    }
    let device = device.clone().without_autodiff();
    let network = load_weights(&source.recipe, &source.dataset, source.identity.as_ref(), &source.weights, &device)?;
    Ok(network.train())
}
