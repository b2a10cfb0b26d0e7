#![deny(missing_docs)]
//! For the build scripts of the boards: takes the model's blob and says how much working memory it needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shared_model::{AlignedBytes, Backend, Model};

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

/// Finds the blob and gives its path to the crate as the environment variable MODEL_BLOB. Writes the working memory that the model
/// needs for the crate, which includes `model_memory.rs` from its `OUT_DIR`: a pair of bytes, of a picture of its shape, and of the
/// smallest arena on a Cortex-M with the DSP extension, as all boards have it, but no less than `least_arena`.
///
/// # Errors
///
/// If there is no model; the message says how to make one. If the file cannot be written.
pub fn take(least_arena: usize) -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let folder = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let path = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={0}\ncargo::rustc-env=MODEL_BLOB={0}", path.display());
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes = fs::read(&path).map_err(|error| format!("no model: {}: {error}; {hint}", path.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes).map_err(|error| format!("{} is no model: {error}; {hint}", path.display()))?;
    let picture_len = model.input_shape().elements();
    let arena_len = model.arena_len_on(Backend::ARM_DSP).max(least_arena);
    let generated = Path::new(&required("OUT_DIR")?).join("model_memory.rs");
    fs::write(&generated, format!("({picture_len}, {arena_len})"))
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
