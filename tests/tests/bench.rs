//! `tests/bench`: what an inference may take, and what the script does with wrong input.

use std::process::{Command, Output};

use serde_json::Value;
use tests::reference::root;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(root().join("tests/bench"));
    command.args(arguments).env_remove("MODEL_BLOB");
    command.output().expect("tests/bench can be started")
}

/// The most that the committed model may take on any machine: about what it does. CMSIS-NN takes 72.4 million instructions on
/// an M4, 107.7 million on an M3 and 9.3 million on an M55, 70,144 bytes of activations and scratch, and 20,560 bytes of code.
#[test]
fn an_inference_takes_no_more_than_it_may() {
    const LIMITS: [(&str, &str, u64); 6] = [
        ("fast", "instructions", 15_860_000),
        ("fast", "activation_bytes", 47_363),
        ("lean", "instructions", 27_600_000),
        ("lean", "activation_bytes", 20_195),
        ("fast", "code_bytes", 24 * 1024),
        ("fast", "stack_bytes", 9 * 1024),
    ];
    let output = bench(&["--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    println!("{text}");
    let last = text.lines().last().expect("it prints something");
    let report: Value = serde_json::from_str(last).expect("the last line is JSON");
    // Of other instruction sets than the DSP extension's there is no limit but that of instructions.
    const OTHERS: [(&str, u64, u64); 4] = [
        ("cortex-m55", 5_430_000, 5_440_000),
        ("cortex-m3", 28_400_000, 52_100_000),
        ("cortex-m0plus", 65_500_000, 151_000_000),
        ("rv32imac", 47_300_000, 94_200_000),
    ];
    for (machine, fast, lean) in OTHERS {
        for (mode, limit) in [("fast", fast), ("lean", lean)] {
            let figure = report[machine][mode]["instructions"].as_u64();
            let is_within = figure.is_some_and(|figure| (1..=limit).contains(&figure));
            assert!(is_within, "{machine}, {mode}: {figure:?} instructions, at most {limit}");
        }
    }
    for machine in ["cortex-m4", "cortex-m7", "cortex-m33"] {
        for (mode, name, limit) in LIMITS {
            let figure = report[machine][mode][name].as_u64();
            let figure = figure.unwrap_or_else(|| panic!("{machine}, {mode}: no {name} in {last}"));
            assert!(figure > 0, "{machine}, {mode}: no {name}");
            assert!(figure <= limit, "{machine}, {mode}: {figure} {name}, at most {limit}");
        }
    }
}

#[test]
fn a_missing_picture_is_named() {
    let output = bench(&["missing.png"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(errors.contains("missing.png"), "{errors}");
}
