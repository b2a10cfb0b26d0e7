//! Takes the model's blob and sees that it fits the arena.

use std::process::ExitCode;

/// Enough for the fastest plan of the committed model.
const ARENA_LEN: usize = 64 * 1024;

fn main() -> ExitCode {
    blob_build::exit(configure())
}

fn configure() -> Result<(), String> {
    let blob = blob_build::take()?;
    if blob.arena_len > ARENA_LEN {
        return Err(format!(
            "{} needs an arena of {} bytes, but the boards have {ARENA_LEN}: enlarge ARENA_LEN in {}",
            blob.path.display(),
            blob.arena_len,
            file!()
        ));
    }
    blob_build::write_arena_len(ARENA_LEN)
}
