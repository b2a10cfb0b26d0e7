//! What all pictures share: the font, the errors, the text styles.

use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::drawing::DrawingAreaErrorKind;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, register_font};

/// The name under which the font is registered; in an SVG, whatever the viewer takes for it.
pub(super) const FONT: &str = "sans-serif";

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
