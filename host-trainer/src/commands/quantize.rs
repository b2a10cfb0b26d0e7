//! `quantize`: from a run's weights to a blob, measured on the test set.

use std::path::PathBuf;

use clap::Args;
use host_trainer::boards;
use host_trainer::dataset::{Dataset, LabelledImages};
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, Temperature, Threshold, decision, temperature};
use host_trainer::files;
use host_trainer::model_files::{Identity, ModelFiles};
use host_trainer::network::{FloatModel, NotFinite, load_weights, save_weights};
use host_trainer::quantize::{CALIBRATION_IMAGES, NOT_MEASURED, Trained, quantize};
use host_trainer::report::model::{ModelReport, ModelSize, OwnPictures};
use host_trainer::run::Run;
use host_trainer::{family, note, output, say};
use shared_model::graph::Decision;
use shared_model::{Backend, LoadError, Model};

use super::CommandResult;
use super::data::{Directory, check_apart};
use super::fit::bytes;
use super::train::{number, positive};

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
    /// Of the pictures that the model names a class for, so many percent are to be right: the blob's threshold for "not sure" is
    /// chosen for that on the run's validation images. 0 for a model that believes every answer.
    #[arg(long, value_name = "PERCENT", default_value_t = PRECISION, value_parser = percent)]
    precision: f64,
    /// Spend flash for speed: the blob gets transformed filters of convolutions, as long as it has no more than so many bytes, as in 2M.
    /// First come those that a Cortex-M4 with 48 KiB of memory would transform most often in an inference.
    #[arg(long, value_name = "BYTES|K|M", value_parser = bytes)]
    transformed_filters: Option<usize>,
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
    let data = arguments.data.load_of(&run, &run.dataset(&run.recipe()?)?)?;
    let files = arguments.output.map_or_else(|| run.model_files(), ModelFiles::of_blob);
    check_apart(&data, "--output", &files.blob)?;
    let options = Options {
        temperature: arguments.temperature,
        precision: arguments.precision,
        transformed_filters: arguments.transformed_filters,
    };
    let report = quantize_run(&run, &files, &data, options, &selected.device)?;
    say!("{}", report.markdown(&files));
    warn_of_doubt(&report);
    say!("blob: {}", files.blob.display());
    say!("page: {}", files.page().display());
    say!("next: cargo run -p host-trainer -- predict --blob {} PICTURE.png", output::word(&files.blob));
    say!("      cargo run -p monitor -- deploy PORT {} (onto a board that runs)", output::word(&files.blob));
    Ok(())
}

/// How a model is made of a run.
#[derive(Clone, Copy)]
pub struct Options {
    /// What logits are divided by; `None`: fitted on the validation images.
    temperature: Option<f64>,
    /// Right answers of 100, by which the threshold is chosen on the validation images.
    precision: f64,
    /// Bytes that the blob may have with transformed filters, if it is to have some.
    transformed_filters: Option<usize>,
}

/// Right answers of 100 that a threshold is chosen for.
const PRECISION: f64 = 95.0;

impl Default for Options {
    fn default() -> Self {
        Self { temperature: None, precision: PRECISION, transformed_filters: None }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, |value| (0.0..=100.0).contains(&value), "from 0 to 100")
}

