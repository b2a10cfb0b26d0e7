//! `evaluate`: a blob and its float weights on the test set.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, Evaluation};
use host_trainer::report::model::{self, ModelFiles, ModelReport};
use host_trainer::training;
use shared_model::AlignedBytes;

use super::CommandResult;
use super::data::Directory;

/// Flags of `evaluate`.
#[derive(Args)]
pub struct Arguments {
    /// The blob; its float weights (.bpk) and report (.json) lie beside it.
    #[arg(long, default_value = "data/models/vgg3-full.blob")]
    blob: PathBuf,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// What computes the float network.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    data: Directory,
}

/// Runs `evaluate`.
pub fn run(arguments: Arguments) -> CommandResult {
    let files = ModelFiles::of_blob(arguments.blob);
    let bytes = AlignedBytes::from(&*model::read(&files.blob)?);
    let model = model::load(&bytes, &files.blob)?;
    let recipe = ModelReport::load(&files)?.recipe;
    let selected = device::select(arguments.device)?;
    println!("{}", selected.explanation);
    let network = training::load_weights(&recipe, &files.weights(), &selected.device)?;
    let test = recipe.select(&arguments.data.load()?.test);
    let begin = Instant::now();
    let evaluation = evaluate::evaluate(
        &network,
        recipe.pixel_scaling,
        &model,
        &test,
        &selected.device,
    );
    print_table(&evaluation, &model.graph().labels);
    println!(
        "{} images in {:.1} s, float and int8",
        evaluation.images,
        begin.elapsed().as_secs_f64()
    );
    if arguments.json {
        println!("{}", serde_json::to_string(&evaluation)?);
    }
    Ok(())
}

fn print_table(evaluation: &Evaluation, labels: &[&str]) {
    println!("float     {:6.2} %", evaluation.float_top1);
    println!("int8      {:6.2} %", evaluation.int8_top1);
    println!("agreement {:6.2} %", evaluation.agreement);
    println!("\nint8, true class by row, predicted class by column:");
    println!(
        "{:11}{}",
        "",
        cells(labels.iter().map(|name| format!("{name:>7.6}")))
    );
    for (name, row) in labels.iter().zip(&evaluation.int8_confusion) {
        println!(
            "{name:11}{}",
            cells(row.iter().map(|count| format!("{count:7}")))
        );
    }
}

fn cells(texts: impl Iterator<Item = String>) -> String {
    texts.collect()
}
