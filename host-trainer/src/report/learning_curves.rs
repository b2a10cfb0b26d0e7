//! Loss and accuracy over the epochs.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{DrawingResult, FONT, Figure, LARGE_TEXT, ReportError, TEXT, save};
use crate::history::{Epoch, History};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 960);
const TRAINING: RGBColor = RGBColor(31, 119, 180);
const VALIDATION: RGBColor = RGBColor(255, 127, 14);
/// Up to so many epochs each gets a dot.
const DOTTED_EPOCHS: usize = 60;

/// Draws loss above accuracy, training in blue and validation (if there was any) in orange, as PNG and as SVG.
///
/// Figures that are not finite (a training that diverged) are left out.
///
/// # Errors
/// If a file cannot be written.
pub fn learning_curves(
    history: &History,
    title: &str,
    png: &Path,
    svg: &Path,
) -> Result<(), ReportError> {
    save(&LearningCurves::new(history, title), png, svg)
}

/// Loss above accuracy, training in blue and validation (if there was any) in orange.
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
        Self {
            history,
            title,
            size: SIZE,
        }
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
        area.fill(&WHITE)?;
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
        draw_panel(&self.history.epochs, accuracy, &lower)?;
        area.present()
    }
}

fn draw_panel<DB: DrawingBackend>(
    epochs: &[Epoch],
    panel: Panel,
    area: &DrawingArea<DB, Shift>,
) -> DrawingResult<DB> {
    let curves = [
        ("training", TRAINING, panel.training),
        ("validation", VALIDATION, panel.validation),
    ]
    .map(|(name, colour, figure)| (name, colour, points(epochs, figure)))
    .into_iter()
    .filter(|(_, _, points)| !points.is_empty())
    .collect::<Vec<_>>();
    let values = curves
        .iter()
        .flat_map(|(_, _, points)| points)
        .map(|&(_, value)| value);
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
    for (name, colour, points) in curves {
        let dots = if epochs.len() <= DOTTED_EPOCHS { 4 } else { 0 };
        chart
            .draw_series(LineSeries::new(points, colour.filled().stroke_width(2)).point_size(dots))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(panel.legend)
        .legend_area_size(32)
        .margin(14)
        .label_font((FONT, LARGE_TEXT))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
}

/// The finite figures, each with its epoch.
fn points(epochs: &[Epoch], figure: fn(&Epoch) -> Option<f64>) -> Vec<(usize, f64)> {
    epochs
        .iter()
        .filter_map(|epoch| Some((epoch.epoch, figure(epoch)?)))
        .filter(|(_, value)| value.is_finite())
        .collect()
}

/// A range that holds all values with some room above and below; 0 to 1 if there are none.
fn axis(values: impl Iterator<Item = f64>, least_span: f64) -> Range<f64> {
    let extremes = values.fold(None, |extremes: Option<(f64, f64)>, value| {
        let (low, high) = extremes.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    let Some((low, high)) = extremes else {
        return 0.0..1.0;
    };
    let room = (0.06 * (high - low)).max(0.5 * (least_span - (high - low)));
    low - room..high + room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_every_value_with_room() {
        let range = axis([3.0, 1.0, 2.0].into_iter(), 0.2);
        assert!(
            range.start < 1.0 && range.end > 3.0 && range.end - range.start < 3.0,
            "{range:?}"
        );
        let level = axis([70.0, 70.0].into_iter(), 5.0);
        assert_eq!(level, 67.5..72.5);
        assert_eq!(axis([].into_iter(), 5.0), 0.0..1.0);
    }
}
