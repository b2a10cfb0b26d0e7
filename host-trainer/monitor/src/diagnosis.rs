//! Bringing up a board, in a terminal: prints the checks, and `page` writes all of it down.

mod page;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::terminal;
use signal_hook::consts::{SIGINT, SIGTERM};

use board_client::diagnosis::{Check, Diagnosis, OFF, Verdict, checks};
use board_client::line::Step;

use crate::link::{Link, now};
use crate::session::end_on;
use crate::{MonitorError, Watch};

pub use page::PageError;

/// Examines the board, prints a check a line, and writes the page that was asked for.
///
/// # Errors
/// [`MonitorError`] if the port cannot be opened, a signal comes, a check says that something is wrong, or something cannot be written.
pub fn run(arguments: &Watch) -> Result<(), MonitorError> {
    if let Some(folder) = &arguments.page {
        page::prepare(folder)?;
    }
    let mut link = Link::new(arguments.port.clone(), arguments.baud_rate);
    link.connect()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        end_on(signal, &interrupted)?;
    }
    // What is going on is no result.
    let progress = |text: &str| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    let mut diagnosis = Diagnosis::new(arguments.test_card, now());
    loop {
        match diagnosis.advance(now()) {
            Step::Send(request) => link.send(request),
            Step::Say(text) => progress(&text),
            Step::Wait => link.poll(|event| diagnosis.apply(&event, now())),
            Step::End(()) => break,
        }
        if interrupted.load(Ordering::Relaxed) {
            OFF.into_iter().for_each(|request| link.send(request));
            return Err(MonitorError::Interrupted);
        }
    }
    let evidence = diagnosis.evidence();
    let checks = checks(evidence);
    let outcome = print(&checks, arguments.json);
    if let Some(folder) = &arguments.page {
        page::write(folder, &arguments.port, evidence, &checks)?;
        progress(&format!("all of it for a bug report: {}", folder.join(page::NAME).display()));
    }
    match outcome {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    match checks.iter().filter(|check| check.verdict == Verdict::Bad).count() {
        0 => Ok(()),
        bad => Err(MonitorError::Diagnosis { bad }),
    }
}

/// Where the text of a check begins, behind verdict and name.
const INDENT: usize = 24;
/// The narrowest column that a text is broken to.
const NARROWEST: usize = 24;

fn print(checks: &[Check], is_json: bool) -> io::Result<()> {
    let mut output = io::stdout().lock();
    // What is no terminal is for programs, which find whole lines easier.
    let columns =
        output.is_terminal().then(terminal::size).and_then(Result::ok).map(|(columns, _)| usize::from(columns));
    let column = columns.map_or(usize::MAX, |columns| columns.saturating_sub(INDENT).max(NARROWEST));
    for check in checks {
        if is_json {
            writeln!(output, "{}", serde_json::to_string(check).map_err(io::Error::other)?)?;
            continue;
        }
        let mut head = format!("{:9} {:13} ", check.verdict.name(), check.name);
        for line in broken(&check.text, column) {
            writeln!(output, "{head}{line}")?;
            head = " ".repeat(INDENT);
        }
        head = format!("{:1$}→ ", "", INDENT);
        for line in check.next.iter().flat_map(|next| broken(next, column - 2)) {
            writeln!(output, "{head}{line}")?;
            head = " ".repeat(INDENT + 2);
        }
    }
    Ok(())
}

/// `text` in lines of at most so many characters, broken between words where they allow it.
fn broken(text: &str, column: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= column {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_advice_is_broken_between_words() {
        assert_eq!(
            broken("nothing answers: all that is read is ones", 16),
            ["nothing answers:", "all that is read", "is ones"]
        );
        assert_eq!(broken("", 24), [""]);
        assert_eq!(broken("a longer-than-the-column word", 6), ["a", "longer-than-the-column", "word"]);
        assert_eq!(broken("as it is", usize::MAX), ["as it is"]);
    }
}
