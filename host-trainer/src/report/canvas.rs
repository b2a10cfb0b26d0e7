//! What all pictures share: the font, the colours, the curves with their legend, the errors, the ways to write them.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Once;

use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::files::{self, FileError};

/// The name under which the font is registered; in an SVG, whatever the viewer takes for it.
pub const FONT: &str = "sans-serif";

/// Sizes of text in pixels: beside bars, along axes, and what names an axis. They are even, as all sizes of text must be:
/// plotters cuts off half a pixel of an odd one, and a decimal point then stands above the line of its digits.
pub const SMALL_TEXT: u32 = 14;
pub const TEXT: u32 = 16;
pub const LARGE_TEXT: u32 = 18;

/// Of the training and of the float network.
pub const BLUE: RGBColor = RGBColor(31, 119, 180);
/// Of the validation and of the integer network.
pub const ORANGE: RGBColor = RGBColor(255, 127, 14);

/// What drawing ends with.
pub type DrawingResult<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// A picture that can be drawn as pixels and as vectors.
pub trait Figure {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Draws it on a white area of that size.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB>;
}

/// Writes a picture as PNG and as SVG.
pub fn save(figure: &impl Figure, png: &Path, svg: &Path) -> Result<(), ReportError> {
    save_png(figure, png)?;
    Ok(files::write(svg, to_svg(figure).as_bytes())?)
}

/// Writes a picture as PNG.
pub fn save_png(figure: &impl Figure, png: &Path) -> Result<(), ReportError> {
    let (width, height) = figure.size();
    let mut picture = RgbImage::new(width, height);
    draw(figure, BitMapBackend::with_buffer(&mut picture, (width, height))).map_err(ReportError::at(png))?;
    let mut content = Cursor::new(Vec::new());
    picture.write_to(&mut content, ImageFormat::Png).map_err(ReportError::at(png))?;
    Ok(files::write(png, content.get_ref())?)
}

/// A picture as the text of an SVG.
pub fn to_svg(figure: &impl Figure) -> String {
    let mut text = String::new();
    draw(figure, SVGBackend::with_string(&mut text, figure.size())).expect("nothing can fail where nothing is written");
    text
}

fn draw<DB: DrawingBackend>(figure: &impl Figure, backend: DB) -> DrawingResult<DB> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        let (regular, bold) = (dejavu::sans::regular(), dejavu::sans::bold());
        for (style, font) in [(FontStyle::Normal, regular), (FontStyle::Bold, bold)] {
            let registered = register_font(FONT, style, font);
            assert!(registered.is_ok(), "the font is a constant that the tests use");
        }
    });
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    figure.draw(&area)?;
    area.present()
}

/// A picture could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It could not be drawn.
    #[error("cannot draw {}: {reason}", path.display())]
    Drawing {
        /// The picture's file.
        path: PathBuf,
        /// What failed, in the drawing library's words.
        reason: String,
    },
    /// It could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ReportError {
    /// For `map_err`: an error while drawing the picture at `path`.
    fn at<E: ToString>(path: &Path) -> impl FnOnce(E) -> Self {
        |error| Self::Drawing { path: path.to_path_buf(), reason: error.to_string() }
    }
}

/// Black text whose anchor is at half its height, and at its left end, its centre or its right end.
pub fn text(size: u32, anchor: HPos) -> TextStyle<'static> {
    let style = (FONT, size).into_font().color(&BLACK);
    style.pos(Pos::new(anchor, VPos::Center))
}

/// Points that a line joins.
pub struct Curve<X> {
    /// In the legend.
    pub name: String,
    pub colour: RGBColor,
    pub points: Vec<(X, f64)>,
    /// Radius of the dots at the points, in pixels.
    pub dots: u32,
}

/// Draws curves into a chart, and their legend in letters of `text_size`.
pub fn draw_curves<'a, DB: DrawingBackend + 'a, X: Ranged<ValueType: Clone + 'static>>(
    chart: &mut ChartContext<'a, DB, Cartesian2d<X, RangedCoordf64>>,
    curves: Vec<Curve<X::ValueType>>,
    legend: SeriesLabelPosition,
    text_size: u32,
) -> DrawingResult<DB> {
    for curve in curves {
        let colour = curve.colour;
        let line = LineSeries::new(curve.points, colour.filled().stroke_width(2));
        chart
            .draw_series(line.point_size(curve.dots))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .legend_area_size(32)
        .margin(text_size - 4)
        .label_font((FONT, text_size))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
}
