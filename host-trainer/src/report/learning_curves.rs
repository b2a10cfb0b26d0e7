//! Loss and accuracy over the epochs.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{
    BLUE, Curve, DrawingResult, FONT, Figure, LARGE_TEXT, ORANGE, ReportError, TEXT, draw_curves, save,
};
use crate::history::{Epoch, History};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 960);
/// Up to so many epochs each gets a dot.
const DOTTED_EPOCHS: usize = 60;

/// Writes the learning curves in the size of a file, as PNG and as SVG.
///
/// # Errors
/// If a file cannot be written.
pub fn learning_curves(history: &History, title: &str, png: &Path, svg: &Path) -> Result<(), ReportError> {
    save(&LearningCurves::new(history, title), png, svg)
}

/// Loss above accuracy, training in blue and validation (if there was any) in orange.
///
/// Figures that are not finite (a training that diverged) are left out.
pub struct LearningCurves<'a> {
    /// What is drawn.
    pub history: &'a History,
    /// Above the charts; nothing if empty.
    pub title: &'a str,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl<'a> LearningCurves<'a> {
    /// In the size of a file.
    pub fn new(history: &'a History, title: &'a str) -> Self {
        Self { history, title, size: SIZE }
    }
}

/// One of the two charts.
struct Panel {
    quantity: &'static str,
    training: fn(&Epoch) -> Option<f64>,
    validation: fn(&Epoch) -> Option<f64>,
    /// The least height of the vertical axis, for a curve that is a point or a level line.
    least_span: f64,
    /// Text at a tick of the vertical axis.
    tick: fn(&f64) -> String,
    /// Where the curves leave room.
    legend: SeriesLabelPosition,
}

impl Figure for LearningCurves<'_> {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let below = if self.title.is_empty() {
            area.clone()
        } else {
            let title = (FONT, 26, FontStyle::Bold).into_font();
            area.margin(14, 0, 0, 0).titled(self.title, title)?
        };
        let (upper, lower) = below.split_vertically(below.dim_in_pixel().1 / 2);
        let loss = Panel {
            quantity: "loss",
            training: |epoch| Some(epoch.train_loss),
            validation: |epoch| epoch.validation.map(|figures| figures.loss),
            least_span: 0.2,
            tick: |loss| format!("{loss:.2}"),
            legend: SeriesLabelPosition::UpperRight,
        };
        let accuracy = Panel {
            quantity: "accuracy (%)",
            training: |epoch| Some(epoch.train_accuracy),
            validation: |epoch| epoch.validation.map(|figures| figures.accuracy),
            least_span: 5.0,
            tick: |percent| format!("{percent:.1}"),
            legend: SeriesLabelPosition::LowerRight,
        };
        draw_panel(&self.history.epochs, loss, &upper)?;
        draw_panel(&self.history.epochs, accuracy, &lower)
    }
}

fn draw_panel<DB: DrawingBackend>(epochs: &[Epoch], panel: Panel, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
    let curve = |name: &str, colour, figure: fn(&Epoch) -> Option<f64>| {
        let figures = epochs.iter().map(|epoch| Some((epoch.epoch, figure(epoch)?)));
        Curve {
            name: name.to_owned(),
            colour,
            points: figures.flatten().filter(|(_, figure)| figure.is_finite()).collect(),
            dots: if epochs.len() <= DOTTED_EPOCHS { 4 } else { 0 },
        }
    };
    let mut curves = vec![curve("training", BLUE, panel.training), curve("validation", ORANGE, panel.validation)];
    curves.retain(|curve| !curve.points.is_empty());
    let values = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
    // A single epoch stands in the middle of its axis.
    let (first, last) = match epochs.last() {
        Some(last) if last.epoch > 1 => (1, last.epoch),
        _ => (0, 2),
    };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(28)
        .x_label_area_size(52)
        .y_label_area_size(76)
        .build_cartesian_2d(first..last, axis(values, panel.least_span))?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(panel.quantity)
        .axis_desc_style((FONT, LARGE_TEXT))
        .label_style((FONT, TEXT))
        .x_labels(12)
        .y_labels(8)
        .y_label_formatter(&panel.tick)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    draw_curves(&mut chart, curves, panel.legend, LARGE_TEXT)
}

/// A range that holds all values with some room above and below; 0 to 1 if there are none.
fn axis(values: impl Iterator<Item = f64> + Clone, least_span: f64) -> Range<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return 0.0..1.0;
    }
    let room = (0.06 * (high - low)).max(0.5 * (least_span - (high - low)));
    low - room..high + room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_every_value_with_room() {
        let range = axis([3.0, 1.0, 2.0].into_iter(), 0.2);
        assert_eq!(range, 0.88..3.12);
        assert_eq!(axis([70.0, 70.0].into_iter(), 5.0), 67.5..72.5);
        assert_eq!(axis([].into_iter(), 5.0), 0.0..1.0);
    }
}