/// Quantizes the best weights of `run`, their probabilities calibrated by the temperature given or fitted on the
/// validation images, evaluates float and integer network on the test set, writes blob, weights and reports.
pub fn quantize_run(
    run: &Run,
    files: &ModelFiles,
    data: &Dataset,
    options: Options,
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
            "{blob} is no name for a blob: {file} would be overwritten, and there is no blob beside it; move it away, or choose another name \
             with `quantize --output`"
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
    if description.nameless() != dataset.description.nameless() {
        return Err(format!("{} was trained on another data set than the one given", run.folder.display()).into());
    }
    let _lock = files.lock()?;
    let network = load_weights(&recipe, &description, None, &run.weights_file(), device)?;
    let model = FloatModel::new(network, &recipe, &description, device);
    let (float, temperature) = calibrated(model, options.temperature, &dataset)?;

    let images = &dataset.train.images[..CALIBRATION_IMAGES.min(dataset.train.len())];
    let (measured, chosen_by) = images.split_at(images.len() / 2);
    let (mut quantization, quantization_report) = quantize(&Trained {
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
    let none_class = description.none.map(u8::try_from).transpose()?;
    let believing = Decision { threshold: 0, none_class };
    let unmeasured = quantization.blob(&name, epochs, believing, NOT_MEASURED)?;
    let threshold = chosen_threshold(&Model::load(&unmeasured)?, &dataset, options.precision);
    if dataset.validation.is_none() {
        note!("no validation images: the model believes every answer, whatever its probability");
    }
    let decision = threshold.map_or(believing, |(decision, _)| decision);
    let plain = quantization.blob(&name, epochs, decision, NOT_MEASURED)?;
    let unmeasured = match options.transformed_filters {
        None => plain,
        Some(most) => {
            quantization.transform_filters(&Model::load(&plain)?, plain.len(), most)?;
            let with = quantization.blob(&name, epochs, decision, NOT_MEASURED)?;
            tell_of_transformed_filters(&plain, &with)?;
            with
        }
    };
    let evaluation =
        evaluate::evaluate(&float.logits(&dataset.test.images)?, &Model::load(&unmeasured)?, &dataset.test);
    let blob = quantization.blob(&name, epochs, decision, evaluation.accuracy())?;
    let model = Model::load(&blob)?;
    let identity = Identity::of(&model);

    files::write(&files.blob, &blob)?;
    save_weights(float.network, Some(&identity), &files.weights())?;
    let pictures =
        run.data()?.map(|record| OwnPictures { counts: dataset.images_per_class(), findings: record.findings });
    let report = ModelReport {
        name,
        blob: identity,
        dataset: description,
        train_images: dataset.train.len(),
        pictures,
        history,
        temperature,
        threshold: threshold.map(|(_, threshold)| threshold),
        quantization: quantization_report,
        size: ModelSize::of(&model, blob.len()),
        boards: boards::needs(&model, blob.len()),
        evaluation,
        recipe,
    };
    report.save(files, &dataset.test.images)?;
    Ok(report)
}

/// Says what transformed filters cost and save, by the blob without them and the one with them.
fn tell_of_transformed_filters(without: &[u8], with: &[u8]) -> CommandResult {
    let instructions = |blob: &[u8]| -> Result<Option<f64>, LoadError> {
        let plan = Model::load(blob)?.plan_on(Backend::ARM_DSP, family::FAST_ARENA).map(|plan| plan.instructions());
        Ok(plan.map(|instructions| instructions as f64 / 1e6))
    };
    let more = with.len() - without.len();
    if let (Some(before), Some(after)) = (instructions(without)?, instructions(with)?) {
        say!(
            "transformed filters: {more} bytes more; about {after:.1} instead of {before:.1} million instructions on a Cortex-M4 in 48 KiB"
        );
    }
    Ok(())
}

/// Says where a model is not as sure as it was to be.
pub fn warn_of_doubt(report: &ModelReport) {
    if let Some(sentence) = report.threshold.as_ref().and_then(Threshold::shortfall) {
        note!(
            "warning: {sentence} of 100 on the validation images; more pictures help, or a lower `quantize --precision`"
        );
    }
}

/// When the answers of `model` are to be believed, by the validation images; `None` without such images or wish.
fn chosen_threshold(model: &Model, dataset: &Dataset, wanted: f64) -> Option<(Decision, Threshold)> {
    let validation = dataset.validation.as_ref().filter(|_| wanted > 0.0)?;
    let answers = evaluate::classify_all(model, &validation.images);
    let none_class = model.graph().decision.none_class;
    let decision = decision::threshold(&answers, &validation.labels, none_class, wanted);
    let measured = decision::answers(&answers, &validation.labels, &decision);
    let probability = f64::from(decision.threshold) / f64::from(u16::MAX);
    Some((decision, Threshold { probability, wanted, measured }))
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
