//! Tells the linker where the target's memory map is.

use std::env;
use std::path::Path;

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m");
    // The mps2-an385 and the mps2-an500 have the memory of the mps2-an386.
    let machine = if is_v8m { "mps2-an505" } else { "mps2-an386" };
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("memory").join(machine);
    println!("cargo::rerun-if-changed={}", memory.display());
    println!("cargo::rustc-link-search={}", memory.display());
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    if is_v8m {
        println!("cargo::rustc-cfg=armv8m");
    }
}
