//! No command: the whole way, from nothing to a blob.

use clap::Args;
use host_trainer::dataset::{Dataset, Description, LabelledImages};
use host_trainer::device;
use host_trainer::recipe::Recipe;
use host_trainer::run::Run;
use host_trainer::training::{self, Start};
use host_trainer::{output, say};

use super::CommandResult;
use super::data::Directory;
use super::quantize::{Calibration, quantize_run};
use super::train::{Place, draw_curves, summary};

/// Flags of the program without a command.
#[derive(Args)]
pub struct Arguments {
    /// Train in full also on a CPU (hours).
    #[arg(long)]
    full: bool,
    /// Start of every random number; a run with another than 1 has a folder of its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    data: Directory,
}

/// Fetches, trains, quantizes and evaluates.
pub fn run(arguments: Arguments) -> CommandResult {
    let selected = device::select(arguments.place.device)?;
    say!("{}", selected.explanation);
    let full = Recipe { seed: arguments.seed, ..Recipe::preset("vgg3-best").expect("it is in the list of presets") };
    let in_full = arguments.full || selected.is_gpu;
    let recipe = if in_full { full.clone() } else { full.clone().shortened() };
    let loaded = arguments.data.load()?;
    let data = &loaded.dataset;
    let dataset = recipe.prepare(data)?;
    let seconds = training::seconds_an_image(&full, &dataset, &selected.device);
    say!("vgg3-best in full: {} epochs, about {} here.", full.epochs, duration(&full, &dataset, seconds));
    if !in_full {
        say!(
            "On a CPU this runs a short schedule of the same network: {} epochs, about {}. For the full one: --full.",
            recipe.epochs,
            duration(&recipe, &dataset, seconds)
        );
    }
    let run = arguments.place.runs.join(folder(&data.description, in_full, arguments.seed));
    let run = Run::at(run);
    loaded.remember(&run)?;
    let progress = &mut arguments.place.progress();
    // An interrupted training goes on; a complete one is taken as it is.
    let trained = training::train(&recipe, &dataset, &run, Start::Continue, &selected.device, progress)?;
    draw_curves(&trained, &run)?;
    say!("{}\nquantizing, and evaluating on the test set …", summary(&trained));
    let files = run.model_files();
    let model = quantize_run(&run, &files, data, Calibration::default(), &selected.device)?;
    say!("\n{}", model.markdown(&files));
    say!("blob:   {}\nreport: {}", files.blob.display(), files.page().display());
    say!("next:   cargo run -p host-trainer -- predict --blob {} PICTURE.png", output::word(&files.blob));
    Ok(())
}

/// Name of the run's folder.
fn folder(data: &Description, in_full: bool, seed: u64) -> String {
    let network = if in_full { "vgg3-best" } else { "vgg3-short" };
    let name = if data.name == Description::cifar10().name {
        network.to_owned()
    } else {
        let name = data.name.replace(|character: char| !character.is_alphanumeric(), "-");
        format!("{network}-{name}")
    };
    match seed {
        1 => name,
        _ => format!("{name}-{seed}"),
    }
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
