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
        ("fast", "instructions", 14_600_000),
        ("fast", "activation_bytes", 47_523),
        ("lean", "instructions", 26_700_000),
        ("lean", "activation_bytes", 20_419),
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
        ("cortex-m55", 5_360_000, 5_360_000),
        ("cortex-m3", 27_500_000, 50_900_000),
        ("cortex-m0plus", 64_200_000, 150_000_000),
        ("rv32imac", 46_600_000, 93_200_000),
    ];
    for (machine, fast, lean) in OTHERS {
        for (mode, limit) in [("fast", fast), ("lean", lean)] {
            let figure = report[machine][mode]["instructions"].as_u64();
            let is_within = figure.is_some_and(|figure| (1..=limit).contains(&figure));
            assert!(is_within, "{machine}, {mode}: {figure:?} instructions, at most {limit}");
        }
    }
    let cores = report.as_object().expect("an object of cores");
    for (core, figures) in cores {
        let points = sweep(figures);
        assert_eq!(points.len(), 11, "{core}");
        assert_larger_arenas_are_never_slower(core, &points);
    }
    for (arena, limit) in SWEEP_LIMITS {
        let figure = report["cortex-m4"]["sweep"][arena].as_u64();
        assert!(figure.is_some_and(|figure| figure <= limit), "{arena}: {figure:?} instructions, at most {limit}");
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

/// The most instructions of a Cortex-M4 in arenas between the two modes, by bytes of arena.
const SWEEP_LIMITS: [(&str, u64); 4] =
    [("16384", 34_600_000), ("24576", 21_700_000), ("32768", 17_700_000), ("98304", 13_600_000)];

/// Instructions by bytes of arena, in rising order of the arenas; nothing where the network does not fit.
fn sweep(core: &Value) -> Vec<(usize, Option<u64>)> {
    let points = core["sweep"].as_object().expect("each core has a sweep");
    let point = |(arena, instructions): (&String, &Value)| (arena.parse().expect("bytes"), instructions.as_u64());
    let mut points: Vec<_> = points.iter().map(point).collect();
    points.sort_unstable();
    points
}

fn assert_larger_arenas_are_never_slower(core: &str, points: &[(usize, Option<u64>)]) {
    for pair in points.windows(2) {
        let [(smaller, before), (larger, after)] = pair else { unreachable!("windows of two") };
        // Two ticks of the slowest counter.
        let is_slower = before.is_some_and(|before| after.is_none_or(|after| after > before + 100));
        assert!(!is_slower, "{core}: {before:?} instructions in {smaller} bytes, {after:?} in {larger}");
    }
}

#[test]
fn a_missing_picture_is_named() {
    let output = bench(&["missing.png"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(errors.contains("missing.png"), "{errors}");
}
