//! Finds out which kernels the target can run.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp)");
    // rustc says nothing of the DSP extension on stable. Armv7E-M always has it; the Cortex-M33 of every Armv8-M Mainline board
    // here has it too, and without it the first inference is an undefined instruction.
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv7em-") || target.starts_with("thumbv8m.main-") {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}
