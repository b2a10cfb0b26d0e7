//! Runs the programs of `qemu-mps2` in QEMU and decodes what they report: for `cargo run`, for the tests and for `tests/bench`.

pub mod camera;
pub mod images;
pub mod picture;
pub mod qemu;

use std::process::ExitCode;

/// Why there is no result, for people: no program tells one cause from another.
pub type Error = Box<dyn std::error::Error>;

/// Ends a program of the host; a failure goes to standard error.
pub fn exit(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says which file an error is about.
pub fn of_file<E: std::fmt::Display>(path: &std::path::Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}
