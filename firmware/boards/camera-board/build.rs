//! Takes the model's blob and sees that it fits the arena.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shared_model::{AlignedBytes, Model};

/// Taken unless the environment variable MODEL_BLOB names another; relative to this crate, like that one.
const DEFAULT_BLOB: &str = "../../../data/models/vgg3-full.blob";

/// Enough for the fastest plan of the committed model.
const ARENA_LEN: usize = 64 * 1024;

fn main() -> ExitCode {
    match configure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn configure() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let folder = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let blob = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={}", blob.display());
    println!("cargo::rustc-env=MODEL_BLOB={}", blob.display());
    let needed = arena_len(&blob)?;
    if needed > ARENA_LEN {
        return Err(format!(
            "{} needs an arena of {needed} bytes, but the boards have {ARENA_LEN}: enlarge ARENA_LEN in {}",
            blob.display(),
            file!()
        ));
    }
    let generated = Path::new(&required("OUT_DIR")?).join("arena_len.rs");
    fs::write(&generated, ARENA_LEN.to_string())
        .map_err(|error| format!("{}: {error}", generated.display()))
}

fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| format!("{variable}: {error}"))
}

/// Bytes of working memory that the model in the file `blob` needs at least.
fn arena_len(blob: &Path) -> Result<usize, String> {
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes =
        fs::read(blob).map_err(|error| format!("no model: {}: {error}; {hint}", blob.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes)
        .map_err(|error| format!("{} is no model: {error}; {hint}", blob.display()))?;
    Ok(model.arena_len())
}
