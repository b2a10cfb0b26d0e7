//! A table's accuracies as bars.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Row, Table};
use crate::report::canvas::{DrawingResult, FONT, Figure, ReportError, SMALL_TEXT, TEXT, save};

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

const TUTORIAL: RGBColor = RGBColor(150, 150, 150);
const FLOAT: RGBColor = RGBColor(31, 119, 180);
const INT8: RGBColor = RGBColor(255, 127, 14);

/// Draws a group of bars for each row: the tutorial's accuracy, ours in float, ours in int8.
pub fn chart(table: &Table, png: &Path, svg: &Path) -> Result<(), ReportError> {
    save(&Chart { table }, png, svg)
}

struct Chart<'a> {
    table: &'a Table,
}

/// The bars of a row: what, how long in percent, in which colour.
fn bars(row: &Row) -> Vec<(f64, RGBColor)> {
    let tutorial = row.tutorial.map(|tutorial| (tutorial.accuracy, TUTORIAL));
    let ours = row
        .measured
        .map(|ours| [(ours.float_top1, FLOAT), (ours.int8_top1, INT8)]);
    tutorial
        .into_iter()
        .chain(ours.into_iter().flatten())
        .collect()
}

/// Bars that a row has room for: one for "missing" too.
fn room(row: &Row) -> i32 {
    let missing = i32::from(row.measured.is_none());
    bars(row).len() as i32 + missing
}

fn x(percent: f64) -> i32 {
    LEFT + (percent / 100.0 * f64::from(RIGHT - LEFT)).round() as i32
}

fn text(size: u32, horizontal: HPos) -> TextStyle<'static> {
    (FONT, size)
        .into_font()
        .color(&BLACK)
        .pos(Pos::new(horizontal, VPos::Center))
}

impl Chart<'_> {
    fn axis<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        bottom: i32,
    ) -> DrawingResult<DB> {
        for percent in (0..=100).step_by(10) {
            let x = x(f64::from(percent));
            let line = PathElement::new([(x, TOP - 8), (x, bottom)], BLACK.mix(0.12));
            area.draw(&line)?;
            area.draw_text(
                &percent.to_string(),
                &text(TEXT, HPos::Center),
                (x, bottom + 14),
            )?;
        }
        let middle = x(50.0);
        area.draw_text(
            "accuracy on the test images (%)",
            &text(TEXT, HPos::Center),
            (middle, bottom + 36),
        )
    }

    fn legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        let with_tutorial = self.table.rows.iter().any(|row| row.tutorial.is_some());
        let entries = [
            ("tutorial", TUTORIAL),
            ("ours, float", FLOAT),
            ("ours, int8", INT8),
        ];
        let shown = entries.iter().skip(usize::from(!with_tutorial));
        for (index, (name, colour)) in shown.enumerate() {
            let left = LEFT + 150 * index as i32;
            let swatch = [(left, 62), (left + 22, 76)];
            area.draw(&Rectangle::new(swatch, colour.filled()))?;
            area.draw_text(name, &text(TEXT, HPos::Left), (left + 30, 69))?;
        }
        Ok(())
    }

    fn row<DB: DrawingBackend>(
        area: &DrawingArea<DB, Shift>,
        row: &Row,
        top: i32,
    ) -> DrawingResult<DB> {
        let middle = top + BAR * room(row) / 2;
        area.draw_text(&row.name, &text(TEXT, HPos::Right), (LEFT - 12, middle))?;
        let mut y = top;
        for (percent, colour) in bars(row) {
            let bar = [(LEFT, y), (x(percent), y + BAR - 1)];
            area.draw(&Rectangle::new(bar, colour.filled()))?;
            let label = (x(percent) + 6, y + BAR / 2);
            area.draw_text(
                &format!("{percent:.2}"),
                &text(SMALL_TEXT, HPos::Left),
                label,
            )?;
            y += BAR;
        }
        if row.measured.is_none() {
            let label = (LEFT + 6, y + BAR / 2);
            area.draw_text("ours: missing", &text(SMALL_TEXT, HPos::Left), label)?;
        }
        Ok(())
    }
}

impl Figure for Chart<'_> {
    fn size(&self) -> (u32, u32) {
        let rows: i32 = self
            .table
            .rows
            .iter()
            .map(|row| BAR * room(row) + GAP)
            .sum();
        (WIDTH as u32, (TOP + rows + BOTTOM) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> DrawingResult<DB> {
        area.fill(&WHITE)?;
        let bottom = self.size().1 as i32 - BOTTOM;
        let title = (FONT, 24, FontStyle::Bold).into_font().color(&BLACK);
        let centre = title.pos(Pos::new(HPos::Center, VPos::Center));
        area.draw_text(&self.table.title, &centre, (WIDTH / 2, 30))?;
        self.axis(area, bottom)?;
        self.legend(area)?;
        let mut top = TOP;
        for row in &self.table.rows {
            Self::row(area, row, top)?;
            top += BAR * room(row) + GAP;
        }
        area.present()
    }
}
