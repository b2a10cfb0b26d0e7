//! The family of networks that people choose from, and the ladder: those of it that were trained on CIFAR-10, with their figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use serde::{Deserialize, Serialize};
use shared_model::graph::{Accuracy, Decision};
use shared_model::{AlignedBytes, Backend, Model, Shape};

use crate::boards;
use crate::comparison::Table;
use crate::dataset::{CIFAR10_SHAPE, Description};
use crate::files::{self, FileError};
use crate::quantize::{Quantization, QuantizeError};
use crate::recipe::{Augmentation, Head, Recipe};
use crate::report::ReportError;
use crate::report::canvas::{self, BLUE, DrawingResult, FONT, Figure, LARGE_TEXT, ORANGE, SMALL_TEXT, TEXT, text};
use crate::report::model::ModelSize;

/// Where the ladder lies.
pub const FOLDER: &str = "data/family";
/// The most bytes of the arena in which the ladder's instructions are counted.
pub const FAST_ARENA: usize = 48 * 1024;

/// A network of the family: blocks of two 3×3 convolutions and a pool, and what makes logits of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Filters of the first block; each further block has twice as many as the one before.
    pub width: usize,
    /// Blocks.
    pub blocks: usize,
    /// What stands between the blocks and the logits.
    pub head: Head,
    /// What it sees of CIFAR-10's pictures.
    pub input: Shape,
}

/// The members of the ladder that are trained for it, with the epochs of their training.
///
/// Those of up to 100,000 parameters do not learn their pictures by heart, and so see them shifted less and with nothing cut out: after
/// eight epochs on 45,000 images `w8-b3-average` names 77.9 % of the validation images so, and 76.0 % with shifts of 4 pixels.
pub const LADDER: [(Member, usize); 10] = [
    (Member::averaging(8, 3), 40),
    (Member::averaging(12, 3), 30),
    (Member::averaging(16, 3), 40),
    (Member::averaging(24, 3), 80),
    (Member::averaging(32, 3), 80),
    (Member::averaging(36, 3), 80),
    (Member::averaging(40, 3), 80),
    (Member::averaging(12, 3).seeing(32, 32, 1), 40),
    (Member::averaging(16, 3).seeing(48, 48, 3), 30),
    (Member::averaging(8, 4).seeing(96, 96, 1), 20),
];

/// The network of the reference model.
pub const REFERENCE: Member = Member { width: 32, blocks: 3, head: Head::Hidden, input: CIFAR10_SHAPE };

impl Member {
    const fn averaging(width: usize, blocks: usize) -> Self {
        Self { width, blocks, head: Head::GlobalAverage, input: CIFAR10_SHAPE }
    }

    /// The same, of other pictures.
    const fn seeing(self, height: u16, width: u16, channels: u16) -> Self {
        Self { input: Shape::new(height, width, channels), ..self }
    }

    /// Its name, such as `w16-b3-average`, or `w16-b3-average-48x48x3` where it does not see CIFAR-10's pictures as they are.
    pub fn name(self) -> String {
        let input = self.cifar10().other_input_flag().map_or_else(String::new, |input| format!("-{input}"));
        format!("w{}-b{}-{}{input}", self.width, self.blocks, self.head_name())
    }

    /// The flags of `train` for it, without `--data`.
    pub fn flags(self) -> String {
        let input = self.cifar10().other_input_flag().map_or_else(String::new, |input| format!(" --input {input}"));
        format!("--width {} --blocks {} --head {}{input}", self.width, self.blocks, self.head_name())
    }

    /// The same for CIFAR-10's pictures as they are.
    pub fn of_cifar10(self) -> Self {
        Self { input: CIFAR10_SHAPE, ..self }
    }

    /// CIFAR-10 as it sees that, but for the statistics of pictures that are not as they were.
    pub fn cifar10(self) -> Description {
        let Shape { height, width, channels } = self.input;
        let mut description = Description { shape: [height, width, channels], ..Description::cifar10() };
        description.statistics.mean.truncate(channels.into());
        description.statistics.deviation.truncate(channels.into());
        description
    }

