//! Takes the model's blob and says how much working memory it needs.

use std::env;
use std::fs;
use std::path::Path;

use shared_model::{AlignedBytes, Backend, Model};

/// Taken unless the environment variable MODEL_BLOB names another; relative to this crate, like that one.
const DEFAULT_BLOB: &str = "../../../data/models/vgg3-full.blob";

fn main() {
    if let Err(message) = take() {
        println!("cargo::error={message}");
    }
}

/// Finds the blob and gives its path to the crate as the environment variable MODEL_BLOB. Writes the working memory that the model
/// needs as `model_memory.rs`: a pair of bytes, of a picture of its shape, and of the smallest arena on the core that is built for; it
/// is the same on every Cortex-M.
///
/// # Errors
///
/// If there is no model; the message says how to make one. If the file cannot be written.
fn take() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={0}\ncargo::rustc-env=MODEL_BLOB={0}", path.display());
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes = fs::read(&path).map_err(|error| format!("no model: {}: {error}; {hint}", path.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes).map_err(|error| format!("{} is no model: {error}; {hint}", path.display()))?;
    let variable = |name| env::var(name).map_err(|error| format!("{name}: {error}"));
    let backend = if variable("TARGET")?.starts_with("riscv32") { Backend::RV32IM } else { Backend::ARM_DSP };
    let (picture_len, arena_len) = (model.input_shape().elements(), model.arena_len_on(backend));
    let out = variable("OUT_DIR")?;
    let generated = Path::new(&out).join("model_memory.rs");
    fs::write(&generated, format!("({picture_len}, {arena_len})"))
        .map_err(|error| format!("{}: {error}", generated.display()))
}
