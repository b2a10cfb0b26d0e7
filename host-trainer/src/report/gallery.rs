//! Images of the data set, enlarged, each with a caption.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use shared_model::Shape;

use super::canvas::{DrawingResult, Figure, LARGE_TEXT, ReportError, save_png, text};
use crate::dataset::{Dataset, Image};
use crate::evaluate::Mistake;

/// Between two images, and around them, in pixels.
const GAP: i32 = 16;
/// Height of a caption's line.
const LINE: i32 = 24;
/// Width of a caption's letter, about.
const LETTER: i32 = 10;
/// Around a caption, above and below together.
const CAPTION_MARGIN: i32 = 16;

struct Gallery<'a> {
    /// Shape of an image.
    shape: Shape,
    /// Images in a row.
    columns: usize,
    /// Side of the square that a pixel becomes.
    enlargement: i32,
    /// Images with the lines of their captions, as many for each.
    pictures: Vec<(&'a Image, Vec<String>)>,
}

/// Draws the first nine images, three in a row, large (eight times, of 32×32) and labelled, as a PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn preview(dataset: &Dataset, png: &Path) -> Result<(), ReportError> {
    let Dataset { description, train, .. } = dataset;
    let labelled = train.images.iter().zip(&train.labels).take(9);
    let captioned = labelled.map(|(image, &label)| {
        let caption = format!("{label} {}", description.labels[usize::from(label)]);
        (image, vec![caption])
    });
    let shape = description.shape();
    let enlargement = enlargement(shape, 256).min(8);
    let gallery = Gallery { shape, columns: 3, enlargement, pictures: captioned.collect() };
    save_png(&gallery, png)
}

/// Draws images that a network is wrong about, five in a row, large (five times, of 32×32), with what they show and what the
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
    shape: Shape,
    labels: &[&str],
    png: &Path,
) -> Result<(), ReportError> {
    let captioned = mistakes.iter().map(|mistake| {
        let said = labels[mistake.int8.class];
        let caption =
            vec![format!("{said} {:.1} %", 100.0 * mistake.int8.probability), format!("is: {}", labels[mistake.label])];
        (&images[mistake.image], caption)
    });
    let columns = mistakes.len().clamp(1, 5);
    let gallery = Gallery { shape, columns, enlargement: enlargement(shape, 160), pictures: captioned.collect() };
    save_png(&gallery, png)
}

/// Side of the square that a pixel becomes, so that the longer side of an image has about so many pixels, or more.
fn enlargement(shape: Shape, side: i32) -> i32 {
    (side / i32::from(shape.height.max(shape.width))).max(1)
}

impl Gallery<'_> {
    /// Width and height of an enlarged image, and of it with its caption, in pixels.
    fn tile(&self) -> [[i32; 2]; 2] {
        let lines = self.pictures.first().map_or(0, |(_, lines)| lines.len());
        let [width, height] = [self.shape.width, self.shape.height].map(|side| self.enlargement * i32::from(side));
        let letters = self.pictures.iter().flat_map(|(_, lines)| lines).map(|line| line.chars().count()).max();
        let caption_width = LETTER * letters.unwrap_or(0) as i32 - GAP;
        [[width, height], [width.max(caption_width), height + LINE * lines as i32 + CAPTION_MARGIN]]
    }
}

impl Figure for Gallery<'_> {
    fn size(&self) -> (u32, u32) {
        let [_, [width, height]] = self.tile();
        let rows = self.pictures.len().div_ceil(self.columns) as i32;
        let width = GAP + self.columns as i32 * (width + GAP);
        (width as u32, (GAP + rows * height) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let [[image_width, image_height], [tile_width, height]] = self.tile();
        let [_, width, channels] = self.shape.dimensions();
        for (index, (image, caption)) in self.pictures.iter().enumerate() {
            let left = GAP + (index % self.columns) as i32 * (tile_width + GAP) + (tile_width - image_width) / 2;
            let top = GAP + (index / self.columns) as i32 * height;
            for (index, pixel) in image.chunks_exact(channels).enumerate() {
                let x = left + (index % width) as i32 * self.enlargement;
                let y = top + (index / width) as i32 * self.enlargement;
                let square = [(x, y), (x + self.enlargement, y + self.enlargement)];
                // A grey pixel has one channel.
                let channel = |index: usize| pixel[index.min(channels - 1)];
                let colour = RGBColor(channel(0), channel(1), channel(2));
                area.draw(&Rectangle::new(square, colour.filled()))?;
            }
            for (line, content) in caption.iter().enumerate() {
                let y = top + image_height + LINE * line as i32 + (LINE + CAPTION_MARGIN / 2) / 2;
                area.draw_text(content, &text(LARGE_TEXT, HPos::Center), (left + image_width / 2, y))?;
            }
        }
        Ok(())
    }
}
