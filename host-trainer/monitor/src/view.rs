//! The screen, as a function of what is known.

use std::time::Duration;

use board_client::capture::{BURST_LEN, BURST_SPACING, Capture};
use board_client::state::{Connection, Entry, State};
use board_client::text::{faults, fraction, percent, printable, stages, thousands, time};
use protocol::{FrameReport, Shape, TimeUnit, Verdict};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph, Wrap};

use crate::capture::{Dialog, Folder, Keys};
use crate::colour::nearest;
use crate::recording::Recording;

/// Columns for what stands beside the picture.
const TEXT_WIDTH: u16 = 46;
/// The same while pictures are taken, of which much is to be seen.
const CAPTURE_TEXT_WIDTH: u16 = 36;
/// Rows and columns of a border.
const BORDER: u16 = 2;
/// The picture's size as long as the board has not said it.
const USUAL_SHAPE: Shape = Shape { height: 32, width: 32, channels: 3 };
/// A picture with fewer columns or rows would show nothing.
const LEAST_COLUMNS: u16 = 16;
const LEAST_ROWS: u16 = 8;
/// A screen that is lower has no room for faults below the picture.
const FULL_HEIGHT: u16 = 24;
/// Columns of a class's or a stage's name.
const NAME_WIDTH: usize = 11;
/// Columns of a percentage or a time.
const VALUE_WIDTH: usize = 9;

const DIM: Style = Style::new().fg(Color::DarkGray);
const GOOD: Color = Color::Green;
const DOUBTFUL: Color = Color::Yellow;
const BAD: Color = Color::Red;

/// All that the screen shows.
pub struct View<'a> {
    /// The port as the person named it.
    pub port: &'a str,
    /// What is known.
    pub state: &'a State,
    /// While pictures are recorded.
    pub recording: Option<&'a Recording>,
    /// While training pictures are taken.
    pub keys: Option<&'a Keys>,
    /// Something that the person must read.
    pub notice: Option<&'a str>,
    /// The terminal shows colours of 24 bits, not only xterm's 256.
    pub has_true_colour: bool,
    /// The time of the drawing.
    pub now: Duration,
}

/// Draws the whole screen, whatever its size: without the picture, if that does not fit.
pub fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    if let Some(keys) = view.keys {
        return draw_capture(frame, view, keys);
    }
    let is_low = frame.area().height < FULL_HEIGHT;
    let bottom = if is_low { 0 } else { 4 };
    let [header, body, attention, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(bottom),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header_line(view), header);
    draw_body(frame, body, view);
    frame.render_widget(attention_pane(view), attention);
    let keys = match view.recording {
        Some(_) => " q quit   r stop recording",
        None => " q quit   r record",
    };
    frame.render_widget(Line::from(keys).style(DIM), footer);
    let statistics = format!("messages: {} ", view.state.statistics());
    frame.render_widget(Line::from(statistics).style(DIM).right_aligned(), footer);
}

