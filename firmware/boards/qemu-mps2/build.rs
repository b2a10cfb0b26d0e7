//! Tells the linker where the target's memory map is.

use std::env;
use std::path::Path;

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m");
    // As in `qemu-mps3`.
    let is_m55 = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("target-cpu=cortex-m55"));
    // The mps2-an385 and the mps2-an500 have the memory of the mps2-an386.
    let machine = match (is_m55, is_v8m) {
        (true, _) => "mps3-an547",
        (false, true) => "mps2-an505",
        (false, false) => "mps2-an386",
    };
    let memory = Path::new(env!("CARGO_MANIFEST_DIR")).join("memory").join(machine);
    println!("cargo::rerun-if-changed={}", memory.display());
    println!("cargo::rustc-link-search={}", memory.display());
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!("cargo::rustc-check-cfg=cfg(armv8m)");
    println!("cargo::rustc-check-cfg=cfg(mps3)");
    if is_m55 {
        println!("cargo::rustc-cfg=mps3");
    }
    if is_v8m {
        println!("cargo::rustc-cfg=armv8m");
    }
}
