//! The camera firmware's ELF file.

use std::path::{Path, PathBuf};
use std::process::Command;

use qemu_runner::machine::Machine;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Builds the camera firmware around the committed model.
pub fn build(machine: Machine) -> PathBuf {
    let target = match machine {
        Machine::M4 | Machine::M7 => "thumbv7em-none-eabihf",
        Machine::M33 => "thumbv8m.main-none-eabihf",
    };
    let output = Command::new(root().join("tests/support/firmware-build"))
        .args(["qemu-mps2", target, "camera"])
        .env_remove("MODEL_BLOB")
        .output()
        .expect("tests/support/firmware-build can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
