//! A model's report as Markdown: the model card.

use super::{ModelReport, describe, pictures};
use crate::boards::{self, BoardNeeds};
use crate::dataset::Findings;
use crate::evaluate::confusion::{precision, recall};
use crate::model_files::ModelFiles;
use crate::operations::{or_dash, shape};

impl ModelReport {
    /// The model card. Its pictures are the files that [`ModelReport::save`] writes beside it.
    pub fn markdown(&self, files: &ModelFiles) -> String {
        let name = &percent_encoded(&self.name);
        let title = escaped(&self.name);
        let mut text = format!("# {title}\n\n{}\n", self.summary());
        text += &format!("\n{}", table(self.headlines()));
        text += &format!("\nThe same with more pictures, as a page: [{title}.html]({name}.html).\n");
        text += "\n## Limits\n\n";
        text += &bullets(describe::limits(self));
        if let Some(own) = &self.pictures {
            let rows = columns(pictures::COLUMNS, pictures::rows(self, own));
            text += &format!("\n## Pictures\n\n{}\n\n{rows}\n", pictures::EXPLANATION);
            text += &bullets(own.findings.iter().flat_map(Findings::lines));
            text += &format!("\n### Which classes need more pictures\n\n{}", bullets(pictures::advice(self, own)));
        }
        if !self.boards.is_empty() {
            let rows = columns(boards::COLUMNS, self.boards.iter().map(BoardNeeds::row));
            text += &format!("\n## Boards\n\n{}\n\n{rows}", boards::EXPLANATION);
        }
        text += &format!(
            "\n## Training\n\n{}\n![Learning curves]({name}.curves.svg)\n\nThe same again:\n\n```sh\n{}\n```\n",
            table(describe::training(self)),
            self.commands(files)
        );
        text += &format!("\n## Classes\n\n{}", self.classes_table());
        text += &format!("\n![Confusion matrix of the integer network]({name}.confusion.svg)\n");
        text += &format!(
            "\n## Probability\n\nOf the images that it names a class for with such a probability, how many are named rightly:\n\n\
             ![Reliability diagram]({name}.reliability.svg)\n"
        );
        if !self.evaluation.mistakes.is_empty() {
            text += &format!(
                "\n## The mistakes that it is surest of\n\n![Images with the model's answer and the true class]({name}.mistakes.png)\n"
            );
        }
        text + &format!("\n## Quantization\n\n{}\n\n{}", self.quantization_in_words(), self.operations_table())
    }

    fn classes_table(&self) -> String {
        let mut text = "| class | recall float, % | recall int8, % | precision float, % | precision int8, % |\n\
                        | --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
        let evaluation = &self.evaluation;
        let (float, int8) = (&evaluation.float_confusion, &evaluation.int8_confusion);
        for (class, label) in self.dataset.labels.iter().enumerate() {
            text += &format!(
                "| {} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
                escaped(label),
                recall(float, class),
                recall(int8, class),
                precision(float, class),
                precision(int8, class)
            );
        }
        text
    }

    fn operations_table(&self) -> String {
        let mut text = "| operation | input | output | MACs | bytes | scale | zero point | clipped, % | SQNR, dB |\n\
             | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
        for operation in &self.quantization.operations {
            let summary = &operation.summary;
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                summary.title(),
                shape(summary.input_shape),
                shape(summary.output_shape),
                summary.multiply_accumulates,
                summary.bytes,
                or_dash(summary.scale.map(|scale| format!("{scale:.5}"))),
                or_dash(summary.zero_point),
                or_dash(operation.clip.map(|clip| 100.0 * clip)),
                or_dash(operation.sqnr_db.map(|ratio| format!("{ratio:.1}")))
            );
        }
        text
    }
}

fn bullets(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("- {}\n", escaped(&line))).collect()
}

/// Text that Markdown is to show as it is.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_[]<>|".contains(character) {
            result.push('\\');
        }
        result.push(character);
    }
    result
}

/// A file's name as the target of a link.
fn percent_encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

/// A table whose first column is text, and whose others are figures.
fn columns<const N: usize>(names: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n| ---{} |\n", names.join(" | "), " | ---:".repeat(N - 1));
    for row in rows {
        text += &format!("| {} |\n", row.map(|cell| escaped(&cell)).join(" | "));
    }
    text
}

/// A table of names and values.
fn table(rows: Vec<(&'static str, String)>) -> String {
    let mut text = "| | |\n| --- | --- |\n".to_owned();
    for (name, value) in rows {
        text += &format!("| {name} | {} |\n", escaped(&value));
    }
    text
}
