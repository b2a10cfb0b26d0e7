//! A look at the data.

use std::path::Path;

use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use shared_model::{IMAGE_SIDE, Image};

use super::canvas::{ReportError, centred, register_fonts};
use crate::dataset::{CLASSES, LabelledImages};

/// Images in a row, and rows.
const GRID: usize = 3;
/// Side of the square that a pixel becomes.
const ENLARGEMENT: i32 = 8;
const TILE: i32 = ENLARGEMENT * IMAGE_SIDE as i32;
/// Height of a label.
const LABEL: i32 = 40;
const GAP: i32 = 16;
/// Width and height of the picture.
const SIZE: (u32, u32) = (
    (GAP + GRID as i32 * (TILE + GAP)) as u32,
    (GAP + GRID as i32 * (TILE + LABEL)) as u32,
);

/// Draws the first nine images, three in a row, eight times as large and labelled, as a PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn preview(images: &LabelledImages, png: &Path) -> Result<(), ReportError> {
    register_fonts();
    draw(images, png).map_err(ReportError::at(png))
}

fn draw(
    images: &LabelledImages,
    png: &Path,
) -> Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>> {
    let area = BitMapBackend::new(png, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let text = centred(20, &BLACK);
    for (index, (image, &label)) in images
        .images
        .iter()
        .zip(&images.labels)
        .take(GRID * GRID)
        .enumerate()
    {
        let left = GAP + (index % GRID) as i32 * (TILE + GAP);
        let top = GAP + (index / GRID) as i32 * (TILE + LABEL);
        for square in enlarged(image, left, top) {
            area.draw(&square)?;
        }
        let caption = format!("{label} {}", CLASSES[usize::from(label)]);
        area.draw_text(&caption, &text, (left + TILE / 2, top + TILE + LABEL / 2))?;
    }
    area.present()
}

/// The image's pixels as squares.
fn enlarged(image: &Image, left: i32, top: i32) -> impl Iterator<Item = Rectangle<(i32, i32)>> {
    image
        .chunks_exact(3)
        .enumerate()
        .map(move |(index, pixel)| {
            let x = left + (index % IMAGE_SIDE) as i32 * ENLARGEMENT;
            let y = top + (index / IMAGE_SIDE) as i32 * ENLARGEMENT;
            let colour = RGBColor(pixel[0], pixel[1], pixel[2]);
            Rectangle::new(
                [(x, y), (x + ENLARGEMENT, y + ENLARGEMENT)],
                colour.filled(),
            )
        })
}
