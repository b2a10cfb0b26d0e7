//! What all pictures share: the font, the errors, the text styles, the ways to write them.

use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, register_font};

/// The name under which the font is registered; in an SVG, whatever the viewer takes for it.
pub const FONT: &str = "sans-serif";

/// Sizes of text in pixels: beside bars, along axes, and what names an axis. They are even, as all sizes of text must be:
/// plotters cuts off half a pixel of an odd one, and a decimal point then stands above the line of its digits.
pub const SMALL_TEXT: u32 = 14;
pub const TEXT: u32 = 16;
pub const LARGE_TEXT: u32 = 18;

/// What drawing ends with.
pub type DrawingResult<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// A picture that can be drawn as pixels and as vectors.
pub trait Figure {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Draws it on an area of that size.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB>;
}

/// Writes a picture as PNG and as SVG.
pub fn save(figure: &impl Figure, png: &Path, svg: &Path) -> Result<(), ReportError> {
    save_png(figure, png)?;
    figure
        .draw(&SVGBackend::new(svg, figure.size()).into_drawing_area())
        .map_err(ReportError::at(svg))
}

/// Writes a picture as PNG.
pub fn save_png(figure: &impl Figure, png: &Path) -> Result<(), ReportError> {
    register_fonts();
    figure
        .draw(&BitMapBackend::new(png, figure.size()).into_drawing_area())
        .map_err(ReportError::at(png))
}

/// A picture as the text of an SVG.
pub fn to_svg(figure: &impl Figure) -> String {
    register_fonts();
    let mut text = String::new();
    figure
        .draw(&SVGBackend::with_string(&mut text, figure.size()).into_drawing_area())
        .expect("nothing can fail where nothing is written");
    text
}

/// A picture could not be drawn or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw {}: {reason}", path.display())]
pub struct ReportError {
    /// The picture's file.
    pub path: PathBuf,
    /// What failed, in the drawing library's words.
    pub reason: String,
}

impl ReportError {
    /// For `map_err`: an error while drawing the picture at `path`.
    pub(super) fn at<E>(path: &Path) -> impl FnOnce(DrawingAreaErrorKind<E>) -> Self
    where
        E: std::error::Error + Send + Sync,
    {
        move |error| Self {
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    }
}

/// Makes [`FONT`] known to plotters. To be called before anything is drawn.
pub(super) fn register_fonts() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let fonts = [
            (FontStyle::Normal, dejavu::sans::regular()),
            (FontStyle::Bold, dejavu::sans::bold()),
        ];
        for (style, font) in fonts {
            let registered = register_font(FONT, style, font);
            assert!(
                registered.is_ok(),
                "the font is a constant that the tests use"
            );
        }
    });
}

/// Text whose anchor is its centre.
pub(super) fn centred(size: u32, colour: &RGBColor) -> TextStyle<'static> {
    (FONT, size)
        .into_font()
        .color(&colour.to_rgba())
        .pos(Pos::new(HPos::Center, VPos::Center))
}
