//! The data set in figures.

use std::fmt::Write;

use super::{CLASSES, Cifar10, Split};

/// Shapes, and the images of each class in each part, as a table in plain text.
pub fn summary(dataset: &Cifar10, split: &Split) -> String {
    let parts = [
        ("training", &split.training),
        ("validation", &split.validation),
        ("test", &dataset.test),
    ];
    let mut text = String::from("CIFAR-10, shapes [images, height, width, channels] of u8:\n");
    for (name, part) in parts {
        let _ = writeln!(text, "  {name:<11}[{}, 32, 32, 3]", part.len());
    }
    text.push_str("\nclass           training  validation      test\n");
    let counts = parts.map(|(_, part)| part.images_per_class());
    for (class, name) in CLASSES.iter().enumerate() {
        let [training, validation, test] = counts.map(|counts| counts[class]);
        let _ = writeln!(
            text,
            "{class} {name:<12}{training:>10}{validation:>12}{test:>10}"
        );
    }
    let [training, validation, test] = parts.map(|(_, part)| part.len());
    let _ = writeln!(
        text,
        "{:<14}{training:>10}{validation:>12}{test:>10}",
        "all"
    );
    text
}
