#![deny(missing_docs)]
//! For the build scripts of the boards: takes the model's blob and makes room for its arena.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shared_model::{AlignedBytes, Model};

/// Taken unless the environment variable MODEL_BLOB names another; relative to the board's crate, like that one.
const DEFAULT_BLOB: &str = "../../../data/models/vgg3-full.blob";

/// Ends a build script; cargo shows why it failed.
pub fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

/// Finds the blob and gives its path to the crate as the environment variable MODEL_BLOB. Returns the bytes of working memory
/// that the model needs at least.
///
/// # Errors
///
/// If there is no model; the message says how to make one.
pub fn take() -> Result<usize, String> {
    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let folder = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let path = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env=MODEL_BLOB={}", path.display());
    arena_len(&path)
}

/// Writes the arena's length for the crate, which includes it as `arena_len.rs` from its `OUT_DIR`.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_arena_len(len: usize) -> Result<(), String> {
    let generated = Path::new(&required("OUT_DIR")?).join("arena_len.rs");
    fs::write(&generated, len.to_string())
        .map_err(|error| format!("{}: {error}", generated.display()))
}

/// A variable that cargo sets for build scripts.
///
/// # Errors
///
/// If it is not set.
pub fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| format!("{variable}: {error}"))
}

fn arena_len(blob: &Path) -> Result<usize, String> {
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes =
        fs::read(blob).map_err(|error| format!("no model: {}: {error}; {hint}", blob.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes)
        .map_err(|error| format!("{} is no model: {error}; {hint}", blob.display()))?;
    Ok(model.arena_len())
}