    /// As `train --head` takes it.
    const fn head_name(self) -> &'static str {
        match self.head {
            Head::GlobalAverage => "average",
            Head::Hidden => "hidden",
        }
    }

    /// `recipe` with this network.
    pub fn recipe(self, mut recipe: Recipe) -> Recipe {
        recipe.set_size(Some(self.width), Some(self.blocks));
        recipe.head = self.head;
        recipe
    }

    /// Its filters and its head in words.
    pub fn description(self) -> String {
        let filters: Vec<String> = (0..self.blocks).map(|block| (self.width << block).to_string()).collect();
        let head = match self.head {
            Head::GlobalAverage => "mean of each channel",
            Head::Hidden => "dense layer of 128",
        };
        let pictures = match self.input {
            CIFAR10_SHAPE => String::new(),
            Shape { height, width, channels: 1 } => format!(", grey pictures of {height}×{width}"),
            Shape { height, width, .. } => format!(", pictures of {height}×{width}"),
        };
        format!("{} filters, {head}{pictures}", filters.join(", "))
    }

    /// How the ladder trains it.
    pub fn on_ladder(self, epochs: usize) -> Recipe {
        let best = Recipe::preset("vgg3-best").expect("a preset");
        let recipe = Recipe { epochs, all_images: true, ..self.recipe(best) };
        if self.width <= 16 {
            // Two of 32 pixels.
            let shift = usize::from(self.input.height) / 16;
            Recipe { augmentation: Augmentation { shift, cutout: 0, ..recipe.augmentation }, ..recipe }
        } else {
            recipe
        }
    }

    /// A blob of this network for the pictures and classes of `dataset`, of which only the numbers are missing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn untrained(self, dataset: &Description) -> Result<AlignedBytes, QuantizeError> {
        let recipe = self.recipe(Recipe::preset("vgg3-best").expect("a preset"));
        let accuracy = Accuracy { images: u32::MAX, float_top1: 0.0, int8_top1: 0.0, agreement: 0.0 };
        let decision = Decision { threshold: u16::MAX, none_class: dataset.none.map(|class| class as u8) };
        Quantization::untrained(&recipe, dataset).blob(&recipe.preset, u16::MAX, decision, accuracy)
    }
}

/// The ladder of this repository; empty where there is none.
///
/// # Errors
/// If it cannot be read.
pub fn ladder() -> Result<Vec<Rung>, FileError> {
    let file = files::in_repository(FOLDER).join("ladder.json");
    Ok(files::read_json_if_present(&file)?.unwrap_or_default())
}

/// A network of the ladder, with its figures on CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// The member's name.
    pub name: String,
    /// Accuracy as int8 on the test images in percent.
    pub int8_top1: f64,
    /// The same of the float network.
    pub float_top1: f64,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiplications for one image.
    pub macs: u64,
    /// Size of the blob.
    pub blob_bytes: usize,
    /// Working memory of an inference on a Cortex-M4.
    pub arena_bytes: ArenaBytes,
    /// Instructions of an inference by core, as the plan in an arena of at most 48 KiB estimates them.
    pub instructions: BTreeMap<String, u64>,
}

/// Bytes of arena.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArenaBytes {
    /// The least that there is a plan for.
    pub least: usize,
    /// Of the fastest plan in at most 48 KiB.
    pub fast: usize,
}

impl Rung {
    /// The figures of a member, of which training gave accuracies in percent and a blob; `None` if an inference needs more than 48 KiB.
    fn new(
        member: Member,
        [float_top1, int8_top1]: [f64; 2],
        blob_bytes: usize,
    ) -> Result<Option<Self>, QuantizeError> {
        let blob = member.untrained(&member.cifar10())?;
        let model = Model::load(&blob).expect("a member of the ladder was trained");
        let plan = |core| model.plan_on(Backend::of_core(core)?, FAST_ARENA);
        let planned = boards::cores().map(|core| Some((core.to_owned(), plan(core)?.instructions()))).collect();
        let (Some(fast), Some(instructions)) = (plan(CORE), planned) else {
            return Ok(None);
        };
        let size = ModelSize::of(&model, blob_bytes);
        Ok(Some(Self {
            name: member.name(),
            int8_top1,
            float_top1,
            parameters: size.parameters,
            macs: size.multiply_accumulates,
            blob_bytes,
            arena_bytes: ArenaBytes { least: size.arena_bytes, fast: fast.arena_len() },
            instructions,
        }))
    }
}

