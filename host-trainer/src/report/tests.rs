//! Pictures are read back: the right size, and what must be visible in them is.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use tempfile::TempDir;

use crate::history::{Epoch, History, Validation};
use super::*;
use crate::dataset::{Dataset, Description, Image, LabelledImages};

const BLUE: Rgb<u8> = Rgb([31, 119, 180]);
const ORANGE: Rgb<u8> = Rgb([255, 127, 14]);

fn epoch(epoch: usize, train_loss: f64) -> Epoch {
    Epoch {
        epoch,
        learning_rate: 0.1,
        train_loss,
        train_accuracy: 40.0 + 2.0 * epoch as f64,
        validation: Some(Validation {
            loss: 1.4 / epoch as f64,
            accuracy: 45.0 + epoch as f64,
        }),
        seconds: 250.0,
    }
}

/// The learning curves of `epochs` as PNG and as SVG.
fn curves(epochs: Vec<Epoch>) -> (RgbImage, String) {
    let directory = TempDir::new().unwrap();
    let (png, svg) = (
        directory.path().join("curves.png"),
        directory.path().join("curves.svg"),
    );
    learning_curves(&History { epochs }, "a title", &png, &svg).unwrap();
    (
        image::open(png).unwrap().into_rgb8(),
        fs::read_to_string(svg).unwrap(),
    )
}

/// How many pixels of a colour there are in the upper and in the lower chart, left of the legends.
fn pixels_in_charts(picture: &RgbImage, colour: Rgb<u8>) -> [usize; 2] {
    let middle = picture.height() / 2;
    [0..middle, middle..picture.height()].map(|rows| {
        let count_row = |y| {
            (0..780)
                .filter(|&x| *picture.get_pixel(x, y) == colour)
                .count()
        };
        rows.map(count_row).sum()
    })
}

#[test]
fn both_curves_are_in_both_charts() {
    let (picture, svg) = curves(
        (1..=20)
            .map(|number| epoch(number, 2.0 / number as f64))
            .collect(),
    );

    assert_eq!(picture.dimensions(), (960, 960));
    for colour in [BLUE, ORANGE] {
        let [loss, accuracy] = pixels_in_charts(&picture, colour);
        assert!(
            loss > 500 && accuracy > 500,
            "{loss} and {accuracy} pixels of {colour:?}"
        );
    }
    for text in [
        "a title",
        "epoch",
        "loss",
        "accuracy (%)",
        "training",
        "validation",
        "#1F77B4",
        "#FF7F0E",
    ] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn a_single_epoch_is_visible() {
    let (picture, _) = curves(vec![epoch(1, 1.6)]);
    for colour in [BLUE, ORANGE] {
        let [loss, accuracy] = pixels_in_charts(&picture, colour);
        assert!(
            loss > 20 && accuracy > 20,
            "{loss} and {accuracy} pixels of {colour:?}"
        );
    }
}

#[test]
fn a_training_that_diverged_is_drawn_as_far_as_it_can_be() {
    let (picture, _) = curves(vec![
        epoch(1, 1.6),
        epoch(2, f64::NAN),
        epoch(3, f64::INFINITY),
    ]);
    assert!(pixels_in_charts(&picture, BLUE)[0] > 20);

    let (picture, _) = curves(vec![]);
    assert_eq!(pixels_in_charts(&picture, BLUE), [0, 0]);
}

#[test]
fn a_picture_that_cannot_be_written_is_named() {
    let missing = Path::new("/no/such/folder/curves.png");
    let error = learning_curves(&History::default(), "", missing, missing).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot draw /no/such/folder/curves.png: "),
        "{error}"
    );
}

#[test]
fn a_confusion_matrix_is_darkest_where_the_counts_are() {
    let directory = TempDir::new().unwrap();
    let (png, svg) = (
        directory.path().join("matrix.png"),
        directory.path().join("matrix.svg"),
    );
    // Everything is right, except that a quarter of the cats are taken for dogs.
    let mut matrix: Vec<Vec<u32>> = (0..10)
        .map(|t| (0..10).map(|p| if t == p { 1000 } else { 0 }).collect())
        .collect();
    (matrix[3][3], matrix[3][5]) = (750, 250);

    let labels = Description::cifar10().labels;
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    confusion_matrix(&matrix, &labels, &png, &svg).unwrap();

    let picture = image::open(png).unwrap().into_rgb8();
    // The upper left corner of a cell, where no number is.
    let brightness = |truth: u32, predicted: u32| {
        picture
            .get_pixel(130 + 80 * predicted + 8, 100 + 80 * truth + 8)
            .0[0]
    };
    assert!(brightness(0, 0) < brightness(3, 3));
    assert!(brightness(3, 3) < brightness(3, 5));
    assert!(brightness(3, 5) < brightness(5, 3));
    assert_eq!(brightness(5, 3), 255);
    let svg = fs::read_to_string(svg).unwrap();
    for text in ["predicted class", "true class", "automobile", "750", "250"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn the_preview_shows_nine_images_eight_times_as_large() {
    let directory = TempDir::new().unwrap();
    let png = directory.path().join("preview.png");
    let image = |seed: usize| -> Image { (0..3072).map(|i| ((i + seed) * 31 % 251) as u8).collect() };
    let images = LabelledImages {
        images: (0..10).map(image).collect(),
        labels: (0..10).collect(),
    };

    let description = Description::cifar10();
    let dataset = Dataset { description, train: images.clone(), validation: None, test: LabelledImages::default() };
    preview(&dataset, &png).unwrap();

    let picture = image::open(png).unwrap().into_rgb8();
    for (index, image) in images.images[..9].iter().enumerate() {
        let (left, top) = (16 + 272 * (index % 3), 16 + 296 * (index / 3));
        for (pixel, expected) in image.chunks_exact(3).enumerate() {
            let (x, y) = (left + 8 * (pixel % 32), top + 8 * (pixel / 32));
            for (x, y) in [(x, y), (x + 7, y + 7)] {
                assert_eq!(
                    picture.get_pixel(x as u32, y as u32).0,
                    expected,
                    "image {index}, ({x}, {y})"
                );
            }
        }
    }
}

/// Writes a text in black on white, in so large letters.
struct Writing {
    text: &'static str,
    size: u32,
}

impl canvas::Figure for Writing {
    fn size(&self) -> (u32, u32) {
        (40, 40)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> canvas::DrawingResult<DB> {
        area.fill(&WHITE)?;
        area.draw_text(self.text, &canvas::centred(self.size, &BLACK), (20, 20))?;
        area.present()
    }
}

#[test]
fn a_decimal_point_stands_on_the_line_of_its_digits() {
    let directory = TempDir::new().unwrap();
    let png = directory.path().join("text.png");
    let lowest_row = |text, size| {
        canvas::save_png(&Writing { text, size }, &png).unwrap();
        let picture = image::open(&png).unwrap().into_luma8();
        let dark = picture
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0[0] < 128);
        dark.map(|(_, y, _)| y).max().unwrap()
    };
    for size in [canvas::SMALL_TEXT, canvas::TEXT, canvas::LARGE_TEXT] {
        assert_eq!(lowest_row(".", size), lowest_row("1", size), "size {size}");
    }
}
