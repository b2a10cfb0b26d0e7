//! `report`: a model's page and card again.

use clap::Args;
use host_trainer::say;

use super::CommandResult;
use super::evaluate::Subject;

/// Flags of `report`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
}

/// Runs `report`.
pub fn run(arguments: Arguments) -> CommandResult {
    let measured = arguments.subject.measure(None)?;
    let files = &measured.files;
    measured.report.save(files, &measured.images)?;
    say!("card: {}\npage: {}", files.card().display(), files.page().display());
    Ok(())
}
