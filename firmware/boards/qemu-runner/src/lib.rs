//! Runs the programs of `qemu-mps2` in QEMU and decodes what it reports: for `cargo run`, for the tests and for `tests/bench`.

pub mod camera;
pub mod images;
pub mod machine;
pub mod model;
pub mod picture;
mod process;
pub mod reports;

use std::error::Error;
use std::process::ExitCode;

/// Ends a program of the host; a failure goes to standard error.
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
