//! Which class is taken for which.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{DrawingResult, Figure, LARGE_TEXT, ReportError, TEXT, centred, save};

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
pub fn confusion_matrix(
    matrix: &[Vec<u32>],
    labels: &[&str],
    png: &Path,
    svg: &Path,
) -> Result<(), ReportError> {
    let square = matrix.len() == labels.len() && matrix.iter().all(|row| row.len() == labels.len());
    assert!(
        square,
        "a confusion matrix of {} classes has as many rows and columns",
        labels.len()
    );
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
        let labels = self.labels;
        area.fill(&WHITE)?;
        draw_names(labels, area)?;
        for (truth, row) in self.matrix.iter().enumerate() {
            let images: u32 = row.iter().sum();
            for (predicted, &count) in row.iter().enumerate() {
                let share = f64::from(count) / f64::from(images.max(1));
                draw_cell(
                    area,
                    [predicted, truth].map(|index| edges(index, labels.len())),
                    count,
                    share,
                )?;
            }
        }
        let border = [ORIGIN, (ORIGIN.0 + SIDE, ORIGIN.1 + SIDE)];
        area.draw(&Rectangle::new(border, BLACK.mix(0.5)))?;
        area.present()
    }
}

/// Titles of the axes, and the classes along them.
fn draw_names<DB: DrawingBackend>(
    labels: &[&str],
    area: &DrawingArea<DB, Shift>,
) -> DrawingResult<DB> {
    let title = centred(20, &BLACK);
    area.draw_text("predicted class", &title, (ORIGIN.0 + SIDE / 2, 30))?;
    area.draw_text(
        "true class",
        &title.transform(FontTransform::Rotate270),
        (22, ORIGIN.1 + SIDE / 2),
    )?;
    let name = centred(TEXT, &BLACK);
    for (index, label) in labels.iter().enumerate() {
        let [low, high] = edges(index, labels.len());
        area.draw_text(label, &name, (ORIGIN.0 + (low + high) / 2, ORIGIN.1 - 18))?;
        area.draw_text(label, &name, (ORIGIN.0 - 52, ORIGIN.1 + (low + high) / 2))?;
    }
    Ok(())
}

/// `columns` and `rows` are the cell's edges, relative to [`ORIGIN`].
fn draw_cell<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    [columns, rows]: [[i32; 2]; 2],
    count: u32,
    share: f64,
) -> DrawingResult<DB> {
    let corner = |end: usize| (ORIGIN.0 + columns[end], ORIGIN.1 + rows[end]);
    // The square root keeps small confusions visible beside the diagonal.
    let shade = share.sqrt();
    area.draw(&Rectangle::new(
        [corner(0), corner(1)],
        FULL.mix(shade).filled(),
    ))?;
    let centre = (
        ORIGIN.0 + (columns[0] + columns[1]) / 2,
        ORIGIN.1 + (rows[0] + rows[1]) / 2,
    );
    let text = centred(LARGE_TEXT, if shade > 0.5 { &WHITE } else { &BLACK });
    area.draw_text(&count.to_string(), &text, centre)
}

/// First and last pixel of row or column `index` of `count`.
fn edges(index: usize, count: usize) -> [i32; 2] {
    [index, index + 1].map(|edge| (edge as i32 * SIDE) / count as i32)
}
