//! Where the instructions of an inference go on a Cortex-M4, -M3 and -M0+, and how many cycles it would take, by the instruction
//! timings of their Technical Reference Manuals (ARM DDI 0439, section 3.3; ARM DDI 0337, section 3.3; ARM DDI 0484, section 3.3) with
//! memory that never makes it wait.
//!
//! A model: a branch is taken to refill the pipeline of an M4 or M3 in two cycles (the manuals say 1 to 3), a division to take seven
//! (2 to 12), a long multiplication of an M3 the mean of its 3 to 5 cycles, or 4 to 7 with an addition, and a conditional branch to be
//! taken whenever the instruction behind it was executed less often. The M0+ has the multiplier of one cycle, as in the RP2040.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use qemu_runner::Error;
use qemu_runner::images::{self, ImagesJob};
use qemu_runner::qemu::{Board, Machine};

use crate::code_size::Functions;

/// The plugin that makes QEMU count; the compiler of C is the linker that Rust needs anyway.
const PLUGIN: &str = include_str!("execution_counts.c");

/// Executed instructions and modelled cycles of a function.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub instructions: u64,
    pub cycles: u64,
}

/// A core whose cycles are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    M4,
    M3,
    M0plus,
}

impl Core {
    pub const ALL: [Self; 3] = [Self::M4, Self::M3, Self::M0plus];

    /// The machine that executes its code.
    pub const fn machine(self) -> Machine {
        match self {
            Self::M4 => Machine::M4,
            Self::M3 => Machine::M3,
            Self::M0plus => Machine::M0plus,
        }
    }

    /// Cycles to refill the pipeline after a jump.
    const fn refill(self) -> u64 {
        match self {
            Self::M4 | Self::M3 => 2,
            Self::M0plus => 1,
        }
    }
}

/// Every function that an inference executes, the most expensive first.
///
/// # Errors
///
/// If the plugin cannot be compiled or a run fails.
pub fn by_function(elf: &Path, core: Core, arena_len: usize, image: &Path) -> Result<Vec<(String, Cost)>, Error> {
    let folder = tempfile::tempdir()?;
    let plugin = compile(folder.path())?;
    let counts = |repetitions: usize| -> Result<String, Error> {
        let file = folder.path().join("images.rgb");
        fs::write(&file, fs::read(image)?.repeat(repetitions))?;
        let output = folder.path().join("counts.tsv");
        images::run(&ImagesJob {
            board: Board { elf, machine: core.machine(), blob: None },
            profile: false,
            arena_len: Some(arena_len),
            images: &file,
            plugin: Some(&format!("{},out={}", plugin.display(), output.display())),
        })?;
        Ok(fs::read_to_string(output)?)
    };
    // What two images take more than one is a single inference, without the boot and its known answer.
    let (one, two) = (counts(1)?, counts(2)?);
    let once: BTreeMap<u64, u64> = parse(&one)?.iter().map(|line| (line.address, line.count)).collect();
    let mut executed = parse(&two)?;
    for line in &mut executed {
        line.count -= once.get(&line.address).copied().unwrap_or_default();
    }
    sum(elf, core, &executed)
}

fn compile(folder: &Path) -> Result<std::path::PathBuf, Error> {
    let (source, plugin) = (folder.join("execution_counts.c"), folder.join("execution_counts.so"));
    fs::write(&source, PLUGIN)?;
    let status = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&plugin, &source])
        .status()
        .map_err(|error| format!("cannot start cc: {error}; `tests/run setup` installs it"))?;
    if !status.success() {
        return Err("cc cannot compile the plugin for QEMU".into());
    }
    Ok(plugin)
}

fn parse(counts: &str) -> Result<Vec<Executed<'_>>, Error> {
    counts
        .lines()
        .map(|line| {
            let mut fields = line.splitn(4, '\t');
            let mut field = || fields.next().ok_or("the plugin for QEMU wrote a line with too few fields");
            Ok(Executed {
                address: u64::from_str_radix(field()?, 16)?,
                size: field()?.parse()?,
                count: field()?.parse()?,
                disassembly: field()?,
            })
        })
        .collect()
}

