//! No command: the whole way, from nothing to a blob.

use burn::tensor::Device;
use clap::Args;
use host_trainer::camera::Camera;
use host_trainer::dataset::{Dataset, Description, LabelledImages};
use host_trainer::device;
use host_trainer::model_files::ModelFiles;
use host_trainer::recipe::{OWN_PICTURES, Recipe};
use host_trainer::report::model::ModelReport;
use host_trainer::run::{LONGEST_NAME, Run};
use host_trainer::training::{self, Start, TrainedRun, TrainingError};
use host_trainer::{output, say};

use super::CommandResult;
use super::data::{Directory, check_apart, differs_from};
use super::quantize::{Options, quantize_run, warn_of_doubt};
use super::train::{Place, draw_curves, summary};

/// Flags of the program without a command.
#[derive(Args)]
pub struct Arguments {
    /// With CIFAR-10: train in full also on a CPU (hours).
    #[arg(long)]
    full: bool,
    /// With pictures of one's own: the camera that will look, whose faults the training imitates.
    #[arg(long, value_enum)]
    camera: Option<Camera>,
    /// With pictures of one's own: do not mirror them in training, because left and right matter, as in letters.
    #[arg(long)]
    no_flip: bool,
    /// Start of every random number; a run with another than 1 has a folder of its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    data: Directory,
}

/// Fetches or reads pictures, trains, quantizes and evaluates.
pub fn run(arguments: Arguments) -> CommandResult {
    let selected = device::select(arguments.place.device)?;
    say!("{}", selected.explanation);
    let data = arguments.data.load()?;
    check_apart(&data, "--runs", &arguments.place.runs)?;
    let is_folder = data.record.is_some();
    for (flag, is_given, of_folder) in [
        ("--full", arguments.full, false),
        ("--camera", arguments.camera.is_some(), true),
        ("--no-flip", arguments.no_flip, true),
    ] {
        if is_given && of_folder != is_folder {
            let what = if of_folder { "folders of pictures, and this is CIFAR-10" } else { "CIFAR-10" };
            return Err(format!("{flag} is for {what}; `train` has all flags").into());
        }
    }
    let (recipe, dataset, run) = if is_folder {
        own_pictures(&arguments, &data, &selected.device)?
    } else {
        let in_full = arguments.full || selected.is_gpu;
        let (recipe, dataset) = cifar10(in_full, arguments.seed, &data, &selected.device)?;
        (recipe, dataset, Run::at(arguments.place.runs.join(folder(in_full, arguments.seed, &data.description))))
    };
    let progress = &mut arguments.place.progress();
    // An interrupted training goes on; a complete one is taken as it is.
    let trained = match training::train(&recipe, &dataset, &run, Start::Continue, &selected.device, progress) {
        Err(TrainingError::Stopped { epochs }) => {
            return Err(format!("stopped after {epochs} epochs, which are kept; the same command goes on").into());
        }
        result => result?,
    };
    draw_curves(&trained, &run)?;
    say!("{}", summary(&trained));
    let files = run.model_files();
    let model = match made_before(&files, &trained) {
        Some(model) => {
            say!("{} is of these weights already; quantize makes it anew.", files.blob.display());
            model
        }
        None => {
            say!("quantizing, and evaluating on the test set …");
            quantize_run(&run, &files, &data, Options::default(), &selected.device)?
        }
    };
    say!("\n{}", model.markdown(&files));
    warn_of_doubt(&model);
    say!("blob:   {}\nreport: {}", files.blob.display(), files.page().display());
    say!("next:   cargo run -p host-trainer -- predict --blob {} PICTURE.png", output::word(&files.blob));
    say!("        cargo run -p monitor -- deploy PORT {} (onto a board that runs)", output::word(&files.blob));
    Ok(())
}

/// The report of the run's model, if it was made of these weights: perhaps with other settings, which are then kept.
fn made_before(files: &ModelFiles, trained: &TrainedRun) -> Option<ModelReport> {
    let bytes = files.read_blob().ok()?;
    let report = ModelReport::load(&files.load(&bytes).ok()?, files).ok()?;
    (report.history == trained.history).then_some(report)
}

