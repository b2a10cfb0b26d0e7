//! `evaluate`: a blob and its float weights on the test set.

use std::cmp::Reverse;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use host_trainer::boards;
use host_trainer::camera::Camera;
use host_trainer::dataset::Image;
use host_trainer::device::{self, DeviceChoice};
use host_trainer::evaluate::{self, ConfusionMatrix, Evaluation};
use host_trainer::files;
use host_trainer::model_files::ModelFiles;
use host_trainer::network::{FloatModel, load_weights};
use host_trainer::report::model::ModelReport;
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
        let prepared = recipe.prepare(&self.data.load_of(&run_of(&files.blob), dataset)?)?;
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
        report.boards = boards::needs(&model, bytes.len());
        report.evaluation = evaluate::evaluate(&float.logits(&test.images)?, &model, &test);
        Ok(Measured { files, report, images: test.images, seconds: begin.elapsed().as_secs_f64() })
    }
}

fn print_table(evaluation: &Evaluation, labels: &[String]) {
    say!("float     {:6.2} %", evaluation.float_top1);
    say!("int8      {:6.2} %", evaluation.int8_top1);
    say!("agreement {:6.2} %", evaluation.agreement);
    say!("int8's expected calibration error {:.2} points", evaluation.int8_reliability.error);
    say!("");
    for line in confusion_lines(labels, &evaluation.int8_confusion) {
        say!("{line}");
    }
}

/// The matrix, its columns headed by the numbers of classes; where a terminal is too narrow for it, what each class was taken for.
fn confusion_lines(labels: &[String], matrix: &ConfusionMatrix) -> Vec<String> {
    /// Of a narrow terminal.
    const COLUMNS: usize = 80;
    let names: Vec<String> = labels.iter().enumerate().map(|(class, label)| format!("{class} {label}")).collect();
    let name_width = names.iter().map(|name| output::columns(name)).max().unwrap_or(0);
    let numbers = matrix.iter().flatten().map(|count| *count as usize).chain([labels.len() - 1]);
    let cell_width = numbers.map(|number| number.to_string().len() + 2).max().unwrap_or(0);
    let rows = names.iter().zip(matrix);
    if name_width + labels.len() * cell_width <= COLUMNS {
        let cells = |name: &str, cells: &mut dyn Iterator<Item = u32>| {
            let cells: String = cells.map(|cell| format!("{cell:cell_width$}")).collect();
            format!("{}{cells}", output::padded(name, name_width))
        };
        let head = [
            "int8, true class by row, predicted class by column:".to_owned(),
            cells("", &mut (0..labels.len() as u32)),
        ];
        return head.into_iter().chain(rows.map(|(name, row)| cells(name, &mut row.iter().copied()))).collect();
    }
    let taken_for = |row: &[u32]| {
        let mut found: Vec<usize> = (0..row.len()).filter(|&class| row[class] > 0).collect();
        found.sort_by_key(|&class| Reverse(row[class]));
        found.into_iter().map(|class| format!("{} {}", row[class], labels[class])).collect::<Vec<_>>().join(", ")
    };
    let head = ["int8, true class: what its images were taken for".to_owned()];
    head.into_iter().chain(rows.map(|(name, row)| format!("{name}: {}", taken_for(row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_apart_in_a_matrix_or_a_list() {
        let labels = |count: usize| (0..count).map(|class| format!("a long name of {class}")).collect::<Vec<_>>();
        let matrix = |count: usize| -> ConfusionMatrix {
            let cell =
                |row, column| if row == column { 100 } else { u32::from(row == 1 && column < 4) * column as u32 };
            (0..count).map(|row| (0..count).map(|column| cell(row, column)).collect()).collect()
        };
        let lines = confusion_lines(&labels(4), &matrix(4)).split_off(1);
        assert_eq!(
            lines,
            [
                "                      0    1    2    3",
                "0 a long name of 0  100    0    0    0",
                "1 a long name of 1    0  100    2    3",
                "2 a long name of 2    0    0  100    0",
                "3 a long name of 3    0    0    0  100",
            ]
        );
        let lines = confusion_lines(&labels(64), &matrix(64));
        assert_eq!(lines[2], "1 a long name of 1: 100 a long name of 1, 3 a long name of 3, 2 a long name of 2");
        assert_eq!((lines.len(), lines[64].as_str()), (65, "63 a long name of 63: 100 a long name of 63"));
        assert!(confusion_lines(&labels(12), &matrix(12)).iter().all(|line| line.len() <= 80));
    }
}
