//! The monitor in a terminal: draws, and listens to keys.

use std::io::{self, Write};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyModifiers};
use ratatui::crossterm::style::available_color_count;

use crate::MonitorError;
use crate::link::now;
use crate::session::Session;
use crate::view::{View, draw};

/// How often the screen is drawn, at most.
const REDRAW_EVERY: Duration = Duration::from_millis(40);

/// Draws until the session is complete or a person ends it; then says what was seen.
pub fn run(mut session: Session<'_>) -> Result<(), MonitorError> {
    // Where there is no screen, `nohup` may have asked to go on without a terminal.
    #[cfg(unix)]
    session.end_on(signal_hook::consts::SIGHUP)?;
    with_terminal(|terminal| {
        let outcome = watch(&mut session, terminal);
        session.end();
        outcome
    })??;
    writeln!(io::stdout(), "{}", session.summary())?;
    Ok(())
}

/// Lends the terminal; it is as it was before when this ends, by a panic as well.
fn with_terminal<T>(draw: impl FnOnce(&mut DefaultTerminal) -> T) -> io::Result<T> {
    let mut terminal = ratatui::try_init()?;
    let outcome = draw(&mut terminal);
    ratatui::try_restore()?;
    Ok(outcome)
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
        match (pressed()?, &mut session.keys) {
            (Some(Key::Stop), _) => break,
            (Some(Key::Code(code)), Some(keys)) => {
                if !keys.press(code, &session.state, now()) {
                    break;
                }
            }
            (Some(Key::Code(KeyCode::Char('q') | KeyCode::Esc)), None) => break,
            (Some(Key::Code(KeyCode::Char('r'))), None) => {
                let toggled = session.toggle_recording();
                notice = toggled.err().map(|error| error.to_string());
            }
            (Some(Key::Code(_)) | None, _) => {}
        }
        let now = now();
        if drawn_at.is_none_or(|drawn| now - drawn >= REDRAW_EVERY) {
            drawn_at = Some(now);
            let view = View {
                port: &port,
                state: &session.state,
                recording: session.recording.as_ref(),
                keys: session.keys.as_ref(),
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
    /// Ctrl-C, whatever else keys are for.
    Stop,
    Code(KeyCode),
}

/// The next key, if one was pressed.
fn pressed() -> std::io::Result<Option<Key>> {
    while event::poll(Duration::ZERO)? {
        let Some(key) = event::read()?.as_key_press_event() else {
            continue;
        };
        // AltGr, which some letters need, is both.
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL) && !key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('c') if is_control => return Ok(Some(Key::Stop)),
            KeyCode::Char(_) if is_control => {}
            code => return Ok(Some(Key::Code(code))),
        }
    }
    Ok(None)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::num::NonZero;
    use std::process::Command;

    /// In a pseudo-terminal, this test itself is the program that panics.
    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        if std::env::var_os("PANIC").is_some() {
            with_terminal(|_| panic!("as it should")).unwrap()
        }
        let program = std::env::current_exe().unwrap();
        let name = "screen::tests::a_panic_leaves_the_terminal_as_it_was";
        let command = format!("PANIC=1 '{}' --exact {name} --nocapture; stty -a", program.display());
        let mut script = Command::new("script");
        let script = script.args(["--quiet", "--command", &command, "/dev/null"]).env("TERM", "xterm-256color");
        let output = script.output().expect("`script` is missing: apt-get install bsdutils").stdout;
        let text = String::from_utf8_lossy(&output);
        assert!(text.contains("as it should"), "{text}");
        let mut screen = vt100::Parser::new(NonZero::new(80).unwrap(), NonZero::new(200).unwrap(), 0);
        screen.process(&output);
        assert!(text.contains("\u{1b}[?1049h") && !screen.screen().alternate_screen(), "{text}");
        for setting in ["icanon", "echo", "isig"] {
            assert!(text.split_whitespace().any(|word| word == setting), "{setting}: {text}");
        }
    }
}
