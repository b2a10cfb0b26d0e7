//! `quantize`: from a run's weights to a blob, measured on the test set.

use std::path::{Path, PathBuf};

use burn::module::Module;
use clap::Args;
use host_trainer::dataset::{Cifar10, LabelledImages};
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, Temperature, temperature};
use host_trainer::network::Network;
use host_trainer::quantize::{CALIBRATION_IMAGES, NOT_MEASURED, quantize};
use host_trainer::recipe::{PixelScaling, Recipe};
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
    /// What the logits are divided by to calibrate the probabilities; fitted on the run's validation images if not given,
    /// and to be given for a run on all images, as fitted for another run of its recipe.
    #[arg(long, value_parser = positive)]
    temperature: Option<f64>,
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
    let given = arguments.temperature;
    let report = quantize_run(&arguments.run, &files, &data, given, &selected.device)?;
    println!("{}", report.markdown());
    println!("blob: {}", files.blob.display());
    println!("page: {}", files.page().display());
    println!(
        "next: cargo run -p host-trainer -- predict --blob {} PICTURE.png",
        files.blob.display()
    );
    Ok(())
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text
        .parse()
        .ok()
        .filter(|value: &f64| value.is_normal() && *value > 0.0);
    value.ok_or_else(|| "it must be a number above 0".to_owned())
}

/// Quantizes the best weights of `run`, their probabilities calibrated by the temperature given or fitted on the
/// validation images, evaluates float and integer network on the test set, writes blob, weights and reports.
pub fn quantize_run(
    run: &Path,
    files: &ModelFiles,
    data: &Cifar10,
    temperature: Option<f64>,
    device: &burn::tensor::Device,
) -> Result<ModelReport, Box<dyn std::error::Error>> {
    let recipe: Recipe = serde_json::from_slice(&model::read(&run.join(RECIPE_FILE))?)?;
    let history = History::load(&run.join(HISTORY_FILE))?;
    if history.epochs.is_empty() {
        return Err(format!("{} has no complete epoch yet", run.display()).into());
    }
    let weights = run.join(WEIGHTS_FILE);
    let network = training::load_weights(&recipe, &weights, device)?;
    let TrainingData {
        train: training,
        validation,
    } = TrainingData::of(&recipe, &data.train);
    let calibration = &training.images[..CALIBRATION_IMAGES.min(training.len())];
    let test = recipe.select(&data.test);
    let (network, temperature) = calibrated(
        network,
        recipe.pixel_scaling,
        temperature,
        validation.as_ref(),
        &test,
        device,
    );

    let (quantization, quantization_report) = quantize(&network, &recipe, calibration, device)?;
    let epochs = u16::try_from(history.epochs.len())?;
    let unmeasured = quantization.blob(&files.name(), &recipe, epochs, NOT_MEASURED)?;
    let model = Model::load(&unmeasured)?;
    let evaluation = evaluate::evaluate(&network, recipe.pixel_scaling, &model, &test, device);
    let blob = quantization.blob(&files.name(), &recipe, epochs, evaluation.accuracy())?;

    model::write(&files.blob, &blob)?;
    network.save_file(files.weights())?;
    let report = ModelReport {
        name: files.name(),
        train_images: training.len(),
        history,
        temperature,
        quantization: quantization_report,
        size: ModelSize::of(&model, blob.len()),
        evaluation,
        recipe,
    };
    report.save(files, &test.images)?;
    Ok(report)
}

/// The network with the temperature given, or with the one that fits the validation images; as it is if there is
/// neither.
fn calibrated(
    network: Network,
    scaling: PixelScaling,
    given: Option<f64>,
    validation: Option<&LabelledImages>,
    test: &LabelledImages,
    device: &burn::tensor::Device,
) -> (Network, Option<Temperature>) {
    let fit = |images| temperature::fit_network(&network, scaling, images, device);
    let Some(value) = given.or_else(|| validation.map(fit)) else {
        return (network, None);
    };
    let temperature = Temperature {
        value,
        images: given.map_or_else(|| validation.map(LabelledImages::len), |_| None),
        error_before: temperature::calibration_error(&network, scaling, test, device),
    };
    (network.with_temperature(value), Some(temperature))
}
