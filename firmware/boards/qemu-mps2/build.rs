//! Tells the linker where the target's memory map is, and takes the model's blob and makes room for its working memory.

use std::path::PathBuf;
use std::process::ExitCode;

use blob_build::required;

/// Enough for the fastest plan of the committed model; a run may take a part of it.
const LARGEST_ARENA: usize = 64 * 1024;

fn main() -> ExitCode {
    blob_build::exit(configure())
}

fn configure() -> Result<(), String> {
    let target = required("TARGET")?;
    let memory = PathBuf::from(required("CARGO_MANIFEST_DIR")?).join("memory").join(&target);
    if !memory.is_dir() {
        return Err(format!("no machine for {target}: {} is missing", memory.display()));
    }
    println!("cargo::rerun-if-changed={}", memory.display());
    println!("cargo::rustc-link-search={}", memory.display());
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=armv8m");
    }
    blob_build::take(LARGEST_ARENA)
}
