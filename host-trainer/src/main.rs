//! The command line: parsing only, the work is done in the library and in [`commands`].

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use host_trainer::{note, output};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Trains an image classifier on your pictures or on CIFAR-10, quantizes it to int8 and writes one blob for a microcontroller.
///
/// Without a command it goes the whole way: read your pictures (--data photos/, with a folder in it for each class) or fetch
/// CIFAR-10, train, quantize, evaluate on the test set, write blob and report. Your pictures take a few minutes; CIFAR-10 gets
/// a short schedule on a CPU, and --full trains it in full.
///
/// Paths that you give are relative to the working directory; default ones lie in the repository.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pipeline: commands::pipeline::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch, check and look at the data set.
    #[command(subcommand)]
    Data(commands::data::Command),
    /// Train a network by a preset and overrides of it.
    Train(Box<commands::train::Arguments>),
    /// Quantize a trained run to int8 and write its blob.
    Quantize(commands::quantize::Arguments),
    /// Measure a blob and its float weights on the test set.
    Evaluate(commands::evaluate::Arguments),
    /// Write a model's page, card and pictures again.
    Report(commands::report::Arguments),
    /// Train, quantize and measure many runs, and put them into one table and chart.
    Compare(commands::compare::Arguments),
    /// Say what pictures show, by the float and the integer network.
    Predict(commands::predict::Arguments),
    /// Show what is in a blob: operations, shapes, sizes, scales, memory; and check its known answer.
    Inspect(commands::inspect::Arguments),
    /// List the networks that fit a board, with flash, memory and time, before any is trained.
    Fit(commands::fit::Arguments),
    /// Watch a board: its pictures, classes, times and faults, live.
    #[command(after_help = monitor::examples("host-trainer monitor"))]
    Monitor(monitor::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => commands::pipeline::run(arguments.pipeline),
        Some(Command::Data(command)) => commands::data::run(command),
        Some(Command::Train(arguments)) => commands::train::run(*arguments),
        Some(Command::Quantize(arguments)) => commands::quantize::run(arguments),
        Some(Command::Evaluate(arguments)) => commands::evaluate::run(arguments),
        Some(Command::Report(arguments)) => commands::report::run(arguments),
        Some(Command::Compare(arguments)) => commands::compare::run(arguments),
        Some(Command::Predict(arguments)) => commands::predict::run(arguments),
        Some(Command::Inspect(arguments)) => commands::inspect::run(arguments),
        Some(Command::Fit(arguments)) => commands::fit::run(arguments),
        Some(Command::Monitor(arguments)) => monitor::run(&arguments).map_err(Box::from),
    };
    let written = output::finish().map_err(|error| format!("standard output is incomplete: {error}").into());
    match result.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