fn header_line(view: &View<'_>) -> Line<'static> {
    let mut spans = vec![Span::from(format!(" {} ", view.port)).bold()];
    spans.push(match view.state.connection {
        Connection::Up(_) => Span::from(" ● connected ").fg(GOOD),
        Connection::Down { .. } => Span::from(" ○ connection lost ").fg(BAD),
    });
    if let Some(recording) = view.recording {
        let text = format!(" ● recording {} to {}", thousands(recording.recorded), recording.folder.display());
        spans.push(Span::from(text).fg(BAD).bold());
    }
    Line::from(spans)
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, view: &View<'_>) {
    let right = draw_beside(frame, area, view, picture_size(area, view.state));
    let [class, times, board, log] =
        Layout::vertical([Constraint::Length(7), Constraint::Length(6), Constraint::Length(5), Constraint::Min(0)])
            .areas(right);
    frame.render_widget(class_pane(view.state, class.width), class);
    frame.render_widget(times_pane(view.state, times.width), times);
    frame.render_widget(board_pane(view.state), board);
    if log.height > BORDER {
        frame.render_widget(log_pane(view.state), log);
    }
}

/// The picture, if there is room for it, and what else is needed to take pictures of classes.
fn draw_capture(frame: &mut Frame<'_>, view: &View<'_>, at: &Keys) {
    let [header, body, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(header_line(view), header);
    let spacing = BURST_SPACING.as_secs_f64();
    let keys = format!(" space one   b burst of {BURST_LEN}, {spacing} s apart   u undo   n new class   q quit");
    frame.render_widget(Line::from(keys).style(DIM), footer);
    let right = draw_beside(frame, body, view, largest_picture(body, CAPTURE_TEXT_WIDTH, view.state));
    let [verdict, classes, notice] =
        Layout::vertical([Constraint::Length(4), Constraint::Min(0), Constraint::Length(6)]).areas(right);
    frame.render_widget(verdict_pane(view.state, verdict.width), verdict);
    frame.render_widget(classes_pane(&at.capture, classes), classes);
    frame.render_widget(notice_pane(view, at), notice);
}

/// Draws the picture to the left, if it has a size, and gives what is beside it.
fn draw_beside(frame: &mut Frame<'_>, area: Rect, view: &View<'_>, size: Option<(u16, u16)>) -> Rect {
    let (columns, rows) = size.unwrap_or_default();
    let width = if columns > 0 { columns + BORDER } else { 0 };
    let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(area);
    if width > 0 {
        let height = rows + BORDER;
        draw_picture(frame, Rect { height, ..left }, view);
    }
    right
}

/// Columns and rows of the picture, with two pixels in a row: as large as leaves room for the text, and a whole number of columns a
/// pixel where that is possible. `None` if there is no room.
fn picture_size(area: Rect, state: &State) -> Option<(u16, u16)> {
    let shape = input_shape(state);
    let (columns, half_rows) = room(area, TEXT_WIDTH);
    let scale = (columns / u32::from(shape.width)).min(half_rows / u32::from(shape.height));
    if scale == 0 {
        return largest_picture(area, TEXT_WIDTH, state);
    }
    enough(scale * u32::from(shape.width), scale * u32::from(shape.height))
}

/// The same for the largest picture that leaves `text_width` columns for the text.
fn largest_picture(area: Rect, text_width: u16, state: &State) -> Option<(u16, u16)> {
    let Shape { width, height, .. } = input_shape(state);
    let (columns, half_rows) = room(area, text_width);
    let columns = columns.min(half_rows * u32::from(width) / u32::from(height));
    enough(columns, columns * u32::from(height) / u32::from(width))
}

/// The network's input, with one row and one column at least.
fn input_shape(state: &State) -> Shape {
    let shape = state.device.as_ref().map_or(USUAL_SHAPE, |device| device.input);
    Shape { height: shape.height.max(1), width: shape.width.max(1), ..shape }
}

/// Columns and half rows inside a border beside the text.
fn room(area: Rect, text_width: u16) -> (u32, u32) {
    let columns = area.width.saturating_sub(text_width + BORDER);
    (columns.into(), 2 * u32::from(area.height.saturating_sub(BORDER)))
}

/// Columns and rows of a picture, unless it would show nothing.
fn enough(columns: u32, half_rows: u32) -> Option<(u16, u16)> {
    let (columns, rows) = (columns as u16, half_rows.div_ceil(2) as u16);
    (columns >= LEAST_COLUMNS && rows >= LEAST_ROWS).then_some((columns, rows))
}

fn pane(title: impl Into<String>) -> Block<'static> {
    let title = format!(" {} ", title.into());
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(DIM)
        .title(Span::from(title).not_dim().bold().fg(Color::Gray))
}

fn waiting(text: &'static str, block: Block<'static>) -> Paragraph<'static> {
    Paragraph::new(text).style(DIM).block(block)
}

fn draw_picture(frame: &mut Frame<'_>, area: Rect, view: &View<'_>) {
    let is_live = matches!(view.state.connection, Connection::Up(_));
    let Some(picture) = &view.state.picture else {
        return frame.render_widget(pane("no picture yet"), area);
    };
    let title = format!("frame {}", thousands(picture.counter));
    let block = if is_live { pane(title) } else { pane(title + ", the last one").border_style(Style::new().fg(BAD)) };
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let buffer = frame.buffer_mut();
    let [width, height] = [picture.shape.width, picture.shape.height].map(usize::from);
    let [columns, half_rows] = [inner.width, 2 * inner.height].map(usize::from);
    for position in inner.intersection(buffer.area).positions() {
        let x = usize::from(position.x - inner.x) * width / columns;
        let half = |half| {
            let y = usize::from(2 * (position.y - inner.y) + half) * height / half_rows;
            nearest(picture.pixel(x, y), view.has_true_colour)
        };
        buffer[position].set_char('▀').set_fg(half(0)).set_bg(half(1));
    }
}

