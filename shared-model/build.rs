//! Finds out which kernels the target can run.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp)");
    println!("cargo::rustc-check-cfg=cfg(arm_v8m)");
    // rustc says nothing of the DSP extension on stable. Armv7E-M always has it; the Cortex-M33 of every Armv8-M Mainline board
    // here has it too, and without it the first inference is an undefined instruction.
    let target = env::var("TARGET").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m.main-");
    if is_v8m {
        println!("cargo::rustc-cfg=arm_v8m");
    }
    if is_v8m || target.starts_with("thumbv7em-") {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}
