//! A table for people.

use super::{Measured, Row, Table};

impl Table {
    /// The table as Markdown; the chart beside it is `name.svg`, the runs' histories lie in `runs/`.
    pub fn markdown(&self, name: &str) -> String {
        let with_tutorial = self.rows.iter().any(|row| row.tutorial.is_some());
        let (head, rule) = if with_tutorial {
            ("| tutorial, % ", "| ---: ")
        } else {
            ("", "")
        };
        let mut text = format!(
            "# {}\n\n{}\n\n![Chart]({name}.svg)\n\n\
             | row | what | validation, % {head}| float, % | int8, % | images | epochs | minutes | parameters | blob, bytes |\n\
             | --- | --- | ---: {rule}| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            self.title, self.about
        );
        for row in &self.rows {
            text += &line(row, with_tutorial);
        }
        if with_tutorial {
            text += &self.verdict();
        }
        text += &self.commands();
        text
    }

    /// How many rows reach what the tutorial reports.
    fn verdict(&self) -> String {
        let published: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.tutorial.is_some())
            .collect();
        let reached = |accuracy: fn(&Measured) -> f64| {
            let reaches = |row: &&&Row| match (row.tutorial, &row.measured) {
                (Some(tutorial), Some(measured)) => accuracy(measured) >= tutorial.accuracy,
                _ => false,
            };
            published.iter().filter(reaches).count()
        };
        format!(
            "\nAt or above the tutorial's accuracy: {} of {} rows in float, {} in int8.\n",
            reached(|measured| measured.float_top1),
            published.len(),
            reached(|measured| measured.int8_top1)
        )
    }

    fn commands(&self) -> String {
        let mut text = format!(
            "\nThe time is that of the machine that trained the row. Each run's recipe, history and learning curves are in \
             [runs](runs). To put the table together again from the runs that are there, and to make a row again:\n\n\
             ```sh\n{}\n",
            self.command
        );
        for row in self.rows.iter().filter(|row| !row.command.is_empty()) {
            text += &format!("{}   # {}\n", row.command, row.name);
        }
        text + "```\n"
    }
}

fn line(row: &Row, with_tutorial: bool) -> String {
    let tutorial = match row.tutorial {
        Some(tutorial) => format!("| {:.2} ({} epochs) ", tutorial.accuracy, tutorial.epochs),
        None if with_tutorial => "| – ".to_owned(),
        None => String::new(),
    };
    let start = format!("| {} | {} ", row.name, row.about);
    let Some(measured) = &row.measured else {
        return format!(
            "{start}| – {tutorial}| missing | missing {}|\n",
            "| – ".repeat(5)
        );
    };
    let validation = measured
        .validation_accuracy
        .map_or_else(|| "–".to_owned(), |accuracy| format!("{accuracy:.2}"));
    format!(
        "{start}| {validation} {tutorial}| {:.2} | {:.2} | {} | {} | {:.1} | {} | {} |\n",
        measured.float_top1,
        measured.int8_top1,
        measured.train_images,
        measured.epochs,
        measured.seconds / 60.0,
        measured.parameters,
        measured.blob_bytes
    )
}
