//! The sweeps as a picture: for each core a panel with instructions over bytes of arena.

use std::fs;
use std::path::Path;

use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;
use qemu_runner::qemu::Machine;
use qemu_runner::{Error, of_file};

use crate::sweep::{Instructions, Sweep};
use crate::table::CmsisNn;

/// Width and height of a panel in pixels.
const PANEL: (u32, u32) = (460, 300);
const COLUMNS: usize = 2;
const TITLE_HEIGHT: u32 = 50;
const FONT: &str = "sans-serif";
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(255, 127, 14);
const GREY: RGBColor = RGBColor(150, 150, 150);

/// Draws the picture and writes it to `file`; `cmsis_nn` gives CMSIS-NN's figures on a machine, where there are any.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw(sweeps: &[Sweep], cmsis_nn: impl Fn(Machine) -> Option<CmsisNn>, file: &Path) -> Result<(), Error> {
    let rows = sweeps.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32 + TITLE_HEIGHT);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.titled("One inference: millions of instructions over the arena, KiB", (FONT, 22))?;
        for (sweep, panel) in sweeps.iter().zip(area.split_evenly((rows, COLUMNS))) {
            draw_panel(sweep, cmsis_nn(sweep.machine), &panel)?;
        }
        area.present()?;
    }
    fs::write(file, text).map_err(of_file(file))?;
    Ok(())
}

fn draw_panel(
    sweep: &Sweep,
    cmsis_nn: Option<CmsisNn>,
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<(), Error> {
    let point = |len: f64, instructions: u64| (len / 1024.0, instructions as f64 / 1e6);
    let line = |value: fn(&Instructions) -> u64| -> Vec<(f64, f64)> {
        let fitting = sweep.points.iter().filter_map(|(len, instructions)| Some((*len, instructions.as_ref()?)));
        fitting.map(|(len, instructions)| point(len as f64, value(instructions))).collect()
    };
    let (executed, estimated) =
        (line(|instructions| instructions.executed), line(|instructions| instructions.estimated));
    let other = cmsis_nn.map(|CmsisNn { bytes, instructions }| point(bytes as f64, instructions));
    let highest = executed.iter().chain(&estimated).chain(&other).map(|point| point.1).fold(0.0, f64::max);
    let widest = sweep.points.last().map_or(0.0, |&(len, _)| point(len as f64, 0).0);

    let mut chart = ChartBuilder::on(panel)
        .caption(sweep.core, (FONT, 17))
        .margin(12)
        .x_label_area_size(24)
        .y_label_area_size(40)
        .build_cartesian_2d(0.0..widest * 1.02, 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .x_label_formatter(&|kib| format!("{kib:.0}"))
        .y_label_formatter(&|millions| format!("{millions:.0}"))
        .draw()?;
    chart
        .draw_series(LineSeries::new(estimated, GREY.stroke_width(1)))?
        .label("the plan's estimate")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], GREY));
    let dots = executed.iter().map(|&point| Circle::new(point, 3, BLUE.filled()));
    chart.draw_series(dots)?;
    chart
        .draw_series(LineSeries::new(executed.iter().copied(), BLUE.stroke_width(2)))?
        .label("executed")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE.stroke_width(2)));
    if let Some(other) = other {
        chart
            .draw_series([Cross::new(other, 5, ORANGE.stroke_width(2))])?
            .label("CMSIS-NN")
            .legend(|(x, y)| Cross::new((x + 9, y), 5, ORANGE.stroke_width(2)));
    }
    // Where it hides no point.
    let is_high = other.is_some_and(|other| other.1 > highest / 2.0);
    let legend = if is_high { SeriesLabelPosition::MiddleRight } else { SeriesLabelPosition::UpperRight };
    chart
        .configure_series_labels()
        .position(legend)
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}
