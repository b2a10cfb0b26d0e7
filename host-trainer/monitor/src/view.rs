//! The screen, as a function of what is known.

use std::time::Instant;

use protocol::{Shape, TimeUnit, Verdict};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph, Wrap};

use crate::colour::nearest;
use crate::recording::Recording;
use crate::state::{Connection, Entry, State};
use crate::text::{fault, faults, fraction, percent, printable, stages, thousands, time};

/// Columns for what stands beside the picture.
const TEXT_WIDTH: u16 = 46;
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
    /// Something that the person must read.
    pub notice: Option<&'a str>,
    /// The terminal shows colours of 24 bits, not only xterm's 256.
    pub has_true_colour: bool,
    /// The time of the drawing.
    pub now: Instant,
}

/// Draws the whole screen, whatever its size: without the picture, if that does not fit.
pub fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
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
    let (columns, rows) = picture_size(area, view.state).unwrap_or_default();
    let width = if columns > 0 { columns + BORDER } else { 0 };
    let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(area);
    if width > 0 {
        let height = rows + BORDER;
        draw_picture(frame, Rect { height, ..left }, view);
    }
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

/// Columns and rows of the picture, with two pixels in a row: as large as leaves room for the text, and a whole number of columns a
/// pixel where that is possible. `None` if there is no room.
fn picture_size(area: Rect, state: &State) -> Option<(u16, u16)> {
    let device = state.device.as_ref();
    let shape = device.map_or(USUAL_SHAPE, |device| device.input);
    let (width, height) = (u32::from(shape.width.max(1)), u32::from(shape.height.max(1)));
    let columns = u32::from(area.width.saturating_sub(TEXT_WIDTH + BORDER));
    let half_rows = 2 * u32::from(area.height.saturating_sub(BORDER));
    let scale = (columns / width).min(half_rows / height);
    let (columns, half_rows) = if scale > 0 {
        (scale * width, scale * height)
    } else {
        let columns = columns.min(half_rows * width / height);
        (columns, columns * height / width)
    };
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
    let best = frame.top.first().map_or(0, |best| best.probability);
    let (name, probability, colour) = match frame.verdict {
        Verdict::Class { class, probability } => (state.label(class), probability, GOOD),
        Verdict::NotSure => (String::from("not sure"), best, DOUBTFUL),
    };
    let mut headline = Line::from(Span::from(name.to_uppercase()).fg(colour).bold());
    if probability != best {
        headline.push_span(Span::from("  over the last frames").style(DIM));
    }
    let gauge = |name: &str, probability, colour| {
        let value = percent(probability);
        row(name, fraction(probability), &value, width, colour)
    };
    let mut lines = vec![headline, gauge("", probability, colour)];
    lines.extend(frame.top.iter().map(|candidate| {
        let name = state.label(candidate.class);
        gauge(&name, candidate.probability, Color::Blue)
    }));
    Paragraph::new(lines).block(block)
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
        format!("{}, camera {}", device.board, device.camera),
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
    let (counter, text) = match entry {
        Entry::Link(text) => return Line::from(format!("{:>8}  {text}", "")).style(DIM),
        Entry::Fault(fault) => (fault.counter, Span::from(printable(&fault.text)).fg(BAD)),
        Entry::Frame(frame) => {
            let text = Span::from(state.verdict(frame.verdict));
            let is_sure = frame.verdict != Verdict::NotSure;
            (frame.counter, if is_sure { text } else { text.fg(DOUBTFUL) })
        }
    };
    let number = Span::from(format!("{:>8}  ", thousands(counter))).style(DIM);
    Line::from(vec![number, text])
}

/// What keeps frames away, if anything does; the board's faults otherwise.
fn attention_pane(view: &View<'_>) -> Paragraph<'static> {
    let state = view.state;
    let notice = view.notice.map(String::from);
    let (text, colour, block) = match notice.or_else(|| state.hint(view.now)) {
        Some(hint) => (hint, BAD, pane("attention").border_style(Style::new().fg(BAD))),
        None => {
            let latest = state
                .fault
                .as_ref()
                .map_or(String::new(), |report| format!("frame {}: {}", thousands(report.counter), fault(report)));
            let title = format!("camera faults since boot: {}", faults(&state.faults));
            (latest, DOUBTFUL, pane(title))
        }
    };
    let text = Paragraph::new(text).wrap(Wrap { trim: true });
    text.style(Style::new().fg(colour)).block(block)
}

#[cfg(test)]
mod tests;
