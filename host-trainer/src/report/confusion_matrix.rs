//! Which class is taken for which.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{DrawingResult, Figure, LARGE_TEXT, ReportError, TEXT, save, text};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 930);
/// Left and upper edge of the cells.
const ORIGIN: (i32, i32) = (130, 100);
/// Side of the square of all cells.
const SIDE: i32 = 800;
/// The colour of a class of which every image is in one cell.
const FULL: RGBColor = RGBColor(8, 48, 107);

/// Draws a heat map with numbers, as PNG and as SVG. `matrix[t][p]` is the number of images of class `t` that were
/// classified as `p`; a cell is the darker the larger its share of the row.
///
/// # Errors
/// If a file cannot be written.
///
/// # Panics
/// If the matrix has not as many rows and columns as there are labels.
pub fn confusion_matrix(matrix: &[Vec<u32>], labels: &[&str], png: &Path, svg: &Path) -> Result<(), ReportError> {
    let count = labels.len();
    let square = matrix.len() == count && matrix.iter().all(|row| row.len() == count);
    assert!(square, "a confusion matrix of {count} classes has as many rows and columns");
    save(&Matrix { matrix, labels }, png, svg)
}

struct Matrix<'a> {
    matrix: &'a [Vec<u32>],
    labels: &'a [&'a str],
}

impl Figure for Matrix<'_> {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        // Where row or column `index` begins, and its middle, from the origin.
        let edge = |index: usize| (index as i32 * SIDE) / self.labels.len() as i32;
        let middle = |index: usize| (edge(index) + edge(index + 1)) / 2;
        let (left, top) = ORIGIN;

        let title = text(20, HPos::Center);
        let upwards = title.transform(FontTransform::Rotate270);
        area.draw_text("predicted class", &title, (left + SIDE / 2, 30))?;
        area.draw_text("true class", &upwards, (22, top + SIDE / 2))?;
        let name = text(TEXT, HPos::Center);
        for (index, label) in self.labels.iter().enumerate() {
            area.draw_text(label, &name, (left + middle(index), top - 18))?;
            area.draw_text(label, &name, (left - 52, top + middle(index)))?;
        }
        for (truth, row) in self.matrix.iter().enumerate() {
            let images: u32 = row.iter().sum();
            for (predicted, &count) in row.iter().enumerate() {
                // The square root keeps small confusions visible beside the diagonal.
                let shade = (f64::from(count) / f64::from(images.max(1))).sqrt();
                let corner = |end| (left + edge(predicted + end), top + edge(truth + end));
                let cell = [corner(0), corner(1)];
                area.draw(&Rectangle::new(cell, FULL.mix(shade).filled()))?;
                let style = text(LARGE_TEXT, HPos::Center);
                let style = style.color(if shade > 0.5 { &WHITE } else { &BLACK });
                let centre = (left + middle(predicted), top + middle(truth));
                area.draw_text(&count.to_string(), &style, centre)?;
            }
        }
        let border = [ORIGIN, (left + SIDE, top + SIDE)];
        area.draw(&Rectangle::new(border, BLACK.mix(0.5)))
    }
}
