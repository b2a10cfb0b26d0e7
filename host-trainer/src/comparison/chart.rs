//! A table's accuracies as bars: for each row the tutorial's accuracy, ours in float, ours in int8.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Row, Table};
use crate::report::canvas::{BLUE, DrawingResult, FONT, Figure, ORANGE, SMALL_TEXT, TEXT, text};

/// Width of the picture, and where bars begin and end, in pixels.
const WIDTH: i32 = 960;
const LEFT: i32 = 250;
const RIGHT: i32 = WIDTH - 90;
/// Height of a bar, of the gap between two rows, and of what stands above the first.
const BAR: i32 = 15;
const GAP: i32 = 16;
const TOP: i32 = 100;
/// Room for the axis below the last row.
const BOTTOM: i32 = 50;

const GREY: RGBColor = RGBColor(150, 150, 150);
/// What the colours mean.
const LEGEND: [(&str, RGBColor); 3] = [("tutorial", GREY), ("ours, float", BLUE), ("ours, int8", ORANGE)];

/// The bars of a row: how long in percent, in which colour; `None` stands where ours are missing.
fn bars(row: &Row) -> Vec<Option<(f64, RGBColor)>> {
    let tutorial = row.tutorial.map(|tutorial| Some((tutorial.accuracy, GREY)));
    let ours = match row.measured {
        Some(ours) => vec![Some((ours.float_top1, BLUE)), Some((ours.int8_top1, ORANGE))],
        None => vec![None],
    };
    tutorial.into_iter().chain(ours).collect()
}

impl Figure for Table {
    fn size(&self) -> (u32, u32) {
        let heights = self.rows.iter().map(|row| BAR * bars(row).len() as i32 + GAP);
        (WIDTH as u32, (TOP + heights.sum::<i32>() + BOTTOM) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let x = |percent: f64| LEFT + (percent / 100.0 * f64::from(RIGHT - LEFT)).round() as i32;
        let centred = text(TEXT, HPos::Center);
        let right_of = text(SMALL_TEXT, HPos::Left);
        let bottom = self.size().1 as i32 - BOTTOM;

        let title = (FONT, 24, FontStyle::Bold).into_font().color(&BLACK);
        let title = title.pos(Pos::new(HPos::Center, VPos::Center));
        area.draw_text(&self.title, &title, (WIDTH / 2, 30))?;
        for percent in (0..=100).step_by(10) {
            let x = x(f64::from(percent));
            let line = [(x, TOP - 8), (x, bottom)];
            area.draw(&PathElement::new(line, BLACK.mix(0.12)))?;
            area.draw_text(&percent.to_string(), &centred, (x, bottom + 14))?;
        }
        let axis = "accuracy on the test images (%)";
        area.draw_text(axis, &centred, (x(50.0), bottom + 36))?;
        let meanings = LEGEND.iter().skip(usize::from(!self.has_tutorial()));
        for (index, (name, colour)) in meanings.enumerate() {
            let left = LEFT + 150 * index as i32;
            let swatch = [(left, 62), (left + 22, 76)];
            area.draw(&Rectangle::new(swatch, colour.filled()))?;
            area.draw_text(name, &text(TEXT, HPos::Left), (left + 30, 69))?;
        }

        let mut y = TOP;
        for row in &self.rows {
            let bars = bars(row);
            let middle = y + BAR * bars.len() as i32 / 2;
            area.draw_text(&row.name, &text(TEXT, HPos::Right), (LEFT - 12, middle))?;
            for bar in bars {
                let (end, label) = match bar {
                    Some((percent, colour)) => {
                        let bar = [(LEFT, y), (x(percent), y + BAR - 1)];
                        area.draw(&Rectangle::new(bar, colour.filled()))?;
                        (x(percent), format!("{percent:.2}"))
                    }
                    None => (LEFT, "ours: missing".to_owned()),
                };
                area.draw_text(&label, &right_of, (end + 6, y + BAR / 2))?;
                y += BAR;
            }
            y += GAP;
        }
        Ok(())
    }
}
