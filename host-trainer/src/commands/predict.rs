//! `predict`: what pictures show, by the float and the integer network.

use std::path::{Path, PathBuf};

use clap::Args;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{classify_all, float_logits, largest, softmax};
use host_trainer::report::model::{self, ModelFiles, ModelReport};
use host_trainer::training;
use serde::Serialize;
use shared_model::preprocess::{Rgb888, reduce};
use shared_model::{AlignedBytes, IMAGE_LEN, Image};

use super::CommandResult;

/// Flags of `predict`.
#[derive(Args)]
pub struct Arguments {
    /// PNG or JPEG pictures of any size: the centre square is reduced to 32×32 as the firmware does it.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// The blob; its float weights (.bpk) and report (.json) lie beside it.
    #[arg(long, default_value = "data/models/vgg3-full.blob")]
    blob: PathBuf,
    /// One JSON object a line and picture.
    #[arg(long)]
    json: bool,
    /// What computes the float network.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

/// What the networks say about one picture.
#[derive(Serialize)]
struct Prediction<'a> {
    image: String,
    /// The integer network's class.
    class: usize,
    label: &'a str,
    probability: f32,
    float_class: usize,
    float_label: &'a str,
    float_probability: f32,
    /// Of every class, by the integer network.
    probabilities: Vec<f32>,
    /// Of every class, by the float network.
    float_probabilities: Vec<f32>,
    logits: Vec<i32>,
}

/// Runs `predict`.
pub fn run(arguments: Arguments) -> CommandResult {
    let files = ModelFiles::of_blob(arguments.blob);
    let bytes = AlignedBytes::from(&*model::read(&files.blob)?);
    let model = model::load(&bytes, &files.blob)?;
    let recipe = ModelReport::load(&files)?.recipe;
    let selected = device::select(arguments.device)?;
    let network = training::load_weights(&recipe, &files.weights(), &selected.device)?;
    let images = arguments
        .images
        .iter()
        .map(|path| read_picture(path))
        .collect::<Result<Vec<_>, _>>()?;
    let integer = classify_all(&model, &images);
    let float = float_logits(&network, recipe.pixel_scaling, &images, &selected.device);
    let labels = &model.graph().labels;
    for ((path, answer), logits) in arguments.images.iter().zip(&integer).zip(&float) {
        let probabilities: Vec<f32> = answer
            .probabilities()
            .iter()
            .map(|&probability| f32::from(probability) / 65535.0)
            .collect();
        let float_probabilities = softmax(logits);
        let float_class = largest(&float_probabilities);
        let prediction = Prediction {
            image: path.display().to_string(),
            class: answer.class,
            label: labels[answer.class],
            probability: probabilities[answer.class],
            float_class,
            float_label: labels[float_class],
            float_probability: float_probabilities[float_class],
            probabilities,
            float_probabilities,
            logits: answer.logits.to_vec(),
        };
        if arguments.json {
            println!("{}", serde_json::to_string(&prediction)?);
        } else {
            print_table(&prediction, labels);
        }
    }
    Ok(())
}

fn print_table(prediction: &Prediction, labels: &[&str]) {
    println!(
        "{}: {} ({})",
        prediction.image, prediction.label, prediction.class
    );
    println!("  {:12} {:>8} {:>8}", "", "int8", "float");
    for (class, label) in labels.iter().enumerate() {
        let [integer, float] = [
            prediction.probabilities[class],
            prediction.float_probabilities[class],
        ]
        .map(|p| 100.0 * p);
        println!("  {label:12} {integer:6.2} % {float:6.2} %");
    }
}

/// A picture's centre square, reduced to the network's input.
fn read_picture(path: &Path) -> Result<Image, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("{}: {error}; give a PNG or JPEG picture", path.display())
    };
    let picture = image::open(path).map_err(|error| failed(&error))?.to_rgb8();
    let side = |pixels: u32| {
        u16::try_from(pixels).map_err(|_| failed(&"more than 65,535 pixels wide or high"))
    };
    let mut result = [0; IMAGE_LEN];
    reduce::<Rgb888>(
        picture.as_raw(),
        side(picture.width())?,
        side(picture.height())?,
        &mut result,
    )
    .map_err(|error| failed(&error))?;
    Ok(result)
}
