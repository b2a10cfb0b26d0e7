//! How often a network is right, by how sure it is.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{DrawingResult, FONT, Figure, TEXT};
use crate::evaluate::Reliability;

const FLOAT: RGBColor = RGBColor(31, 119, 180);
const INT8: RGBColor = RGBColor(255, 127, 14);

/// Accuracy over confidence, of the float network and of the integer network, beside the diagonal on which a network
/// is right as often as it says.
pub struct ReliabilityDiagram<'a> {
    /// Of the float network.
    pub float: &'a Reliability,
    /// Of the integer network.
    pub int8: &'a Reliability,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl Figure for ReliabilityDiagram<'_> {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(28)
            .x_label_area_size(48)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..100.0, 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_desc("probability of the named class (%)")
            .y_desc("named rightly (%)")
            .axis_desc_style((FONT, TEXT))
            .label_style((FONT, TEXT))
            .x_labels(11)
            .y_labels(11)
            .x_label_formatter(&|percent| format!("{percent:.0}"))
            .y_label_formatter(&|percent| format!("{percent:.0}"))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        let diagonal =
            DashedLineSeries::new([(0.0, 0.0), (100.0, 100.0)], 6, 5, BLACK.mix(0.5).into());
        chart.draw_series(diagonal)?;
        for (name, colour, reliability) in [("float", FLOAT, self.float), ("int8", INT8, self.int8)]
        {
            let points = reliability
                .bins
                .iter()
                .map(|bin| (bin.confidence, bin.accuracy));
            let style = colour.filled().stroke_width(2);
            chart
                .draw_series(LineSeries::new(points, style).point_size(4))?
                .label(format!("{name}, error {:.1} points", reliability.error))
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(3))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .legend_area_size(32)
            .margin(12)
            .label_font((FONT, TEXT))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()
    }
}
