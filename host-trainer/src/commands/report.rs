//! `report`: a model's page and card again.

use std::path::PathBuf;

use clap::Args;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate;
use host_trainer::report::model::{self, ModelFiles, ModelReport};
use host_trainer::training;
use shared_model::AlignedBytes;

use super::CommandResult;
use super::data::Directory;

/// Flags of `report`.
#[derive(Args)]
pub struct Arguments {
    /// The blob; its float weights (.bpk) and report (.json) lie beside it.
    #[arg(long, default_value = "data/models/vgg3-full.blob")]
    blob: PathBuf,
    /// What computes the float network.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    data: Directory,
}

/// Runs `report`.
pub fn run(arguments: Arguments) -> CommandResult {
    let files = ModelFiles::of_blob(arguments.blob);
    let bytes = AlignedBytes::from(&*model::read(&files.blob)?);
    let model = model::load(&bytes, &files.blob)?;
    let mut report = ModelReport::load(&files)?;
    let selected = device::select(arguments.device)?;
    println!("{}", selected.explanation);
    let network = training::load_weights(&report.recipe, &files.weights(), &selected.device)?;
    let test = report.recipe.select(&arguments.data.load()?.test);
    report.evaluation = evaluate::evaluate(
        &network,
        report.recipe.pixel_scaling,
        &model,
        &test,
        &selected.device,
    );
    report.save(&files, &test.images)?;
    println!(
        "card: {}\npage: {}",
        files.card().display(),
        files.page().display()
    );
    Ok(())
}
