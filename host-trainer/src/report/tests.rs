//! Pictures are read back: the right size, and what must be visible in them is.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use shared_model::Shape;
use tempfile::TempDir;

use super::canvas::{BLUE, Figure, LARGE_TEXT, ORANGE, SMALL_TEXT, TEXT, save_png, text};
use super::*;
use crate::dataset::{Dataset, Description, Image, LabelledImages};
use crate::evaluate::{Mistake, Prediction};
use crate::history::{Epoch, History, Validation};

/// What `draw` writes as PNG, and as SVG if it does.
fn drawn(draw: impl FnOnce(&Path, &Path) -> Result<(), ReportError>) -> (RgbImage, String) {
    let folder = TempDir::new().unwrap();
    let [png, svg] = ["png", "svg"].map(|kind| folder.path().join("picture").with_extension(kind));
    draw(&png, &svg).unwrap();
    let picture = image::open(png).unwrap().into_rgb8();
    (picture, fs::read_to_string(svg).unwrap_or_default())
}

/// The learning curves of a training whose epochs have these losses.
fn curves(losses: &[f64]) -> (RgbImage, String) {
    let epoch = |(index, &train_loss): (usize, &f64)| Epoch {
        epoch: index + 1,
        learning_rate: 0.1,
        train_loss,
        train_accuracy: 40.0 + 2.0 * index as f64,
        validation: Some(Validation { loss: 1.4 / (index + 1) as f64, accuracy: 45.0 + index as f64 }),
        seconds: 250.0,
    };
    let epochs = losses.iter().enumerate().map(epoch).collect();
    drawn(|png, svg| learning_curves(&History { epochs }, "a title", png, svg))
}

#[test]
fn both_curves_are_in_both_charts_as_far_as_they_can_be_drawn() {
    let falling: Vec<f64> = (1..=20).map(|epoch| 2.0 / f64::from(epoch)).collect();
    let diverged = [1.6, f64::NAN, f64::INFINITY];
    for (losses, visible) in [(&falling[..], 500), (&[1.6], 20), (&diverged, 20), (&[], 0)] {
        let (picture, svg) = curves(losses);
        assert_eq!(picture.dimensions(), (960, 960));
        for RGBColor(r, g, b) in [BLUE, ORANGE] {
            for rows in [0..480, 480..960] {
                // Left of the legends.
                let pixels = rows.flat_map(|y| (0..780).map(move |x| (x, y)));
                let coloured = pixels.filter(|&(x, y)| *picture.get_pixel(x, y) == Rgb([r, g, b]));
                let count = coloured.count();
                assert!(count >= visible && (count > 0) == (visible > 0), "{count} pixels");
            }
        }
        for text in ["a title", "epoch", "loss", "accuracy (%)"] {
            assert!(svg.contains(text), "{text}");
        }
        for text in ["training", "validation", "#1F77B4", "#FF7F0E"] {
            assert_eq!(svg.contains(text), visible > 0, "{text}");
        }
    }
}

#[test]
fn a_picture_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("curves.png");
    let error = learning_curves(&History::default(), "", &below, &below).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write {}: ", below.display())), "{error}");
}

#[test]
fn a_confusion_matrix_is_darkest_where_the_counts_are() {
    // Everything is right, except that a quarter of the cats are taken for dogs.
    let mut matrix = vec![vec![0; 10]; 10];
    (0..10).for_each(|class| matrix[class][class] = 1000);
    (matrix[3][3], matrix[3][5]) = (750, 250);

    let labels = Description::cifar10().labels;
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let (picture, svg) = drawn(|png, svg| confusion_matrix(&matrix, &labels, png, svg));

    // The upper left corners of cells, where no number is.
    let cells = [(0, 0), (3, 3), (3, 5), (5, 3)];
    let corners = cells.map(|(truth, predicted)| (138 + 80 * predicted, 108 + 80 * truth));
    let brightness = corners.map(|(x, y)| picture.get_pixel(x, y).0[0]);
    assert!(brightness.is_sorted_by(|a, b| a < b), "{brightness:?}");
    assert_eq!(brightness[3], 255);
    for text in ["predicted class", "true class", "automobile", "750", "250"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn the_preview_shows_nine_images_eight_times_as_large() {
    let image = |seed: usize| -> Image { (0..3072).map(|i| ((i + seed) * 31 % 251) as u8).collect() };
    let images = LabelledImages { images: (0..10).map(image).collect(), labels: (0..10).collect() };

    let description = Description::cifar10();
    let test = LabelledImages::default();
    let dataset = Dataset { description, train: images.clone(), validation: None, test, record: None };
    let (picture, _) = drawn(|png, _| preview(&dataset, png));

    for (index, image) in images.images[..9].iter().enumerate() {
        let (left, top) = (16 + 272 * (index % 3), 16 + 296 * (index / 3));
        for (pixel, expected) in image.chunks_exact(3).enumerate() {
            let (x, y) = (left + 8 * (pixel % 32), top + 8 * (pixel / 32));
            for (x, y) in [(x, y), (x + 7, y + 7)] {
                let found = picture.get_pixel(x as u32, y as u32).0;
                assert_eq!(found, expected, "image {index}, ({x}, {y})");
            }
        }
    }
}

/// A text in so large letters.
struct Writing(&'static str, u32);

impl Figure for Writing {
    fn size(&self) -> (u32, u32) {
        (40, 40)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> canvas::DrawingResult<DB> {
        area.draw_text(self.0, &text(self.1, HPos::Center), (20, 20))
    }
}

#[test]
fn a_decimal_point_stands_on_the_line_of_its_digits() {
    let lowest_row = |text, size| {
        let (picture, _) = drawn(|png, _| save_png(&Writing(text, size), png));
        let dark = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 128);
        dark.map(|(_, y, _)| y).max().unwrap()
    };
    for size in [SMALL_TEXT, TEXT, LARGE_TEXT] {
        assert_eq!(lowest_row(".", size), lowest_row("1", size), "size {size}");
    }
}

#[test]
fn mistakes_are_drawn_whatever_their_shape_and_however_few() {
    let said = |class| Prediction { class, probability: 0.999 };
    let labels = ["cat", "none of these"];
    for (shape, count, size) in [
        (Shape::new(32, 32, 3), 10, (16 + 5 * (184 + 16), 16 + 2 * (160 + 64))),
        (Shape::new(8, 16, 1), 2, (16 + 2 * (184 + 16), 16 + 80 + 64)),
        (Shape::new(256, 64, 3), 1, (16 + 184 + 16, 16 + 256 + 64)),
        (Shape::new(64, 256, 1), 7, (16 + 5 * (256 + 16), 16 + 2 * (64 + 64))),
        (Shape::new(24, 32, 1), 0, (16 + 160 + 16, 16)),
    ] {
        let images: Vec<Image> = (0..count).map(|_| vec![77; shape.elements()].into()).collect();
        let list: Vec<_> = (0..count).map(|image| Mistake { image, label: 0, int8: said(1), float: said(0) }).collect();
        let (picture, _) = drawn(|png, _| gallery::mistakes(&list, &images, shape, &labels, png));
        // All pixels of all images are there, in the middle of their tiles.
        let [height, width, _] = shape.dimensions();
        let scale = (160 / height.max(width)).max(1);
        let grey = picture.pixels().filter(|pixel| pixel.0 == [77; 3]).count();
        assert!(grey >= count * height * width * scale * scale, "{shape}: {grey}");
        assert_eq!(picture.dimensions(), size, "{shape}");
    }
}