fn sum(elf: &Path, core: Core, executed: &[Executed<'_>]) -> Result<Vec<(String, Cost)>, Error> {
    let symbols = Functions::of(elf)?;
    let mut functions = BTreeMap::<String, Cost>::new();
    for (index, instruction) in executed.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &executed[before]);
        let behind = executed.get(index + 1).filter(|behind| behind.address == instruction.address + instruction.size);
        let function = symbols.at(instruction.address).to_owned();
        let cost = functions.entry(function).or_default();
        cost.instructions += instruction.count;
        cost.cycles += cycles(core, instruction, before, behind.map_or(0, |behind| behind.count));
    }
    let mut functions: Vec<_> = functions.into_iter().filter(|(_, cost)| cost.instructions > 0).collect();
    functions.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.cycles));
    Ok(functions)
}

/// An instruction that was executed.
struct Executed<'t> {
    address: u64,
    /// Its bytes.
    size: u64,
    /// How often.
    count: u64,
    /// What it is.
    disassembly: &'t str,
}

const DIVISION: u64 = 7;
const FLOAT_DIVISION_OR_ROOT: u64 = 14;

/// The cycles of `instruction` in all, where `before` stands in front of it and `count_behind` counts the one behind it.
fn cycles(core: Core, instruction: &Executed, before: Option<&Executed>, count_behind: u64) -> u64 {
    let (mnemonic, operands) = split(instruction.disassembly);
    if is_conditional_branch(mnemonic) {
        let taken = instruction.count.saturating_sub(count_behind);
        return instruction.count + taken * core.refill();
    }
    let writes_pc = operands.contains("pc}") || operands.starts_with("pc,");
    let jump = if writes_pc { core.refill() } else { 0 };
    let once = match core {
        Core::M4 | Core::M3 => match mnemonic {
            "b" | "bl" | "bx" | "blx" => 1 + core.refill(),
            "tbb" | "tbh" => 2 + core.refill(),
            _ if is_multiple(mnemonic) => 1 + registers(operands) + jump,
            "ldrd" | "strd" => 3,
            _ if mnemonic.starts_with("ldr") => {
                let pipelined = before.is_some_and(|before| feeds_pipeline(before, instruction, operands));
                if pipelined { 1 + jump } else { 2 + jump }
            }
            _ if mnemonic.starts_with("vldr") => 2,
            "sdiv" | "udiv" => DIVISION,
            _ if mnemonic.starts_with("vdiv") || mnemonic.starts_with("vsqrt") => FLOAT_DIVISION_OR_ROOT,
            "mla" | "mls" if core == Core::M3 => 2,
            "smull" | "umull" if core == Core::M3 => 4,
            "smlal" | "umlal" if core == Core::M3 => 6,
            _ => 1 + jump,
        },
        Core::M0plus => match mnemonic {
            "b" | "bx" | "blx" => 1 + core.refill(),
            "bl" => 3,
            // One that loads the program counter takes two cycles more.
            _ if is_multiple(mnemonic) => 1 + registers(operands) + 2 * jump,
            _ if mnemonic.starts_with("ldr") || mnemonic.starts_with("str") => 2,
            _ => 1 + jump,
        },
    };
    once * instruction.count
}

/// The mnemonic without the width of its encoding, and the operands.
fn split(disassembly: &str) -> (&str, &str) {
    let (mnemonic, operands) = disassembly.split_once(char::is_whitespace).unwrap_or((disassembly, ""));
    let mnemonic = mnemonic.trim_end_matches(".w").trim_end_matches(".n");
    (mnemonic, operands.trim())
}

fn is_conditional_branch(mnemonic: &str) -> bool {
    const CONDITIONS: [&str; 16] =
        ["eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"];
    let condition = mnemonic.strip_prefix('b');
    matches!(mnemonic, "cbz" | "cbnz") || condition.is_some_and(|condition| CONDITIONS.contains(&condition))
}

fn is_multiple(mnemonic: &str) -> bool {
    let prefixes = ["ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop"];
    prefixes.iter().any(|prefix| mnemonic.starts_with(prefix))
}

