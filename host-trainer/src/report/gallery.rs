//! Images of the data set, enlarged, each with a caption.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{DrawingResult, Figure, LARGE_TEXT, ReportError, save_png, text};
use crate::dataset::{CLASSES, IMAGE_SIDE, Image, LabelledImages};
use crate::evaluate::Mistake;

/// Between two images, and around them, in pixels.
const GAP: i32 = 16;
/// Height of a caption's line.
const LINE: i32 = 24;
/// Around a caption, above and below together.
const CAPTION_MARGIN: i32 = 16;

struct Gallery<'a> {
    /// Images in a row.
    columns: usize,
    /// Side of the square that a pixel becomes.
    enlargement: i32,
    /// Images with the lines of their captions, as many for each.
    pictures: Vec<(&'a Image, Vec<String>)>,
}

/// Draws the first nine images, three in a row, eight times as large and labelled, as a PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn preview(images: &LabelledImages, png: &Path) -> Result<(), ReportError> {
    let labelled = images.images.iter().zip(&images.labels).take(9);
    let captioned = labelled.map(|(image, &label)| {
        let caption = format!("{label} {}", CLASSES[usize::from(label)]);
        (image, vec![caption])
    });
    let gallery = Gallery {
        columns: 3,
        enlargement: 8,
        pictures: captioned.collect(),
    };
    save_png(&gallery, png)
}

/// Draws images that a network is wrong about, five in a row, five times as large, with what they show and what the
/// network says, as a PNG. `mistakes` name images by their position in `images`.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If a mistake names an image or a class that is not there.
pub fn mistakes(
    mistakes: &[Mistake],
    images: &[Image],
    labels: &[&str],
    png: &Path,
) -> Result<(), ReportError> {
    let captioned = mistakes.iter().map(|mistake| {
        let said = labels[mistake.int8.class];
        let caption = vec![
            format!("{said} {:.1} %", 100.0 * mistake.int8.probability),
            format!("is: {}", labels[mistake.label]),
        ];
        (&images[mistake.image], caption)
    });
    let gallery = Gallery {
        columns: 5,
        enlargement: 5,
        pictures: captioned.collect(),
    };
    save_png(&gallery, png)
}

impl Gallery<'_> {
    /// Side of an enlarged image, and height of it with its caption, in pixels.
    fn tile(&self) -> (i32, i32) {
        let lines = self.pictures.first().map_or(0, |(_, lines)| lines.len());
        let side = self.enlargement * IMAGE_SIDE as i32;
        (side, side + LINE * lines as i32 + CAPTION_MARGIN)
    }
}

impl Figure for Gallery<'_> {
    fn size(&self) -> (u32, u32) {
        let (side, height) = self.tile();
        let rows = self.pictures.len().div_ceil(self.columns) as i32;
        let width = GAP + self.columns as i32 * (side + GAP);
        (width as u32, (GAP + rows * height) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let (side, height) = self.tile();
        for (index, (image, caption)) in self.pictures.iter().enumerate() {
            let left = GAP + (index % self.columns) as i32 * (side + GAP);
            let top = GAP + (index / self.columns) as i32 * height;
            for (index, pixel) in image.chunks_exact(3).enumerate() {
                let x = left + (index % IMAGE_SIDE) as i32 * self.enlargement;
                let y = top + (index / IMAGE_SIDE) as i32 * self.enlargement;
                let square = [(x, y), (x + self.enlargement, y + self.enlargement)];
                let colour = RGBColor(pixel[0], pixel[1], pixel[2]);
                area.draw(&Rectangle::new(square, colour.filled()))?;
            }
            for (line, content) in caption.iter().enumerate() {
                let y = top + side + LINE * line as i32 + (LINE + CAPTION_MARGIN / 2) / 2;
                area.draw_text(
                    content,
                    &text(LARGE_TEXT, HPos::Center),
                    (left + side / 2, y),
                )?;
            }
        }
        Ok(())
    }
}
