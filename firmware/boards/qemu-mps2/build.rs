//! Tells the linker where the target's memory map is.

use std::env;
use std::path::Path;

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("memory").join(&target);
    if !memory.is_dir() {
        println!("cargo::error=no machine for {target}: {} is missing", memory.display());
    }
    println!("cargo::rerun-if-changed={}", memory.display());
    println!("cargo::rustc-link-search={}", memory.display());
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if target.starts_with("thumbv8m") {
        println!("cargo::rustc-cfg=armv8m");
    }
}