/// Writes the ladder of a table, those of its rows that were measured, as JSON and as a chart to `folder`; the names written.
///
/// # Errors
/// If a file cannot be written.
pub fn write_ladder(table: &Table, folder: &Path) -> Result<Vec<PathBuf>, LadderError> {
    let mut rungs = Vec::new();
    for member in LADDER.map(|(member, _)| member).into_iter().chain([REFERENCE]) {
        let row = table.rows.iter().find(|row| row.name == member.name());
        if let Some(measured) = row.and_then(|row| row.measured) {
            rungs.extend(Rung::new(member, [measured.float_top1, measured.int8_top1], measured.blob_bytes)?);
        }
    }
    let [json, png, svg] = ["json", "png", "svg"].map(|kind| folder.join("ladder").with_added_extension(kind));
    files::write_json(&json, &rungs)?;
    canvas::save(&Ladder(rungs), &png, &svg)?;
    Ok(vec![json, png, svg])
}

/// The ladder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// A member's blob.
    #[error(transparent)]
    Blob(#[from] QuantizeError),
    /// Text.
    #[error(transparent)]
    File(#[from] FileError),
    /// The chart.
    #[error(transparent)]
    Chart(#[from] ReportError),
}

/// A network of MLPerf Tiny, of another architecture than ours: what is published of it.
struct Yardstick {
    name: &'static str,
    /// Percent of CIFAR-10's test images.
    accuracy: f64,
    /// Bytes of its weights, one a parameter.
    bytes: f64,
    /// Cycles of an inference on a Cortex-M4, if they were measured.
    cycles: Option<f64>,
}

/// IC01: MLPerf Tiny's ResNet-8, 77,706 parameters and 12.5 million multiplications, as ST measured it (X-CUBE-AI 10.2 on an STM32L4R5:
/// 85.59 %, 1.59 cycles a multiplication). IC02: of version 1.4, 480,330 parameters; its target is 91 %, and no cycles are published.
const YARDSTICKS: [Yardstick; 2] = [
    Yardstick { name: "MLPerf Tiny IC01", accuracy: 85.59, bytes: 77_706.0, cycles: Some(19.8e6) },
    Yardstick { name: "MLPerf Tiny IC02", accuracy: 91.0, bytes: 480_330.0, cycles: None },
];

/// Accuracy over instructions, and over flash.
struct Ladder(Vec<Rung>);

/// Width and height of a chart in pixels.
const CHART: (u32, u32) = (960, 420);
/// The core whose memory is told, and whose instructions are drawn.
const CORE: &str = "cortex-m4";

impl Figure for Ladder {
    fn size(&self) -> (u32, u32) {
        (CHART.0, 2 * CHART.1)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let (upper, lower) = area.split_vertically(CHART.1);
        let instructions = |rung: &Rung| rung.instructions.get(CORE).map_or(0.0, |&count| count as f64 / 1e6);
        let cycles = |yardstick: &Yardstick| yardstick.cycles.map(|cycles| cycles / 1e6);
        self.draw_chart(
            &upper,
            "million instructions on a Cortex-M4, in 48 KiB (MLPerf Tiny: cycles)",
            instructions,
            cycles,
        )?;
        let flash = |rung: &Rung| rung.blob_bytes as f64 / 1024.0;
        let weights = |yardstick: &Yardstick| Some(yardstick.bytes / 1024.0);
        self.draw_chart(&lower, "KiB of blob (MLPerf Tiny: of weights)", flash, weights)
    }
}

impl Ladder {
    /// Accuracy over what `x` and `other_x` say of a rung and of a yardstick.
    fn draw_chart<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axis: &str,
        x: impl Fn(&Rung) -> f64,
        other_x: impl Fn(&Yardstick) -> Option<f64>,
    ) -> DrawingResult<DB> {
        let ours: Vec<_> = self.0.iter().map(|rung| (rung.name.as_str(), (x(rung), rung.int8_top1))).collect();
        let others = YARDSTICKS.iter();
        let others: Vec<_> = others.filter_map(|other| Some((other.name, (other_x(other)?, other.accuracy)))).collect();
        let points = || ours.iter().chain(&others).map(|(_, point)| *point);
        let widest = points().map(|point| point.0).fold(1.0, f64::max);
        let lowest = points().map(|point| point.1).fold(90.0, f64::min);
        let mut chart = ChartBuilder::on(area)
            .margin(16)
            .x_label_area_size(50)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..widest * 1.15, (lowest - 2.0).floor()..96.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .label_style((FONT, TEXT))
            .axis_desc_style((FONT, LARGE_TEXT))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .x_desc(axis)
            .y_desc("int8 accuracy (%)")
            .draw()?;
        for (points, colour) in [(ours, BLUE), (others, ORANGE)] {
            let label = text(SMALL_TEXT, HPos::Left);
            chart.draw_series(points.into_iter().map(|(name, point)| {
                EmptyElement::at(point)
                    + Circle::new((0, 0), 5, colour.filled())
                    + Text::new(name.to_owned(), (9, 0), label.clone())
            }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{self, Measured};

    #[test]
    fn the_ladder_has_the_members_that_were_measured() {
        let mut table = Table { title: String::new(), about: String::new(), command: String::new(), rows: Vec::new() };
        let measured = Measured {
            float_top1: 80.5,
            int8_top1: 80.25,
            test_images: 10_000,
            validation_accuracy: None,
            train_images: 50_000,
            epochs: 40,
            seconds: 1.0,
            parameters: 18_514,
            blob_bytes: 23_950,
        };
        for (name, measured) in [("w8-b3-average", Some(measured)), ("w12-b3-average", None)] {
            let (about, command) = (String::new(), String::new());
            table.rows.push(comparison::Row { name: name.to_owned(), about, tutorial: None, command, measured });
        }
        let folder = tempfile::tempdir().unwrap();
        let files = write_ladder(&table, folder.path()).unwrap();
        let rungs: Vec<Rung> = files::read_json(&files[0]).unwrap();
        let [rung] = &rungs[..] else { panic!("one was measured: {rungs:?}") };
        assert_eq!((rung.name.as_str(), rung.float_top1, rung.int8_top1), ("w8-b3-average", 80.5, 80.25));
        assert_eq!((rung.parameters, rung.macs, rung.blob_bytes), (18_514, 2_580_800, 23_950));
        assert!(rung.arena_bytes.least < 5000 && (5000..=FAST_ARENA).contains(&rung.arena_bytes.fast), "{rung:?}");
        assert!(boards::cores().all(|core| rung.instructions[core] > 100_000), "{rung:?}");
        assert_eq!(rung.instructions.len(), boards::cores().count());
        let chart = std::fs::read_to_string(&files[2]).unwrap();
        assert_eq!(chart.matches("w8-b3-average").count(), 2, "{chart}");
        assert_eq!(chart.matches("IC02").count(), 1, "{chart}");
    }

    #[test]
    fn members_of_the_ladder_are_in_rising_order_and_can_be_trained() {
        let as_they_are = LADDER.iter().filter(|(member, _)| member.input == CIFAR10_SHAPE);
        assert!(as_they_are.is_sorted_by_key(|(member, _)| member.width));
        for (member, epochs) in LADDER {
            let recipe = member.on_ladder(epochs);
            recipe.check().unwrap();
            assert_eq!(recipe.augmentation.cutout == 0, member.width <= 16, "{}", member.name());
        }
    }
}
