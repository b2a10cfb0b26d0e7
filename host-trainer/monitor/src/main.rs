//! The command line: parsing only, the work is done in the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Watches a board: its pictures, classes, times and faults, live; or sends it another model.
#[derive(Parser)]
#[command(version, after_help = monitor::examples("monitor"))]
struct Program {
    #[command(flatten)]
    arguments: monitor::Arguments,
}

fn main() -> ExitCode {
    match monitor::run(&Program::parse().arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
