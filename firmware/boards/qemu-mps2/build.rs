//! Tells the linker where the target's memory map is, and takes the model's blob and makes room for its arena.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shared_model::{AlignedBytes, Model};

/// Taken unless the environment variable MODEL_BLOB names another; relative to this crate, like that one.
const DEFAULT_BLOB: &str = "../../../data/models/vgg3-full.blob";

/// Enough for the fastest plan of the committed model; a run may take a part of it.
const LARGEST_ARENA: usize = 64 * 1024;

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
    let folder = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let target = required("TARGET")?;
    let memory = folder.join("memory").join(&target);
    if !memory.is_dir() {
        return Err(format!(
            "no machine for {target}: {} is missing",
            memory.display()
        ));
    }
    println!("cargo::rerun-if-changed={}", memory.display());
    println!("cargo::rustc-link-search={}", memory.display());
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=armv8m");
    }

    println!("cargo::rerun-if-env-changed=MODEL_BLOB");
    let blob = folder.join(env::var_os("MODEL_BLOB").unwrap_or(DEFAULT_BLOB.into()));
    println!("cargo::rerun-if-changed={}", blob.display());
    println!("cargo::rustc-env=MODEL_BLOB={}", blob.display());
    let arena_len = arena_len(&blob)?.max(LARGEST_ARENA);
    let generated = Path::new(&required("OUT_DIR")?).join("arena_len.rs");
    fs::write(&generated, arena_len.to_string())
        .map_err(|error| format!("{}: {error}", generated.display()))
}

fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| format!("{variable}: {error}"))
}

/// Bytes of working memory that the model in the file `blob` needs.
fn arena_len(blob: &Path) -> Result<usize, String> {
    let hint = "`cargo run -p host-trainer` makes one: set MODEL_BLOB to its path";
    let bytes =
        fs::read(blob).map_err(|error| format!("no model: {}: {error}; {hint}", blob.display()))?;
    let bytes = AlignedBytes::from(bytes.as_slice());
    let model = Model::load(&bytes)
        .map_err(|error| format!("{} is no model: {error}; {hint}", blob.display()))?;
    Ok(model.arena_len())
}
