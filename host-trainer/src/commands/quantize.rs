//! `quantize`: from a run's weights to a blob, measured on the test set.

use std::path::{Path, PathBuf};

use clap::Args;
use host_trainer::dataset::Cifar10;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate;
use host_trainer::quantize::{CALIBRATION_IMAGES, NOT_MEASURED, quantize};
use host_trainer::recipe::Recipe;
use host_trainer::report::history::History;
use host_trainer::report::model::{self, ModelFiles, ModelReport, ModelSize};
use host_trainer::training::{self, HISTORY_FILE, RECIPE_FILE, TrainingData, WEIGHTS_FILE};
use shared_model::Model;

use super::CommandResult;
use super::data::Directory;

/// Flags of `quantize`.
#[derive(Args)]
pub struct Arguments {
    /// Folder of the trained run.
    #[arg(long)]
    run: PathBuf,
    /// Blob to write; weights and report go beside it. Default: in the run's folder, named like the run.
    #[arg(long)]
    output: Option<PathBuf>,
    /// What computes the float network.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    data: Directory,
}

/// Runs `quantize`.
pub fn run(arguments: Arguments) -> CommandResult {
    let selected = device::select(arguments.device)?;
    println!("{}", selected.explanation);
    let data = arguments.data.load()?;
    let files = arguments
        .output
        .map_or_else(|| ModelFiles::of_run(&arguments.run), ModelFiles::of_blob);
    let report = quantize_run(&arguments.run, &files, &data, &selected.device)?;
    println!("{}", report.markdown());
    println!("blob: {}", files.blob.display());
    println!("page: {}", files.page().display());
    println!(
        "next: cargo run -p host-trainer -- predict --blob {} PICTURE.png",
        files.blob.display()
    );
    Ok(())
}

/// Quantizes the best weights of `run`, evaluates float and integer network on the test set, writes blob, weights and
/// reports.
pub fn quantize_run(
    run: &Path,
    files: &ModelFiles,
    data: &Cifar10,
    device: &burn::tensor::Device,
) -> Result<ModelReport, Box<dyn std::error::Error>> {
    let recipe: Recipe = serde_json::from_slice(&model::read(&run.join(RECIPE_FILE))?)?;
    let history = History::load(&run.join(HISTORY_FILE))?;
    if history.epochs.is_empty() {
        return Err(format!("{} has no complete epoch yet", run.display()).into());
    }
    let weights = run.join(WEIGHTS_FILE);
    let network = training::load_weights(&recipe, &weights, device)?;
    let training = TrainingData::of(&recipe, &data.train).train;
    let calibration = &training.images[..CALIBRATION_IMAGES.min(training.len())];
    let test = recipe.select(&data.test);

    let (quantization, quantization_report) = quantize(&network, &recipe, calibration, device)?;
    let epochs = u16::try_from(history.epochs.len())?;
    let unmeasured = quantization.blob(&files.name(), &recipe, epochs, NOT_MEASURED)?;
    let model = Model::load(&unmeasured)?;
    let evaluation = evaluate::evaluate(&network, recipe.pixel_scaling, &model, &test, device);
    let blob = quantization.blob(&files.name(), &recipe, epochs, evaluation.accuracy())?;

    model::write(&files.blob, &blob)?;
    model::write(&files.weights(), &model::read(&weights)?)?;
    let report = ModelReport {
        name: files.name(),
        train_images: training.len(),
        history,
        quantization: quantization_report,
        size: ModelSize::of(&model, blob.len()),
        evaluation,
        recipe,
    };
    report.save(files, &test.images)?;
    Ok(report)
}
