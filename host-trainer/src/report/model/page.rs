//! A model's report as one HTML file: styles and pictures are inside, nothing is loaded, no script runs.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared_model::Shape;

use super::{ModelReport, OwnPictures, describe, pictures};
use crate::boards::{self, BoardNeeds};
use crate::dataset::{Findings, Image};
use crate::evaluate::confusion::{precision, recall, share};
use crate::evaluate::{ConfusionMatrix, Mistake};
use crate::format::grouped;
use crate::model_files::ModelFiles;
use crate::operations::{or_dash, shape};
use crate::report::canvas::{Figure, to_svg};
use crate::report::learning_curves::LearningCurves;
use crate::report::reliability_diagram::ReliabilityDiagram;

/// Width and height of the page's charts in pixels: about a phone's width, so that their text stays readable there.
const CURVES: (u32, u32) = (540, 760);
const DIAGRAM: (u32, u32) = (540, 500);
/// Between groups of digits (ISO 80000-1): narrow, and no line breaks there.
const NARROW_SPACE: char = '\u{202f}';

impl ModelReport {
    /// The page; `images` are those that the evaluation looked at.
    pub fn page(&self, files: &ModelFiles, images: &[Image]) -> String {
        let labels = self.labels();
        let mistakes = &self.evaluation.mistakes;
        let curves = LearningCurves { history: &self.history, title: "", size: CURVES };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.name) ": model report" }
                    style { (PreEscaped(include_str!("page.css"))) }
                }
                body { main {
                    h1 { (self.name) }
                    p .quiet { (self.summary()) }
                    div .tiles { @for (name, value) in self.headlines() {
                        div .tile { b { (value) } span { (name) } }
                    } }
                    (section("Limits", bullets(describe::limits(self))))
                    @if let Some(own) = &self.pictures {
                        (section("Pictures", self.own_pictures(own)))
                    }
                    @if !self.boards.is_empty() {
                        (section("Boards", html! {
                            p .quiet { (boards::EXPLANATION) }
                            (columns(boards::COLUMNS, self.boards.iter().map(BoardNeeds::row)))
                        }))
                    }
                    (section("Learning curves", chart(&curves, "Loss and accuracy of each epoch")))
                    (section("Which class is taken for which", self.confusions(&labels)))
                    (section("Classes", self.classes(&labels)))
                    (section("What the probability is worth", self.probability()))
                    @if !mistakes.is_empty() {
                        (section("The mistakes that it is surest of", html! {
                            div .mistakes { @for mistake in mistakes {
                                (picture(mistake, images, self.dataset.shape(), &labels))
                            } }
                        }))
                    }
                    (section("Operations", html! {
                        p { (self.quantization_in_words()) }
                        (self.operations())
                    }))
                    (section("Training", facts(describe::training(self))))
                    (section("The same again", html! { pre { (self.commands(files)) } }))
                } }
            }
        };
        page.into_string()
    }

    fn own_pictures(&self, own: &OwnPictures) -> Markup {
        html! {
            p .quiet { (pictures::EXPLANATION) }
            (columns(pictures::COLUMNS, pictures::rows(self, own)))
            (bullets(own.findings.iter().flat_map(Findings::lines)))
            h3 .below { "Which classes need more pictures" }
            (bullets(pictures::advice(self, own)))
        }
    }

    fn confusions(&self, labels: &[&str]) -> Markup {
        let matrices = [("int8", &self.evaluation.int8_confusion), ("float", &self.evaluation.float_confusion)];
        html! {
            p .quiet { "Test images. Rows: the true class; columns: what the network says." }
            div .columns { @for (name, matrix) in matrices {
                div { h3 { (name) } (confusion_table(matrix, labels)) }
            } }
        }
    }

    fn probability(&self) -> Markup {
        let diagram = ReliabilityDiagram {
            float: &self.evaluation.float_reliability,
            int8: &self.evaluation.int8_reliability,
            size: DIAGRAM,
        };
        html! {
            p .quiet {
                "Images sorted by the probability of the class that is named: how many of them are named rightly. On the \
                 dashed line a network is right as often as it says."
            }
            (chart(&diagram, "Reliability diagram"))
        }
    }

    fn classes(&self, labels: &[&str]) -> Markup {
        let (float, int8) = (&self.evaluation.float_confusion, &self.evaluation.int8_confusion);
        html! {
            p .quiet {
                "Recall: how many images of the class are recognized, in percent. Precision: how often the network is right \
                 when it names the class."
            }
            div .scroll { table {
                thead {
                    tr { th rowspan="2" { "class" } th .group colspan="2" { "recall" } th .group colspan="2" { "precision" } }
                    tr { @for _ in 0..2 { th .number { "int8" } th .number { "float" } } }
                }
                tbody { @for (class, label) in labels.iter().enumerate() {
                    tr {
                        td { (label) }
                        @for value in [
                            recall(int8, class), recall(float, class), precision(int8, class), precision(float, class),
                        ] {
                            td .number { (format!("{value:.1}")) }
                        }
                    }
                } }
            } }
        }
    }

    fn operations(&self) -> Markup {
        html! {
            div .scroll { table {
                thead { tr {
                    th { "operation" } th { "input" } th { "output" }
                    th .number { "MACs" } th .number { "bytes" } th .number { "scale" } th .number { "zero point" }
                    th .number { "clipped, %" } th .number { "SQNR" }
                } }
                tbody { @for operation in &self.quantization.operations {
                    @let summary = &operation.summary;
                    tr {
                        td { (summary.title()) }
                        td { (shape(summary.input_shape)) }
                        td { (shape(summary.output_shape)) }
                        td .number { (grouped(summary.multiply_accumulates, NARROW_SPACE)) }
                        td .number { (grouped(summary.bytes as u64, NARROW_SPACE)) }
                        td .number { (or_dash(summary.scale.map(|scale| format!("{scale:.5}")))) }
                        td .number { (or_dash(summary.zero_point)) }
                        td .number { (or_dash(operation.clip.map(|clip| 100.0 * clip))) }
                        td .number { (or_dash(operation.sqnr_db.map(|ratio| format!("{ratio:.1} dB")))) }
                    }
                } }
            } }
        }
    }
}

