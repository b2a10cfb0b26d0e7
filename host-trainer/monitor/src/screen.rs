//! The monitor in a terminal: draws, and listens to keys.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyModifiers};
use ratatui::crossterm::style::available_color_count;

use crate::MonitorError;
use crate::session::Session;
use crate::view::{View, draw};

/// How often the screen is drawn, at most.
const REDRAW_EVERY: Duration = Duration::from_millis(40);

/// Draws until the session is complete or a person ends it; then says what was seen.
pub fn run(mut session: Session<'_>) -> Result<(), MonitorError> {
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut session, &mut terminal);
    ratatui::try_restore()?;
    session.end();
    outcome?;
    writeln!(io::stdout(), "{}", session.summary())?;
    Ok(())
}

fn watch(session: &mut Session<'_>, terminal: &mut DefaultTerminal) -> Result<(), MonitorError> {
    let port = session.port();
    let has_true_colour = available_color_count() == u16::MAX;
    let mut notice = None;
    let mut drawn_at = None;
    while !session.is_complete() && !session.is_interrupted() {
        match session.advance(|_, _| Ok(())) {
            // Watching goes on without it; the person sees why.
            Err(MonitorError::Recording(error)) => {
                session.recording = None;
                notice = Some(error.to_string());
            }
            outcome => outcome?,
        }
        match pressed()? {
            Some(Key::Quit) => break,
            Some(Key::Record) => {
                let toggled = session.toggle_recording();
                notice = toggled.err().map(|error| error.to_string());
            }
            None => {}
        }
        let now = Instant::now();
        if drawn_at.is_none_or(|drawn| now.duration_since(drawn) >= REDRAW_EVERY) {
            drawn_at = Some(now);
            let view = View {
                port: &port,
                state: &session.state,
                recording: session.recording.as_ref(),
                notice: notice.as_deref(),
                has_true_colour,
                now,
            };
            terminal.draw(|frame| draw(frame, &view))?;
        }
    }
    Ok(())
}

enum Key {
    Quit,
    Record,
}

/// The next key that means something, if one was pressed.
fn pressed() -> std::io::Result<Option<Key>> {
    while event::poll(Duration::ZERO)? {
        let Some(key) = event::read()?.as_key_press_event() else {
            continue;
        };
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(Some(Key::Quit)),
            KeyCode::Char('c') if is_control => return Ok(Some(Key::Quit)),
            KeyCode::Char('r') => return Ok(Some(Key::Record)),
            _ => {}
        }
    }
    Ok(None)
}