fn class_pane(state: &State, width: u16) -> Paragraph<'static> {
    let block = pane("class");
    let Some(frame) = &state.frame else {
        return waiting("waiting for a frame …", block);
    };
    let mut lines = verdict_lines(frame, state, width).to_vec();
    lines.extend(frame.top.iter().map(|candidate| {
        let name = state.label(candidate.class);
        gauge(&name, candidate.probability, width, Color::Blue)
    }));
    Paragraph::new(lines).block(block)
}

/// What the model says, in short.
fn verdict_pane(state: &State, width: u16) -> Paragraph<'static> {
    let block = pane(match (&state.connection, state.rate()) {
        (Connection::Up(_), Some(rate)) => format!("the model says, {rate:.1} frames/s"),
        _ => String::from("the model says"),
    });
    match &state.frame {
        Some(frame) => Paragraph::new(verdict_lines(frame, state, width).to_vec()).block(block),
        None => waiting("waiting for a frame …", block),
    }
}

/// The class that the last frames show, and how probable it is.
fn verdict_lines(frame: &FrameReport, state: &State, width: u16) -> [Line<'static>; 2] {
    let best = frame.top.first().map_or(0, |best| best.probability);
    let (name, probability, colour) = match frame.verdict {
        Verdict::Class { class, probability } => (state.label(class), probability, GOOD),
        Verdict::NotSure => (String::from("not sure"), best, DOUBTFUL),
    };
    let mut headline = Line::from(Span::from(name.to_uppercase()).fg(colour).bold());
    for mark in state.marks(frame).names() {
        headline.push_span(Span::from(format!("  {mark}")).fg(DOUBTFUL));
    }
    if probability != best {
        headline.push_span(Span::from("  over the last frames").style(DIM));
    }
    [headline, gauge("", probability, width, colour)]
}

fn gauge(name: &str, probability: u16, width: u16, colour: Color) -> Line<'static> {
    row(name, fraction(probability), &percent(probability), width, colour)
}

/// The classes, their keys and how many pictures each has; where they are too many, those around the chosen one.
fn classes_pane(capture: &Capture<Folder>, area: Rect) -> Paragraph<'static> {
    let folder = printable(&capture.album.path.display().to_string());
    let block = pane(format!("pictures in {folder}"));
    if capture.classes.is_empty() {
        return waiting("no class yet: n names one", block);
    }
    let width = usize::from(area.width.saturating_sub(BORDER));
    let lines: Vec<_> = capture
        .keys()
        .enumerate()
        .map(|(index, (key, class))| {
            let is_chosen = capture.chosen == Some(index);
            let key = key.unwrap_or(' ');
            let name_width = width.saturating_sub(4 + VALUE_WIDTH);
            let name: String = class.name.chars().take(name_width).collect();
            let mark = if is_chosen { '▸' } else { ' ' };
            let text = format!("{mark}{key}  {name:name_width$}{:>VALUE_WIDTH$}", thousands(class.pictures));
            let line = Line::from(text);
            if is_chosen { line.style(Style::new().fg(GOOD).bold()) } else { line }
        })
        .collect();
    let rows = usize::from(area.height.saturating_sub(BORDER));
    let more = if lines.len() > rows { " ↑↓ shows more " } else { "" };
    let start = capture.chosen.map_or(0, |chosen| (chosen + 2).min(lines.len()).saturating_sub(rows));
    let unsorted = capture.unsorted.map_or(String::new(), |count| format!(" {} not sorted ", thousands(count)));
    let block = block.title_bottom(unsorted).title_bottom(Line::from(more).right_aligned());
    let lines: Vec<_> = lines.into_iter().skip(start).collect();
    Paragraph::new(lines).block(block)
}

