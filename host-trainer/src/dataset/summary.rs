//! A data set in figures.

use std::fmt::Write;

use super::Dataset;

/// Shapes, and the images of each class in each part, as a table in plain text.
pub fn summary(dataset: &Dataset) -> String {
    let description = &dataset.description;
    let parts = [("training", Some(&dataset.train)), ("validation", dataset.validation.as_ref()), ("test", Some(&dataset.test))];
    let parts: Vec<_> = parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect();
    let mut text = format!("{}, shapes [images, height, width, channels] of u8:\n", description.name);
    let [height, width, channels] = description.shape;
    for (name, part) in &parts {
        let _ = writeln!(text, "  {name:<11}[{}, {height}, {width}, {channels}]", part.len());
    }
    let mut row = |name: &str, cells: Vec<String>| {
        let _ = write!(text, "\n{name:<14}");
        for cell in cells {
            let _ = write!(text, "{cell:>12}");
        }
    };
    row("class", parts.iter().map(|(name, _)| (*name).to_owned()).collect());
    let classes = description.labels.len();
    let counts: Vec<Vec<usize>> = parts.iter().map(|(_, part)| part.images_per_class(classes)).collect();
    for (class, label) in description.labels.iter().enumerate() {
        row(&format!("{class} {label}"), counts.iter().map(|counts| counts[class].to_string()).collect());
    }
    row("all", parts.iter().map(|(_, part)| part.len().to_string()).collect());
    text + "\n"
}
