//! Says whether the target has the fault status registers that Armv6-M lacks.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(fault_status)");
    if env::var("TARGET").is_ok_and(|target| !target.starts_with("thumbv6m")) {
        println!("cargo::rustc-cfg=fault_status");
    }
}
