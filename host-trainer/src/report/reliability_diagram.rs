//! How often a network is right, by how sure it is.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::canvas::{BLUE, Curve, DrawingResult, FONT, Figure, ORANGE, TEXT, draw_curves};
use crate::evaluate::Reliability;

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
            .label_style((FONT, TEXT))
            .x_labels(11)
            .y_labels(11)
            .x_label_formatter(&|percent| format!("{percent:.0}"))
            .y_label_formatter(&|percent| format!("{percent:.0}"))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        let ends = [(0.0, 0.0), (100.0, 100.0)];
        chart.draw_series(DashedLineSeries::new(ends, 6, 5, BLACK.mix(0.5).into()))?;
        let curve = |name, colour, reliability: &Reliability| {
            let bins = reliability.bins.iter();
            Curve {
                name: format!("{name}, error {:.1} points", reliability.error),
                colour,
                points: bins.map(|bin| (bin.confidence, bin.accuracy)).collect(),
                dots: 4,
            }
        };
        let curves = vec![curve("float", BLUE, self.float), curve("int8", ORANGE, self.int8)];
        draw_curves(&mut chart, curves, SeriesLabelPosition::UpperLeft, TEXT)
    }
}
