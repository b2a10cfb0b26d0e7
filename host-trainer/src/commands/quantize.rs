//! `quantize`: from a run's weights to a blob, measured on the test set.

use std::path::PathBuf;

use clap::Args;
use host_trainer::dataset::{Dataset, LabelledImages};
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, Temperature, temperature};
use host_trainer::files;
use host_trainer::model_files::{Identity, ModelFiles};
use host_trainer::network::{FloatModel, NotFinite, load_weights, save_weights};
use host_trainer::quantize::{CALIBRATION_IMAGES, NOT_MEASURED, Trained, quantize};
use host_trainer::report::model::{ModelReport, ModelSize};
use host_trainer::run::Run;
use host_trainer::{output, say};
use shared_model::Model;

use super::CommandResult;
use super::data::Directory;
use super::train::positive;

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
    say!("{}", selected.explanation);
    let run = Run::at(arguments.run);
    let data = arguments.data.load_of(&run)?.dataset;
    let files = arguments.output.map_or_else(|| run.model_files(), ModelFiles::of_blob);
    let report = quantize_run(&run, &files, &data, arguments.temperature, &selected.device)?;
    say!("{}", report.markdown(&files));
    say!("blob: {}", files.blob.display());
    say!("page: {}", files.page().display());
    say!("next: cargo run -p host-trainer -- predict --blob {} PICTURE.png", output::word(&files.blob));
    Ok(())
}

/// Quantizes the best weights of `run`, their probabilities calibrated by the temperature given or fitted on the
/// validation images, evaluates float and integer network on the test set, writes blob, weights and reports.
pub fn quantize_run(
    run: &Run,
    files: &ModelFiles,
    data: &Dataset,
    temperature: Option<f64>,
    device: &burn::tensor::Device,
) -> Result<ModelReport, Box<dyn std::error::Error>> {
    if files.blob.extension().is_none_or(|extension| extension != "blob") {
        return Err(format!("{} is no name for a blob: let it end with .blob", files.blob.display()).into());
    }
    if let Some(file) = run.overwritten_by(files) {
        let blob = files.blob.display();
        return Err(format!("{blob} is no name for this blob: {} would be overwritten", file.display()).into());
    }
    if let Some(file) = files.foreign() {
        let (blob, file) = (files.blob.display(), file.display());
        return Err(format!(
            "{blob} is no name for a blob: {file} would be overwritten, and there is no blob beside it"
        )
        .into());
    }
    let recipe = run.recipe()?;
    let history = run.history()?;
    if history.epochs.is_empty() {
        return Err(format!("{} has no complete epoch yet", run.folder.display()).into());
    }
    let dataset = recipe.prepare(data)?;
    let description = run.dataset(&recipe)?;
    if description != dataset.description {
        return Err(format!("{} was trained on another data set than the one given", run.folder.display()).into());
    }
    let _lock = files.lock()?;
    let network = load_weights(&recipe, &description, None, &run.weights_file(), device)?;
    let model = FloatModel::new(network, &recipe, &description, device);
    let (float, temperature) = calibrated(model, temperature, &dataset)?;

    let calibration = &dataset.train.images[..CALIBRATION_IMAGES.min(dataset.train.len())];
    let (measured, chosen_by) = calibration.split_at(calibration.len() / 2);
    let (quantization, quantization_report) = quantize(&Trained {
        recipe: &recipe,
        dataset: &description,
        layers: float.network.float_layers(),
        measured,
        activations: float.activations(measured),
        chosen_by,
        logits: float.logits(chosen_by)?.concat(),
    })?;
    let epochs = u16::try_from(history.epochs.len())?;
    let name = files.name();
    let unmeasured = quantization.blob(&name, epochs, NOT_MEASURED)?;
    let evaluation =
        evaluate::evaluate(&float.logits(&dataset.test.images)?, &Model::load(&unmeasured)?, &dataset.test);
    let blob = quantization.blob(&name, epochs, evaluation.accuracy())?;
    let model = Model::load(&blob)?;
    let identity = Identity::of(&model);

    files::write(&files.blob, &blob)?;
    save_weights(float.network, Some(&identity), &files.weights())?;
    let report = ModelReport {
        name,
        blob: identity,
        dataset: description,
        train_images: dataset.train.len(),
        history,
        temperature,
        quantization: quantization_report,
        size: ModelSize::of(&model, blob.len()),
        evaluation,
        recipe,
    };
    report.save(files, &dataset.test.images)?;
    Ok(report)
}

/// The network with the temperature given, or with the one that fits the validation images; as it is if there is
/// neither.
fn calibrated(
    float: FloatModel,
    given: Option<f64>,
    dataset: &Dataset,
) -> Result<(FloatModel, Option<Temperature>), NotFinite> {
    let validation = dataset.validation.as_ref();
    let fit = |data: &LabelledImages| Ok(temperature::fit(&float.logits(&data.images)?, &data.labels));
    let Some(value) = given.map(Ok).or_else(|| validation.map(fit)).transpose()? else {
        return Ok((float, None));
    };
    let test = &dataset.test;
    let temperature = Temperature {
        value,
        images: given.map_or_else(|| validation.map(LabelledImages::len), |_| None),
        error_before: temperature::calibration_error(&float.logits(&test.images)?, &test.labels),
    };
    let network = float.network.clone().with_temperature(value);
    Ok((FloatModel { network, ..float }, Some(temperature)))
}
