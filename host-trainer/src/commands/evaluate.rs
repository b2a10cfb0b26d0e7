//! `evaluate`: a blob and its float weights on the test set.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use host_trainer::camera::Camera;
use host_trainer::dataset::Image;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, Evaluation};
use host_trainer::files;
use host_trainer::model_files::ModelFiles;
use host_trainer::network::{FloatModel, load_weights};
use host_trainer::report::model::{ModelReport, needs_of_boards};
use host_trainer::{output, say};

use super::CommandResult;
use super::data::{Directory, run_of};

/// Flags of `evaluate`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// Look at the test pictures through this camera, as it is modelled: exposure, white balance, noise, focus, field of view,
    /// and the reduction on the board.
    #[arg(long, value_enum)]
    camera: Option<Camera>,
    /// End with one line of JSON; `int8_ece` in it is the expected calibration error in percentage points.
    #[arg(long)]
    json: bool,
}

/// Flags that say which model is measured, on what and by what.
#[derive(Args)]
pub struct Subject {
    /// The blob; its float weights (.bpk) and report (.json) lie beside it.
    #[arg(long, default_value_os_t = files::in_repository("data/models/vgg3-full.blob"))]
    blob: PathBuf,
    /// What computes the float network.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    data: Directory,
}

/// A model that was measured again.
pub struct Measured {
    /// The model's files.
    pub files: ModelFiles,
    /// Its report, with the evaluation of now.
    pub report: ModelReport,
    /// The test images of its classes.
    pub images: Vec<Image>,
    /// Time of the evaluation.
    pub seconds: f64,
}

/// Runs `evaluate`.
pub fn run(arguments: Arguments) -> CommandResult {
    let measured = arguments.subject.measure(arguments.camera)?;
    let evaluation = &measured.report.evaluation;
    print_table(evaluation, &measured.report.dataset.labels);
    say!("{} images in {:.1} s, float and int8", evaluation.images, measured.seconds);
    if arguments.json {
        let mut json = serde_json::to_value(evaluation)?;
        json["int8_ece"] = evaluation.int8_reliability.error.into();
        output::write_json(&json);
    }
    Ok(())
}

impl Subject {
    /// Loads the model and measures it on the test set, seen through a camera if one is given.
    pub fn measure(self, camera: Option<Camera>) -> Result<Measured, Box<dyn Error>> {
        let files = ModelFiles::of_blob(self.blob);
        let bytes = files.read_blob()?;
        let model = files.load(&bytes)?;
        let mut report = ModelReport::load(&model, &files)?;
        let selected = device::select(self.device)?;
        say!("{}", selected.explanation);
        let ModelReport { recipe, dataset, blob, .. } = &report;
        let network = load_weights(recipe, dataset, Some(blob), &files.weights(), &selected.device)?;
        let float = FloatModel::new(network, recipe, dataset, &selected.device);
        let prepared = recipe.prepare(&self.data.load_of(&run_of(&files.blob))?)?;
        if prepared.description.nameless() != dataset.nameless() {
            let [its, given] = [dataset, &prepared.description].map(|description| {
                format!("{}, {}, {} classes", description.name, description.shape(), description.labels.len())
            });
            return Err(format!(
                "{} was trained on another data set ({its}) than the one given ({given}): say with --data, and --input, where its own is",
                files.blob.display()
            )
            .into());
        }
        let mut test = prepared.test;
        if let Some(camera) = camera {
            say!("the test pictures are seen through {}", camera.name());
            camera.photograph_all(&mut test.images, dataset.shape(), recipe.seed);
        }
        let begin = Instant::now();
        report.boards = needs_of_boards(&model, bytes.len());
        report.evaluation = evaluate::evaluate(&float.logits(&test.images)?, &model, &test);
        Ok(Measured { files, report, images: test.images, seconds: begin.elapsed().as_secs_f64() })
    }
}

fn print_table(evaluation: &Evaluation, labels: &[String]) {
    say!("float     {:6.2} %", evaluation.float_top1);
    say!("int8      {:6.2} %", evaluation.int8_top1);
    say!("agreement {:6.2} %", evaluation.agreement);
    say!("int8's expected calibration error {:.2} points", evaluation.int8_reliability.error);
    say!("\nint8, true class by row, predicted class by column:");
    say!("{:11}{}", "", cells(labels.iter().map(|name| format!("{name:>7.6}"))));
    for (name, row) in labels.iter().zip(&evaluation.int8_confusion) {
        say!("{name:11}{}", cells(row.iter().map(|count| format!("{count:7}"))));
    }
}

fn cells(texts: impl Iterator<Item = String>) -> String {
    texts.collect()
}