/// What is asked, what happened last, and what a picture is.
fn notice_pane(view: &View<'_>, Keys { capture, dialog }: &Keys) -> Paragraph<'static> {
    let state = view.state;
    let notice = Line::from(capture.notice.text.clone());
    let notice = if capture.notice.is_bad { notice.fg(BAD) } else { notice };
    let (title, lines) = match dialog {
        Some(Dialog::NewClass(name)) => {
            let name = Line::from(format!("name: {}▏", printable(name))).fg(DOUBTFUL).bold();
            let keys = Line::from("Enter makes it, Esc does not").style(DIM);
            let problem = if capture.notice.is_bad { notice } else { Line::default() };
            (String::from("new class"), vec![name, keys, problem])
        }
        Some(Dialog::Undo(question)) => (String::from("undo"), vec![Line::from(question.clone()).fg(DOUBTFUL).bold()]),
        None => {
            let hint = view.notice.map(String::from).or_else(|| state.hint(view.now)).or_else(|| state.newest_fault());
            let last = hint.map_or(notice, |hint| Line::from(hint).fg(BAD));
            (state.picture_kind(), vec![last])
        }
    };
    Paragraph::new(lines).wrap(Wrap { trim: true }).block(pane(title))
}

/// A name, a bar and a value; without a name the bar begins where names do.
fn row(name: &str, part: f64, value: &str, width: u16, colour: Color) -> Line<'static> {
    let inner = usize::from(width.saturating_sub(BORDER));
    let name_width = if name.is_empty() { 0 } else { NAME_WIDTH };
    let bar_width = inner.saturating_sub(name_width + VALUE_WIDTH);
    let name: String = name.chars().take(name_width.saturating_sub(1)).collect();
    Line::from(vec![
        Span::from(format!("{name:name_width$}")),
        Span::from(bar(part, bar_width)).fg(colour).bg(Color::Indexed(236)),
        Span::from(format!("{value:>VALUE_WIDTH$}")),
    ])
}

/// A part, 0 … 1, of `width` columns, to an eighth of a column.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * (8 * width) as f64).round() as usize;
    let text = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    format!("{text:width$}")
}

fn times_pane(state: &State, width: u16) -> Paragraph<'static> {
    let unit = match state.time_unit() {
        Some(TimeUnit::Instructions) => "instructions",
        Some(TimeUnit::Microseconds) | None => "times",
    };
    let title = match (&state.connection, state.rate()) {
        (Connection::Up(_), Some(rate)) => format!("{unit}, {rate:.1} frames/s"),
        _ => String::from(unit),
    };
    let Some(frame) = &state.frame else {
        return waiting("waiting for a frame …", pane(title));
    };
    let stages = stages(&frame.times);
    let longest = stages.map(|(_, ticks)| ticks).into_iter().max();
    let longest = longest.unwrap_or(0).max(1) as f64;
    let lines = stages.map(|(name, ticks)| {
        let value = time(ticks, state.time_unit());
        row(name, ticks as f64 / longest, &value, width, Color::Magenta)
    });
    Paragraph::new(lines.to_vec()).block(pane(title))
}

fn board_pane(state: &State) -> Paragraph<'static> {
    let block = pane("board");
    let Some(device) = &state.device else {
        return waiting("waiting for the device information …", block);
    };
    let lines = [
        format!("{}, camera {}{}", device.board, device.camera, state.started_by()),
        format!("{}, CRC {}, {}", device.model, device.crc32, device.plan),
        format!("blob {} bytes, arena {} bytes", thousands(device.blob_len), thousands(device.arena_len)),
    ];
    Paragraph::new(lines.map(Line::from).to_vec()).block(block)
}

fn log_pane(state: &State) -> Paragraph<'static> {
    let lines = state.log.iter().map(|entry| log_line(entry, state));
    Paragraph::new(lines.collect::<Vec<_>>()).block(pane("log, newest first"))
}

fn log_line(entry: &Entry, state: &State) -> Line<'static> {
    let (counter, text) = state.line(entry);
    let number = Span::from(format!("{:>8}  ", counter.map_or(String::new(), thousands))).style(DIM);
    let text = Span::from(text);
    Line::from(vec![
        number,
        match entry {
            Entry::Link(_) => text.style(DIM),
            Entry::Crash(_) | Entry::Fault(_) => text.fg(BAD),
            Entry::Frame(frame) if frame.verdict == Verdict::NotSure => text.fg(DOUBTFUL),
            Entry::Frame(_) => text,
        },
    ])
}

/// What keeps frames away, if anything does; the board's faults otherwise.
fn attention_pane(view: &View<'_>) -> Paragraph<'static> {
    let state = view.state;
    let notice = view.notice.map(String::from);
    let (text, colour, block) = match notice.or_else(|| state.hint(view.now)) {
        Some(hint) => (hint, BAD, pane("attention").border_style(Style::new().fg(BAD))),
        None => {
            let title = format!("camera faults since boot: {}", faults(&state.faults));
            (state.latest_fault(), DOUBTFUL, pane(title))
        }
    };
    let text = Paragraph::new(text).wrap(Wrap { trim: true });
    text.style(Style::new().fg(colour)).block(block)
}

#[cfg(test)]
mod tests;
