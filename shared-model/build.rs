//! Chooses the backend: see `src/backend`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_CFG_SHARED_MODEL_BACKEND");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    for name in ["arm_mve", "arm_dsp", "arm_v8m", "arm_v7m", "arm_v6m", "rv32im"] {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    println!("cargo::rustc-check-cfg=cfg(shared_model_backend, values(\"portable\"))");
    // A triple does not say everything: a Cortex-M33 may lack the DSP extension, and the first inference would then be an undefined
    // instruction. For such a chip compile with `--cfg shared_model_backend="portable"`.
    let forced = env::var("CARGO_CFG_SHARED_MODEL_BACKEND").unwrap_or_default();
    if forced == "portable" {
        return;
    }
    // rustc says nothing of the DSP extension on stable. Armv7E-M always has it, Armv8-M Mainline in most chips.
    let target = env::var("TARGET").unwrap_or_default();
    let starts = |prefix| target.starts_with(prefix);
    let chosen = |name| println!("cargo::rustc-cfg={name}");
    // With that ABI a program switches the registers of the vectors on.
    if target.ends_with("-eabihf") && is_helium() {
        chosen("arm_mve");
    }
    if starts("thumbv8m.main-") {
        chosen("arm_v8m");
    }
    if starts("thumbv7em-") || starts("thumbv8m.main-") {
        chosen("arm_dsp");
    }
    if starts("thumbv7m-") || starts("thumbv7em-") || starts("thumbv8m.main-") {
        chosen("arm_v7m");
    }
    if starts("thumbv6m-") || starts("thumbv8m.base-") {
        chosen("arm_v6m");
    }
    if starts("riscv32im") {
        chosen("rv32im");
    }
}

/// Whether it is compiled for a core with vectors of integers. No triple has them, and stable rustc does not name the feature; the flags
/// name the core.
fn is_helium() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let mut cpus =
        flags.split('\x1f').filter_map(|flag| flag.strip_prefix("-C").unwrap_or(flag).strip_prefix("target-cpu="));
    cpus.next_back().is_some_and(|cpu| ["cortex-m55", "cortex-m85"].contains(&cpu))
}
