//! The figures as a table for people, next to those of CMSIS-NN.

use qemu_runner::qemu::Machine;
use shared_model::Model;

use crate::cycles::{Core, Cost};
use crate::{Bench, Measurement};

/// What CMSIS-NN takes for the same network, to compare with.
///
/// CMSIS-NN at commit 99f736a6, compiled with arm-none-eabi-gcc 12.2.1 -O3, one inference in int8 with a scale for each
/// channel, counted in QEMU as here; its outputs were verified against a naive reference.
mod cmsis_nn {
    /// Executed instructions of the network's steps on Cortex-M4, -M7, -M33, -M3 and -M55, each behind the step of ours that does the same
    /// work; a pool belongs to the convolution before it.
    pub const STEPS: [(usize, [u64; 5]); 11] = [
        (0, [3_678_320, 3_695_880, 3_667_050, 4_190_920, 918_968]),
        (1, [18_165_520, 18_183_040, 18_189_600, 27_082_640, 2_388_000]),
        (1, [317_240, 315_720, 316_050, 315_560, 62_937]),
        (2, [8_753_040, 8_757_560, 8_758_800, 13_007_560, 1_117_156]),
        (3, [16_618_880, 16_623_440, 16_620_450, 25_200_680, 1_941_593]),
        (3, [149_080, 148_720, 148_150, 148_040, 25_062]),
        (4, [8_177_560, 8_178_800, 8_177_900, 12_367_920, 948_250]),
        (5, [15_947_240, 15_948_480, 15_948_550, 24_368_720, 1_765_812]),
        (5, [72_280, 72_200, 71_850, 71_840, 10_968]),
        (6, [499_040, 499_040, 499_050, 890_480, 125_125]),
        // With the softmax.
        (7, [8_560, 8_680, 8_550, 10_600, 6_937]),
    ];
    /// Executed instructions of an inference, the steps and what lies between them.
    pub const TOTAL: [u64; 5] = [72_386_760, 72_431_560, 72_406_000, 107_654_960, 9_310_808];
    /// Cycles on a Cortex-M4, modelled like ours, in millions.
    pub const MEGACYCLES: f64 = 84.4;
    /// Bytes of activations and scratch.
    pub const ACTIVATION_BYTES: u64 = 70_144;
    /// Bytes of the kernels' code on a Cortex-M4.
    pub const CODE_BYTES: u64 = 20_560;
    /// Multiplications of the network that was measured.
    pub const MULTIPLY_ACCUMULATES: u64 = 38_896_896;
}

/// What CMSIS-NN takes for an inference.
pub struct CmsisNn {
    /// Of activations and scratch.
    pub bytes: u64,
    /// Executed.
    pub instructions: u64,
}

/// CMSIS-NN's figures for `model` on a machine: it was measured with one network, and not on all of them.
pub fn cmsis_nn(model: &Model<'_>, machine: Machine) -> Option<CmsisNn> {
    let instructions = *cmsis_nn::TOTAL.get(machine as usize)?;
    (multiply_accumulates(model) == cmsis_nn::MULTIPLY_ACCUMULATES)
        .then_some(CmsisNn { bytes: cmsis_nn::ACTIVATION_BYTES, instructions })
}

fn multiply_accumulates(model: &Model<'_>) -> u64 {
    model.steps().iter().map(|step| step.multiply_accumulates()).sum()
}

/// Prints the figures of a machine next to those of CMSIS-NN.
pub fn print(model: &Model<'_>, bench: &Bench) {
    let Bench { machine, code, fast, lean } = bench;
    let calibration = fast.report.calibration;
    println!(
        "{machine:?} ({}): a loop of {} instructions counts {}; logits equal to the host's",
        machine.name(),
        grouped(calibration.executed),
        grouped(calibration.counted)
    );
    println!("{:44}{:>12}{:>14}{:>8}{:>14}{:>8}", "", "CMSIS-NN", "fast", "times", "lean", "times");
    let macs = multiply_accumulates(model);
    let others = cmsis_nn(model, *machine);
    let reference = |value: u64| others.is_some().then_some(value);
    let row = |name: &str, reference, value: &dyn Fn(&Measurement) -> u64| {
        row(name, reference, value(fast), value(lean));
    };
    for (index, step) in model.steps().iter().enumerate() {
        let same = cmsis_nn::STEPS.iter().filter(|(step, _)| *step == index);
        let same = same.filter_map(|(_, instructions)| instructions.get(*machine as usize)).sum();
        row(&format!("{step:?}"), reference(same), &|measurement| {
            measurement.steps.get(index).copied().unwrap_or_default()
        });
    }
    let total = others.as_ref().map(|others| others.instructions);
    row("instructions in all", total, &|measurement| measurement.instructions);
    let per_mac = |instructions: u64| format!("{:.3}", instructions as f64 / macs as f64);
    println!(
        "{:44}{:>12}{:>14}{:>8}{:>14}",
        "instructions a multiplication",
        total.map_or("-".to_owned(), per_mac),
        per_mac(fast.instructions),
        "",
        per_mac(lean.instructions)
    );
    row("activations and scratch, bytes", others.map(|others| others.bytes), &|measurement| {
        measurement.report.device.arena_len.into()
    });
    row("code of an inference, bytes", (*machine == Machine::M4).then_some(cmsis_nn::CODE_BYTES), &|_| code.inference);
    row("named constants, bytes", None, &|_| code.constants);
    row("code that plans it, bytes", None, &|_| code.planning);
    row("stack at the deepest, boot, bytes", None, &|measurement| measurement.report.stack.boot.into());
    row("stack at the deepest, inference, bytes", None, &|measurement| measurement.report.stack.inference.into());
    println!();
}

/// Says what the tables count.
pub fn print_legend() {
    println!(
        "\
CMSIS-NN: commit 99f736a6, gcc 12.2.1 -O3, the same network. Pools belong to the convolution before them.
Steps: counted in a run with a profiler, which adds a few instructions to each row. In all: without it.
Code: of shared-model as it lies in the firmware for both modes, with literal pools; the loading of the blob is counted
nowhere. An inference's is its kernels and what calls them; what plans it chooses the kernels for an arena, once.
Stack: the whole program's, main included; boot loads the blob and reproduces its known answer."
    );
}

/// Prints what each function of an inference takes, as far as it is more than a thousandth of the whole.
pub fn print_cycles(core: Core, mode: &str, functions: &[(String, Cost)]) {
    let all = functions.iter().fold(Cost::default(), |all, (_, cost)| Cost {
        instructions: all.instructions + cost.instructions,
        cycles: all.cycles + cost.cycles,
    });
    let others = match core {
        Core::M4 => format!("; CMSIS-NN takes {} million", cmsis_nn::MEGACYCLES),
        Core::M3 | Core::M0plus => String::new(),
    };
    println!("\n{core:?}, {mode}: a model of its cycles, without wait states{others}");
    println!("{:>14}{:>14}", "instructions", "cycles");
    let line =
        |name: &str, cost: &Cost| println!("{:>14}{:>14}  {name}", grouped(cost.instructions), grouped(cost.cycles));
    for (name, cost) in functions.iter().filter(|(_, cost)| cost.cycles >= all.cycles / 1000) {
        line(name, cost);
    }
    line("in all", &all);
}

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
