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

/// Working memory of a model, in bytes.
pub struct ModelMemory {
    /// A picture of its shape.
    pub picture_len: usize,
    /// The smallest arena, on a Cortex-M with the DSP extension, as all boards have it.
    pub arena_len: usize,
}

/// Finds the blob and gives its path to the crate as the environment variable MODEL_BLOB. Returns the working memory that the model
/// needs at least.
///
/// # Errors
///
/// If there is no model; the message says how to make one.
pub fn take() -> Result<ModelMemory, String> {
    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let folder = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let path = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env=MODEL_BLOB={}", path.display());
    memory_of(&path)
}

/// Writes both lengths for the crate, which includes them as a pair, `model_memory.rs` from its `OUT_DIR`.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(memory: &ModelMemory) -> Result<(), String> {
    let generated = Path::new(&required("OUT_DIR")?).join("model_memory.rs");
    let pair = format!("({}, {})", memory.picture_len, memory.arena_len);
    fs::write(&generated, pair).map_err(|error| format!("{}: {error}", generated.display()))
}

/// A variable that cargo sets for build scripts.
///
/// # Errors
///
/// If it is not set.
pub fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| format!("{variable}: {error}"))
}

fn memory_of(blob: &Path) -> Result<ModelMemory, String> {
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes =
        fs::read(blob).map_err(|error| format!("no model: {}: {error}; {hint}", blob.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes)
        .map_err(|error| format!("{} is no model: {error}; {hint}", blob.display()))?;
    Ok(ModelMemory {
        picture_len: model.input_shape().elements(),
        arena_len: model.arena_len_on(Backend::ARM_DSP),
    })
}