/// Registers in a list such as `{r4, r6-r8, lr}`.
fn registers(operands: &str) -> u64 {
    let list = operands.split_once('{').map_or("", |(_, list)| list.trim_end_matches('}'));
    let ranges = list.split(',').map(|item| match item.trim().split_once('-') {
        Some((first, last)) => number(last).saturating_sub(number(first)) + 1,
        None => 1,
    });
    ranges.sum()
}

/// The number of a register, such as 8 of `r8` and 11 of `fp`.
fn number(register: &str) -> u64 {
    match register.trim() {
        "sb" => 9,
        "sl" => 10,
        "fp" => 11,
        "ip" => 12,
        name => name.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or_default(),
    }
}

/// Whether `load` overlaps with a single load or store right before it, from which it takes no part of its address.
fn feeds_pipeline(before: &Executed, load: &Executed, operands: &str) -> bool {
    let (mnemonic, its_operands) = split(before.disassembly);
    let is_load = mnemonic.starts_with("ldr");
    let is_single = (is_load || mnemonic.starts_with("str")) && !mnemonic.ends_with('d');
    let loaded = its_operands.split(',').next().unwrap_or_default();
    let address = operands.split_once('[').map_or("", |(_, address)| address);
    let uses = |register: &str| address.split([',', ']', ' ']).any(|part| part == register);
    before.address + before.size == load.address && is_single && !(is_load && uses(loaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions: how often, what, and the cycles of all.
    type Sequence = &'static [(u64, &'static str, u64)];

    #[test]
    fn sequences_take_the_cycles_of_the_manual() {
        let sequences: [(Core, Sequence); 6] = [
            (Core::M4, &[(5, "smlad r0, r1, r2, r0", 5), (1, "smlal r0, r1, r2, r3", 1), (2, "udiv r0, r1, r2", 14)]),
            // Loads overlap unless one gives the address of the next.
            (
                Core::M4,
                &[
                    (1, "ldr r0, [r1]", 2),
                    (1, "ldr.w r2, [r1, #4]", 1),
                    (1, "ldrsb r3, [r2, r4]", 2),
                    (1, "str r3, [r1]", 1),
                    (1, "ldr r5, [r1]", 1),
                    (1, "ldrd r6, r7, [r1]", 3),
                ],
            ),
            // A cycle for each register.
            (
                Core::M4,
                &[
                    (1, "ldm r0!, {r1, r2, r3}", 4),
                    (1, "push.w {r4-r8, fp, lr}", 8),
                    (1, "pop.w {r4-fp, pc}", 1 + 9 + 2),
                ],
            ),
            // A loop refills the pipeline as often as it goes round.
            (Core::M4, &[(10, "subs r0, #1", 10), (10, "bne #0x0", 10 + 9 * 2), (1, "bx lr", 3)]),
            (Core::M3, &[(3, "mla r0, r1, r2, r0", 6), (1, "smlal r0, r1, r2, r3", 6), (1, "smull r0, r1, r2, r3", 4)]),
            // Nothing overlaps, and a pipeline of two stages is refilled in a cycle.
            (
                Core::M0plus,
                &[
                    (1, "ldr r0, [r1]", 2),
                    (1, "ldrsb r3, [r2, r4]", 2),
                    (1, "str r3, [r1]", 2),
                    (1, "muls r0, r1, r0", 1),
                    (4, "bne #0x0", 4 + 3),
                    (1, "bl #0x0", 3),
                    (1, "pop {r4, r5, pc}", 3 + 3),
                ],
            ),
        ];
        for (core, sequence) in sequences {
            let executed = |index: usize| {
                let &(count, disassembly, _) = sequence.get(index)?;
                Some(Executed { address: 4 * index as u64, size: 4, count, disassembly })
            };
            for (index, &(_, disassembly, expected)) in sequence.iter().enumerate() {
                let instruction = executed(index).expect("it is in the sequence");
                let before = index.checked_sub(1).and_then(executed);
                let behind = executed(index + 1).map_or(0, |behind| behind.count);
                let found = cycles(core, &instruction, before.as_ref(), behind);
                assert_eq!(found, expected, "{core:?}: {disassembly}");
            }
        }
    }
}
