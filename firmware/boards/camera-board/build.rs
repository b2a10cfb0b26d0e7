//! Takes the model's blob and says what working memory it needs at least.

use std::process::ExitCode;

fn main() -> ExitCode {
    blob_build::exit(blob_build::take(0))
}
