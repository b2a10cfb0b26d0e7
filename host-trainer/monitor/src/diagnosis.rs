//! Bringing up a board: asks it for what it can find out about itself and its camera, looks at frames, and says of each stage what the
//! matter is and what to try next.
//!
//! `evidence` collects, `judge` turns that into checks, `bars` and `card` look at pictures, and `page` writes all of it down.

mod bars;
mod card;
mod evidence;
mod judge;
mod page;

use std::io::{self, ErrorKind, Write};

use crate::link::Link;
use crate::{MonitorError, Watch};
use evidence::Evidence;
use judge::{Check, Verdict};

pub use page::PageError;

/// Examines the board, prints a check a line, and writes the page that was asked for.
///
/// # Errors
/// [`MonitorError`] if the port cannot be opened, a check says that something is wrong, or something cannot be written.
pub fn run(arguments: &Watch) -> Result<(), MonitorError> {
    let mut link = Link::new(arguments.port.clone(), arguments.baud_rate);
    link.connect()?;
    // What is going on is no result.
    let mut progress = |text: &str| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    let evidence = Evidence::collect(&mut link, arguments.test_card, &mut progress);
    let checks = judge::checks(&evidence);
    let outcome = print(&checks, arguments.json);
    if let Some(folder) = &arguments.page {
        page::write(folder, &arguments.port, &evidence, &checks)?;
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

fn print(checks: &[Check], is_json: bool) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for check in checks {
        if is_json {
            writeln!(output, "{}", serde_json::to_string(check).map_err(io::Error::other)?)?;
            continue;
        }
        writeln!(output, "{:9} {:13} {}", check.verdict.name(), check.name, check.text)?;
        if let Some(next) = &check.next {
            writeln!(output, "{:23} → {next}", "")?;
        }
    }
    Ok(())
}
