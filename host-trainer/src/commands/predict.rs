//! `predict`: what pictures show, by the float and the integer network.

use std::path::{Path, PathBuf};

use clap::Args;
use host_trainer::dataset::Image;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{classify_all, largest, softmax};
use host_trainer::files;
use host_trainer::model_files::ModelFiles;
use host_trainer::network::{FloatModel, load_weights};
use host_trainer::report::model::ModelReport;
use host_trainer::{note, output, pictures, say};
use serde::Serialize;
use shared_model::{Classification, Model, Shape};

use super::CommandResult;

/// Flags of `predict`.
#[derive(Args)]
pub struct Arguments {
    /// PNG, JPEG, WebP, BMP, GIF or TIFF pictures of any size and name, or - for standard input: the largest rectangle in the centre that
    /// has the input's ratio of sides is resized to the network's input as the firmware does it. They are turned as their EXIF data say;
    /// what is transparent becomes white. Files that are none are named, and the others answered.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// The blob; if its report (.json) and float weights (.bpk) lie beside it, the float network is asked as well.
    #[arg(long, default_value_os_t = files::in_repository("data/models/vgg3-full.blob"))]
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
    /// Whether the class is to be believed, as the blob decides it.
    sure: bool,
    probability: f32,
    #[serde(flatten)]
    float: Option<FloatPrediction<'a>>,
    /// Of every class, by the integer network.
    probabilities: Vec<f32>,
    logits: Vec<i32>,
}

/// What the float network says.
#[derive(Serialize)]
struct FloatPrediction<'a> {
    float_class: usize,
    float_label: &'a str,
    float_probability: f32,
    /// Of every class.
    float_probabilities: Vec<f32>,
}

/// Runs `predict`.
pub fn run(arguments: Arguments) -> CommandResult {
    let files = ModelFiles::of_blob(&arguments.blob);
    let bytes = files.read_blob()?;
    let model = files.load(&bytes)?;
    let (mut paths, mut pictures) = (Vec::new(), Vec::new());
    for path in &arguments.images {
        match read_picture(path, model.input_shape()) {
            Ok(picture) => {
                paths.push(path);
                pictures.push(picture);
            }
            Err(reason) => note!("{}: {reason}", path.display()),
        }
    }
    let float = if files.report().exists() && !pictures.is_empty() {
        float_answers(&model, &files, &pictures, arguments.device)?
    } else {
        vec![None; pictures.len()]
    };
    let answers = classify_all(&model, &pictures).into_iter().zip(float);
    for (path, (answer, logits)) in paths.into_iter().zip(answers) {
        let prediction = Prediction::new(path, &model, &answer, logits);
        if arguments.json {
            output::write_json(&prediction);
        } else {
            print_table(&prediction, &model);
        }
    }
    let (read, given) = (pictures.len(), arguments.images.len());
    if read < given {
        return Err(format!("{} of {given} pictures cannot be read", given - read).into());
    }
    Ok(())
}

/// The float network's logits for each picture.
fn float_answers(
    model: &Model,
    files: &ModelFiles,
    pictures: &[Image],
    device: DeviceChoice,
) -> Result<Vec<Option<Vec<f32>>>, Box<dyn std::error::Error>> {
    let ModelReport { recipe, dataset, blob, .. } = ModelReport::load(model, files)?;
    let device = device::select(device)?.device;
    let network = load_weights(&recipe, &dataset, Some(&blob), &files.weights(), &device)?;
    let logits = FloatModel::new(network, &recipe, &dataset, &device).logits(pictures)?;
    Ok(logits.into_iter().map(Some).collect())
}

impl<'a> Prediction<'a> {
    fn new(path: &Path, model: &Model<'a>, answer: &Classification, float_logits: Option<Vec<f32>>) -> Self {
        let probabilities = answer.probabilities().into_iter();
        let probabilities: Vec<f32> = probabilities.map(|p| f32::from(p) / 65535.0).collect();
        let float = float_logits.map(|logits| {
            let float_probabilities = softmax(&logits);
            let float_class = largest(&float_probabilities);
            FloatPrediction {
                float_class,
                float_label: model.label(float_class),
                float_probability: float_probabilities[float_class],
                float_probabilities,
            }
        });
        Self {
            image: path.display().to_string(),
            class: answer.class,
            label: model.label(answer.class),
            sure: answer.decide(&model.graph().decision).is_some(),
            probability: probabilities[answer.class],
            float,
            probabilities,
            logits: answer.logits.to_vec(),
        }
    }
}

fn print_table(prediction: &Prediction, model: &Model) {
    let Prediction { label, class, .. } = prediction;
    let doubt = if prediction.sure { "" } else { "not sure, perhaps " };
    say!("{}: {doubt}{label} ({class})", prediction.image);
    let float = prediction.float.as_ref();
    let title = float.map_or("", |_| "   float");
    let labels: Vec<&str> = model.graph().labels.iter().collect();
    let width = labels.iter().map(|label| output::columns(label)).max().unwrap_or(0).max(12);
    say!("  {:width$} {:>8} {title}", "", "int8");
    for (class, label) in labels.into_iter().enumerate() {
        let percent = |probabilities: &[f32]| format!("{:6.2} %", 100.0 * probabilities[class]);
        let integer = percent(&prediction.probabilities);
        let float = float.map_or_else(String::new, |float| percent(&float.float_probabilities));
        say!("  {} {integer} {float}", output::padded(label, width));
    }
}

/// A picture, resized to the network's input.
fn read_picture(path: &Path, shape: Shape) -> Result<Image, String> {
    let standard_input = path == Path::new("-");
    let content = if standard_input { files::read_standard_input() } else { files::read(path) };
    let content = content.map_err(|error| error.to_string())?;
    let picture = pictures::read(&content).map_err(|error| error.to_string())?;
    Ok(pictures::reduce(&picture, shape))
}
