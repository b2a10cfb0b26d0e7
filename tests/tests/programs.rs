//! Small programs that run as machine code on emulated machines: the inner loops in assembly against their portable twins, and
//! crashes.

use std::path::PathBuf;
use std::process::{Command, Output};

use tests::reference::root;

const MACHINES: [(&str, &str); 3] = [
    ("mps2-an386", "thumbv7em-none-eabihf"),
    ("mps2-an500", "thumbv7em-none-eabihf"),
    ("mps2-an505", "thumbv8m.main-none-eabihf"),
];

/// The ELF file of a program of a board.
fn build(board: &str, program: &str, target: &str) -> PathBuf {
    let output = Command::new(root().join("tests/support/firmware-build"))
        .args([board, target, program])
        .output()
        .expect("tests/support/firmware-build can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn emulate(machine: &str, elf: PathBuf) -> Output {
    let is_riscv = machine == "virt";
    Command::new(if is_riscv { "qemu-system-riscv32" } else { "qemu-system-arm" })
        .args(["-M", machine, "-nographic", "-monitor", "none", "-serial", "null"])
        .args(if is_riscv { &["-bios", "none"][..] } else { &[] })
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf)
        .output()
        .expect("`tests/run setup` installs QEMU")
}

#[test]
fn every_inner_loop_equals_its_portable_twin_and_keeps_to_its_buffers() {
    // The machine with a Cortex-M3 runs what is compiled for a Cortex-M0+ too.
    let further = [("mps2-an385", "thumbv7m-none-eabi"), ("mps2-an385", "thumbv6m-none-eabi")];
    let arm = MACHINES.into_iter().chain(further).map(|(machine, target)| ("qemu-checks", machine, target));
    let others = [
        ("qemu-mps3", "mps3-an547", "thumbv8m.main-none-eabihf"),
        ("qemu-virt", "virt", "riscv32imac-unknown-none-elf"),
    ];
    for (board, machine, target) in arm.chain(others) {
        let output = emulate(machine, build(board, "kernels", target));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{target}: {text}");
        let comparisons = text.split(' ').next().and_then(|word| word.parse().ok());
        assert!(comparisons.is_some_and(|count: u32| count > 1000), "{target}: {text}");
    }
}

#[test]
fn what_ended_a_run_is_told_after_the_reset_and_only_once() {
    for (machine, target) in MACHINES {
        let output = emulate(machine, build("qemu-checks", "crashes", target));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{machine}: {text}");
        let blocks: Vec<_> = text.split("panicked at ").collect();
        assert_eq!((blocks.len(), blocks[0]), (3, "nothing crashed before\n"), "{machine}: {text}");
        assert!(blocks[1].ends_with(":\non purpose\n"), "{machine}: {text}");
        // A text that is too long is cut off; the undefined instruction is a bit of the usage fault's status (ARMv7-M, CFSR.UNDEFINSTR).
        assert!(
            blocks[2].contains(":\näää")
                && blocks[2].contains("hard fault at 0x")
                && blocks[2].ends_with("fault status 0x00010000"),
            "{machine}: {text}"
        );
    }
}
