//! Takes the model's blob and says what arena it needs at least.

use std::process::ExitCode;

fn main() -> ExitCode {
    blob_build::exit(blob_build::take().and_then(blob_build::write_arena_len))
}