fn section(title: &str, content: Markup) -> Markup {
    html! { section { h2 { (title) } (content) } }
}

fn bullets(lines: impl IntoIterator<Item = String>) -> Markup {
    html! { ul { @for line in lines { li { (line) } } } }
}

/// A table whose first column is text, and whose others are figures.
fn columns<const N: usize>(names: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Markup {
    html! {
        div .scroll { table {
            thead { tr { @for (index, name) in names.iter().enumerate() { th .number[index > 0] { (name) } } } }
            tbody { @for row in rows {
                tr { @for (index, cell) in row.iter().enumerate() { td .number[index > 0] { (cell) } } }
            } }
        } }
    }
}

fn facts(facts: Vec<(&'static str, String)>) -> Markup {
    html! {
        table .facts { tbody { @for (name, value) in facts {
            tr { th { (name) } td { (value) } }
        } } }
    }
}

fn chart(figure: &impl Figure, description: &str) -> Markup {
    html! {
        div .chart role="img" aria-label=(description) { (PreEscaped(to_svg(figure))) }
    }
}

/// A heat map: what is right in blue, what is wrong in red; the square root keeps small shares visible.
fn confusion_table(matrix: &ConfusionMatrix, labels: &[&str]) -> Markup {
    let shade = |truth: usize, predicted: usize| (share(matrix, truth, predicted) / 100.0).sqrt();
    let colour = |truth, predicted| {
        let rgb = if truth == predicted { "31,119,180" } else { "214,69,38" };
        format!("background:rgba({rgb},{:.3})", shade(truth, predicted))
    };
    html! {
        table .matrix {
            colgroup { col; @for _ in labels { col; } }
            thead { tr { th; @for label in labels { th { span { (label) } } } } }
            tbody { @for (truth, row) in matrix.iter().enumerate() {
                tr {
                    th { (labels[truth]) }
                    @for (predicted, count) in row.iter().enumerate() {
                        td .strong[shade(truth, predicted) > 0.6] style=(colour(truth, predicted)) { (count) }
                    }
                }
            } }
        }
    }
}

fn picture(mistake: &Mistake, images: &[Image], shape: Shape, labels: &[&str]) -> Markup {
    let (said, truth) = (labels[mistake.int8.class], labels[mistake.label]);
    let float = &mistake.float;
    html! {
        figure {
            img src=(data_uri(&images[mistake.image], shape)) alt={ "a " (truth) " that is taken for a " (said) };
            figcaption {
                b { (said) } " " (format!("{:.1} %", 100.0 * mistake.int8.probability)) br;
                "is: " b { (truth) } br;
                span .quiet {
                    "float: " (labels[float.class]) " " (format!("{:.1} %", 100.0 * float.probability)) br;
                    "test image " (mistake.image)
                }
            }
        }
    }
}

/// The image as a PNG in a URI.
fn data_uri(image: &Image, shape: Shape) -> String {
    let mut png = Vec::new();
    let colour = if shape.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    PngEncoder::new(&mut png)
        .write_image(image, shape.width.into(), shape.height.into(), colour)
        .expect("an image is written to memory, and it has its size");
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}
