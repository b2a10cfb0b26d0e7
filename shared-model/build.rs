//! Chooses the backend: see `src/backend`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_CFG_SHARED_MODEL_BACKEND");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp)");
    println!("cargo::rustc-check-cfg=cfg(arm_v8m)");
    println!("cargo::rustc-check-cfg=cfg(shared_model_backend, values(\"portable\"))");
    // A triple does not say everything: a Cortex-M33 may lack the DSP extension, and the first inference would then be an undefined
    // instruction. For such a chip compile with `--cfg shared_model_backend="portable"`.
    let forced = env::var("CARGO_CFG_SHARED_MODEL_BACKEND").unwrap_or_default();
    if forced == "portable" {
        return;
    }
    // rustc says nothing of the DSP extension on stable. Armv7E-M always has it, Armv8-M Mainline in most chips.
    let target = env::var("TARGET").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m.main-");
    if is_v8m {
        println!("cargo::rustc-cfg=arm_v8m");
    }
    if is_v8m || target.starts_with("thumbv7em-") {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}