/// The recipe for CIFAR-10, whose time it tells, and what it trains on.
fn cifar10(in_full: bool, seed: u64, data: &Dataset, device: &Device) -> Result<(Recipe, Dataset), String> {
    let full = Recipe { seed, ..Recipe::preset("vgg3-best").expect("it is in the list of presets") };
    let recipe = if in_full { full.clone() } else { full.clone().shortened() };
    let dataset = recipe.prepare(data)?;
    let seconds = training::seconds_an_image(&full, &dataset, device);
    say!("vgg3-best in full: {} epochs, about {} here.", full.epochs, duration(&full, &dataset, seconds));
    if !in_full {
        say!(
            "On a CPU this runs a short schedule of the same network: {} epochs, about {}. For the full one: --full.",
            recipe.epochs,
            duration(&recipe, &dataset, seconds)
        );
    }
    Ok((recipe, dataset))
}

/// The recipe for a folder of pictures, what it trains on, and the run that has it: the first of NAME, NAME-2, NAME-3 … that is new or is this
/// very one, so that more pictures, or other flags, never cost what was trained before.
fn own_pictures(
    arguments: &Arguments,
    data: &Dataset,
    device: &Device,
) -> Result<(Recipe, Dataset, Run), Box<dyn std::error::Error>> {
    let mut recipe =
        Recipe { seed: arguments.seed, ..Recipe::preset(OWN_PICTURES).expect("it is in the list of presets") };
    recipe.augmentation.camera = arguments.camera;
    recipe.augmentation.flip &= !arguments.no_flip;
    let dataset = recipe.prepare(data)?;
    let recipe = recipe.paced(None, &dataset);
    let seconds = training::seconds_an_image(&recipe, &dataset, device);
    say!("{}", dataset.summary());
    say!("{}: {} epochs, about {} here.", recipe.preset, recipe.epochs, duration(&recipe, &dataset, seconds));
    let (runs, name) = (&arguments.place.runs, &data.description.name);
    // There is room for a number.
    let short = &name[..name.floor_char_boundary(LONGEST_NAME - 20)];
    let name = match Run::named(runs, short) {
        Ok(_) => short.to_owned(),
        Err(_) => format!("own-{}", short.replace(|character: char| !character.is_alphanumeric(), "-")),
    };
    for number in 1.. {
        let run = Run::named(runs, &if number == 1 { name.clone() } else { format!("{name}-{number}") })?;
        if !run.recipe_file().exists() {
            return Ok((recipe, dataset, run));
        }
        let of_recipe = training::differences(&run.recipe()?, &recipe).join(", ");
        match differs_from(data, &run)?.or((!of_recipe.is_empty()).then(|| format!("otherwise ({of_recipe})"))) {
            None => return Ok((recipe, dataset, run)),
            Some(difference) => say!("{} was trained {difference}: it is kept.", run.folder.display()),
        }
    }
    unreachable!("there is always another number")
}

/// Name of the folder of a run on CIFAR-10.
fn folder(in_full: bool, seed: u64, data: &Description) -> String {
    let mut name = if in_full { "vgg3-best" } else { "vgg3-short" }.to_owned();
    if let Some(input) = data.other_input_flag() {
        name += &format!("-{input}");
    }
    if seed != 1 {
        name += &format!("-{seed}");
    }
    name
}

/// The time that a recipe's training takes, validation included, for people.
fn duration(recipe: &Recipe, data: &Dataset, seconds_an_image: f64) -> String {
    /// A validation image is only run forward.
    const VALIDATION_SHARE: f64 = 1.0 / 3.0;
    let validation = data.validation.as_ref().map_or(0, LabelledImages::len);
    let images = data.train.len() as f64 + VALIDATION_SHARE * validation as f64;
    let minutes = recipe.epochs as f64 * images * seconds_an_image / 60.0;
    if minutes < 100.0 { format!("{minutes:.0} minutes") } else { format!("{:.1} hours", minutes / 60.0) }
}
