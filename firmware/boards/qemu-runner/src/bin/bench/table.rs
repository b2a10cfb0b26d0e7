//! The figures as a table for people.

use shared_model::Model;

use crate::cmsis_nn;
use crate::cycles::Cost;
use crate::{Bench, Measurement};

/// Prints the figures of a machine next to those of CMSIS-NN.
pub fn print(model: &Model<'_>, bench: &Bench) {
    let Bench {
        machine,
        code,
        fast,
        lean,
    } = bench;
    println!(
        "{machine:?} ({}): a loop of {} instructions counts {}; logits equal to the host's",
        machine.name(),
        grouped(fast.calibration.executed),
        grouped(fast.calibration.counted)
    );
    println!(
        "{:44}{:>12}{:>14}{:>8}{:>14}{:>8}",
        "", "CMSIS-NN", "fast", "times", "lean", "times"
    );
    let macs: u64 = model
        .steps()
        .iter()
        .map(|step| step.multiply_accumulates())
        .sum();
    // Another network than the one that CMSIS-NN was measured with has nothing to be compared with.
    let reference = |value| (macs == cmsis_nn::MULTIPLY_ACCUMULATES).then_some(value);
    for (index, step) in model.steps().iter().enumerate() {
        let others = cmsis_nn::STEPS.iter().filter(|other| other.step == index);
        let others = others.map(|other| other.instructions(*machine)).sum();
        let instructions =
            |measurement: &Measurement| measurement.steps.get(index).copied().unwrap_or_default();
        row(
            &format!("{step:?}"),
            reference(others),
            instructions(fast),
            instructions(lean),
        );
    }
    row(
        "instructions in all",
        reference(cmsis_nn::total(*machine)),
        fast.instructions,
        lean.instructions,
    );
    let per_mac = |instructions: u64| instructions as f64 / macs as f64;
    println!(
        "{:44}{:>12}{:>14.3}{:>8}{:>14.3}",
        "instructions a multiplication",
        reference(cmsis_nn::total(*machine))
            .map_or("-".to_owned(), |total| format!("{:.3}", per_mac(total))),
        per_mac(fast.instructions),
        "",
        per_mac(lean.instructions)
    );
    let activation_bytes = |measurement: &Measurement| u64::from(measurement.activation_bytes);
    row(
        "activations and scratch, bytes",
        reference(cmsis_nn::ACTIVATION_BYTES),
        activation_bytes(fast),
        activation_bytes(lean),
    );
    row(
        "code of an inference, bytes",
        cmsis_nn::code_bytes(*machine),
        code.inference,
        code.inference,
    );
    row(
        "named constants, bytes",
        None,
        code.constants,
        code.constants,
    );
    row(
        "code that plans it, bytes",
        None,
        code.planning,
        code.planning,
    );
    let boot = |measurement: &Measurement| u64::from(measurement.stack.boot);
    row(
        "stack at the deepest, boot, bytes",
        None,
        boot(fast),
        boot(lean),
    );
    let inference = |measurement: &Measurement| u64::from(measurement.stack.inference);
    row(
        "stack at the deepest, inference, bytes",
        None,
        inference(fast),
        inference(lean),
    );
    println!();
}

/// Says what the tables count.
pub fn print_legend() {
    println!("{LEGEND}");
}

/// Prints what each function of an inference takes, as far as it is more than a thousandth of the whole.
pub fn print_cycles(mode: &str, functions: &[(String, Cost)]) {
    let all = functions
        .iter()
        .fold(Cost::default(), |all, (_, cost)| Cost {
            instructions: all.instructions + cost.instructions,
            cycles: all.cycles + cost.cycles,
        });
    println!(
        "\nM4, {mode}: a model of its cycles, without wait states; CMSIS-NN takes {} million",
        cmsis_nn::MEGACYCLES
    );
    println!("{:>14}{:>14}", "instructions", "cycles");
    let line = |name: &str, cost: &Cost| {
        println!(
            "{:>14}{:>14}  {name}",
            grouped(cost.instructions),
            grouped(cost.cycles)
        )
    };
    for (name, cost) in functions
        .iter()
        .filter(|(_, cost)| cost.cycles >= all.cycles / 1000)
    {
        line(name, cost);
    }
    line("in all", &all);
}

const LEGEND: &str = "\
CMSIS-NN: commit 99f736a6, gcc 12.2.1 -O3, the same network. Pools belong to the convolution before them.
Steps: counted in a run with a profiler, which adds a few instructions to each row. In all: without it.
Code: of shared-model as it lies in the firmware for both modes, with literal pools; the loading of the blob is counted
nowhere. An inference's is its kernels and what calls them; what plans it chooses the kernels for an arena, once.
Stack: the whole program's, main included; boot loads the blob and reproduces its known answer.";

/// A line of the table; `times` says how many times more CMSIS-NN takes.
fn row(name: &str, reference: Option<u64>, fast: u64, lean: u64) {
    let times = |value: u64| match reference {
        Some(reference) => format!("{:.2}", reference as f64 / value as f64),
        None => "-".to_owned(),
    };
    println!(
        "{name:44}{:>12}{:>14}{:>8}{:>14}{:>8}",
        reference.map_or("-".to_owned(), grouped),
        grouped(fast),
        times(fast),
        grouped(lean),
        times(lean)
    );
}

/// The number with commas between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
