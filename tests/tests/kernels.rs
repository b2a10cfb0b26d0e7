//! The inner loops in assembly against their portable twins, as machine code on every emulated machine.

use std::path::PathBuf;
use std::process::{Command, Output};

use tests::reference::root;

/// The ELF file of `firmware/boards/qemu-kernels`.
fn build(target: &str) -> PathBuf {
    let output = Command::new(root().join("tests/support/firmware-build"))
        .args(["qemu-kernels", target])
        .output()
        .expect("tests/support/firmware-build can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn emulate(machine: &str, elf: PathBuf) -> Output {
    Command::new("qemu-system-arm")
        .args(["-M", machine, "-nographic", "-monitor", "none", "-serial", "null"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf)
        .output()
        .expect("`tests/run setup` installs qemu-system-arm")
}

#[test]
fn every_inner_loop_equals_its_portable_twin_and_keeps_to_its_buffers() {
    for (machine, target) in [
        ("mps2-an386", "thumbv7em-none-eabihf"),
        ("mps2-an500", "thumbv7em-none-eabihf"),
        ("mps2-an505", "thumbv8m.main-none-eabihf"),
    ] {
        let output = emulate(machine, build(target));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{machine}: {text}");
        let comparisons = text.split(' ').next().and_then(|word| word.parse().ok());
        assert!(comparisons.is_some_and(|count: u32| count > 1000), "{machine}: {text}");
    }
}
