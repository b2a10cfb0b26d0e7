//! Images of the data set, enlarged, each with a caption.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{DrawingResult, Figure, LARGE_TEXT, ReportError, centred, save_png};
use shared_model::Shape;

use crate::dataset::{Dataset, Image};
use crate::evaluate::Mistake;

/// Between two images, and around them, in pixels.
const GAP: i32 = 16;
/// Height of a caption's line.
const LINE: i32 = 24;
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

/// Draws the first nine images, three in a row, eight times as large and labelled, as a PNG.
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
    let gallery = Gallery {
        shape: description.shape(),
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
    shape: Shape,
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
        shape,
        columns: 5,
        enlargement: 5,
        pictures: captioned.collect(),
    };
    save_png(&gallery, png)
}

impl Gallery<'_> {
    /// Width and height of an enlarged image.
    fn tile(&self) -> [i32; 2] {
        [self.shape.width, self.shape.height].map(|side| self.enlargement * i32::from(side))
    }

    fn row_height(&self) -> i32 {
        let lines = self.pictures.first().map_or(0, |(_, lines)| lines.len());
        self.tile()[1] + LINE * lines as i32 + CAPTION_MARGIN
    }

    /// The image's pixels as squares.
    fn enlarged(&self, image: &Image, left: i32, top: i32) -> Vec<Rectangle<(i32, i32)>> {
        let side = self.enlargement;
        let [_, width, channels] = self.shape.dimensions();
        let squares = image.chunks_exact(channels).enumerate().map(|(index, pixel)| {
            let x = left + (index % width) as i32 * side;
            let y = top + (index / width) as i32 * side;
            // A grey pixel has one channel.
            let channel = |index: usize| pixel[index.min(channels - 1)];
            let colour = RGBColor(channel(0), channel(1), channel(2));
            Rectangle::new([(x, y), (x + side, y + side)], colour.filled())
        });
        squares.collect()
    }
}

impl Figure for Gallery<'_> {
    fn size(&self) -> (u32, u32) {
        let rows = self.pictures.len().div_ceil(self.columns) as i32;
        let width = GAP + self.columns as i32 * (self.tile()[0] + GAP);
        (width as u32, (GAP + rows * self.row_height()) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        area.fill(&WHITE)?;
        let text = centred(LARGE_TEXT, &BLACK);
        for (index, (image, caption)) in self.pictures.iter().enumerate() {
            let left = GAP + (index % self.columns) as i32 * (self.tile()[0] + GAP);
            let top = GAP + (index / self.columns) as i32 * self.row_height();
            for square in self.enlarged(image, left, top) {
                area.draw(&square)?;
            }
            for (line, content) in caption.iter().enumerate() {
                let y = top + self.tile()[1] + LINE * line as i32 + (LINE + CAPTION_MARGIN / 2) / 2;
                area.draw_text(content, &text, (left + self.tile()[0] / 2, y))?;
            }
        }
        area.present()
    }
}
