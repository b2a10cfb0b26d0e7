//! No command: the whole job, from nothing to a blob.

use clap::Args;
use host_trainer::dataset::{self, Split};
use host_trainer::device;
use host_trainer::recipe::Recipe;
use host_trainer::training::{self, TrainingData};

use super::CommandResult;
use super::data::Directory;
use super::quantize::{default_files, quantize_run};
use super::train::{Place, draw_curves, summary};

/// Flags of the whole job.
#[derive(Args)]
pub struct Arguments {
    /// Train in full also on a CPU (hours).
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    data: Directory,
}

/// Runs the whole job.
pub fn run(arguments: Arguments) -> CommandResult {
    let selected = device::select(arguments.place.device)?;
    println!("{}", selected.explanation);
    let full = Recipe::preset("vgg3-best").expect("it is in the list of presets");
    let in_full = arguments.full || selected.is_gpu;
    let recipe = if in_full {
        full.clone()
    } else {
        full.clone().shortened()
    };
    let data = arguments.data.load()?;
    let split = dataset::split(&data.train, dataset::SPLIT_SEED);
    let seconds = training::seconds_an_image(&full, &split.training, &selected.device);
    println!(
        "vgg3-best in full: {} epochs, about {} here.",
        full.epochs,
        duration(&full, &split, seconds)
    );
    if !in_full {
        println!(
            "On a CPU this runs a short schedule of the same network: {} epochs, about {}. For the full one: --full.",
            recipe.epochs,
            duration(&recipe, &split, seconds)
        );
    }
    let run = arguments
        .place
        .runs
        .join(if in_full { "vgg3-best" } else { "vgg3-short" });
    let training_data = TrainingData {
        train: &split.training,
        validation: Some(&split.validation),
    };
    let progress = &mut arguments.place.progress();
    // An interrupted training goes on; a complete one is taken as it is.
    let trained = training::train(
        &recipe,
        &training_data,
        &run,
        true,
        &selected.device,
        progress,
    )?;
    draw_curves(&trained, &run)?;
    println!(
        "{}\nquantizing, and evaluating on the test set …",
        summary(&trained)
    );
    let files = default_files(&run);
    let model = quantize_run(&run, &files, &data, &selected.device)?;
    println!("\n{}", model.markdown());
    println!(
        "blob:   {}\nreport: {}",
        files.blob.display(),
        files.card().display()
    );
    println!(
        "next:   cargo run -p host-trainer -- predict --blob {} PICTURE.png",
        files.blob.display()
    );
    Ok(())
}

/// The time that a recipe's training takes, validation included, for people.
fn duration(recipe: &Recipe, split: &Split, seconds_an_image: f64) -> String {
    /// A validation image is only run forward.
    const VALIDATION_SHARE: f64 = 1.0 / 3.0;
    let images = split.training.len() as f64 + VALIDATION_SHARE * split.validation.len() as f64;
    let minutes = recipe.epochs as f64 * images * seconds_an_image / 60.0;
    if minutes < 100.0 {
        format!("{minutes:.0} minutes")
    } else {
        format!("{:.1} hours", minutes / 60.0)
    }
}
