//! How many cycles a Cortex-M4 takes, by the instruction timings of its Technical Reference Manual (ARM DDI 0439,
//! section 3.3) with memory that never makes it wait.
//!
//! A model: a branch is taken to refill the pipeline in two cycles (the manual says 1 to 3), a division to take seven
//! (2 to 12), and a conditional branch to be taken whenever the instruction behind it was executed less often.

/// An instruction that was executed.
pub struct Executed<'t> {
    /// Its address.
    pub address: u64,
    /// Its bytes.
    pub size: u64,
    /// How often.
    pub count: u64,
    /// What it is.
    pub disassembly: &'t str,
}

/// Cycles to refill the pipeline after a jump.
const REFILL: u64 = 2;
const DIVISION: u64 = 7;
const FLOAT_DIVISION_OR_ROOT: u64 = 14;

/// The cycles of `instruction` in all, where `before` stands in front of it and `count_behind` counts the one behind it.
pub fn cycles(instruction: &Executed, before: Option<&Executed>, count_behind: u64) -> u64 {
    let (mnemonic, operands) = split(instruction.disassembly);
    let writes_pc = operands.contains("pc}") || operands.starts_with("pc,");
    let jump = if writes_pc { REFILL } else { 0 };
    let once = match mnemonic {
        "b" | "bl" | "bx" | "blx" => 1 + REFILL,
        "tbb" | "tbh" => 2 + REFILL,
        _ if is_conditional_branch(mnemonic) => {
            let taken = instruction.count.saturating_sub(count_behind);
            return instruction.count + taken * REFILL;
        }
        _ if is_multiple(mnemonic) => 1 + registers(operands) + jump,
        "ldrd" | "strd" => 3,
        _ if mnemonic.starts_with("ldr") => {
            let pipelined =
                before.is_some_and(|before| feeds_pipeline(before, instruction, operands));
            if pipelined { 1 + jump } else { 2 + jump }
        }
        _ if mnemonic.starts_with("vldr") => 2,
        "sdiv" | "udiv" => DIVISION,
        _ if mnemonic.starts_with("vdiv") || mnemonic.starts_with("vsqrt") => {
            FLOAT_DIVISION_OR_ROOT
        }
        _ => 1 + jump,
    };
    once * instruction.count
}

/// The mnemonic without the width of its encoding, and the operands.
fn split(disassembly: &str) -> (&str, &str) {
    let (mnemonic, operands) = disassembly
        .split_once(char::is_whitespace)
        .unwrap_or((disassembly, ""));
    let mnemonic = mnemonic.trim_end_matches(".w").trim_end_matches(".n");
    (mnemonic, operands.trim())
}

fn is_conditional_branch(mnemonic: &str) -> bool {
    const CONDITIONS: [&str; 16] = [
        "eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt",
        "le",
    ];
    let condition = mnemonic.strip_prefix('b');
    matches!(mnemonic, "cbz" | "cbnz")
        || condition.is_some_and(|condition| CONDITIONS.contains(&condition))
}

fn is_multiple(mnemonic: &str) -> bool {
    let prefixes = ["ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop"];
    prefixes.iter().any(|prefix| mnemonic.starts_with(prefix))
}

/// Registers in a list such as `{r4, r6-r8, lr}`.
fn registers(operands: &str) -> u64 {
    let list = operands
        .split_once('{')
        .map_or("", |(_, list)| list.trim_end_matches('}'));
    let ranges = list
        .split(',')
        .map(|item| match item.trim().split_once('-') {
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
        name => name
            .trim_start_matches(|letter: char| !letter.is_ascii_digit())
            .parse()
            .unwrap_or_default(),
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

    fn timed(instructions: &[(u64, &'static str)]) -> Vec<u64> {
        let executed: Vec<_> = (0..)
            .step_by(4)
            .zip(instructions)
            .map(|(address, &(count, disassembly))| Executed {
                address,
                size: 4,
                count,
                disassembly,
            })
            .collect();
        (0..executed.len())
            .map(|index| {
                let behind = executed.get(index + 1).map_or(0, |behind| behind.count);
                let before = index.checked_sub(1).map(|before| &executed[before]);
                cycles(&executed[index], before, behind)
            })
            .collect()
    }

    #[test]
    fn arithmetic_takes_a_cycle_and_division_more() {
        let found = timed(&[
            (5, "smlad r0, r1, r2, r0"),
            (1, "smlal r0, r1, r2, r3"),
            (2, "udiv r0, r1, r2"),
        ]);
        assert_eq!(found, [5, 1, 14]);
    }

    #[test]
    fn loads_that_follow_each_other_overlap_unless_one_gives_the_address_of_the_next() {
        let found = timed(&[
            (1, "ldr r0, [r1]"),
            (1, "ldr.w r2, [r1, #4]"),
            (1, "ldrsb r3, [r2, r4]"),
            (1, "str r3, [r1]"),
            (1, "ldr r5, [r1]"),
            (1, "ldrd r6, r7, [r1]"),
        ]);
        assert_eq!(found, [2, 1, 2, 1, 1, 3]);
    }

    #[test]
    fn multiple_loads_take_a_cycle_for_each_register() {
        let found = timed(&[
            (1, "ldm r0!, {r1, r2, r3}"),
            (1, "push.w {r4-r8, fp, lr}"),
            (1, "pop.w {r4-fp, pc}"),
        ]);
        assert_eq!(found, [4, 8, 1 + 9 + 2]);
    }

    #[test]
    fn a_loop_refills_the_pipeline_as_often_as_it_goes_round() {
        let found = timed(&[(10, "subs r0, #1"), (10, "bne #0x0"), (1, "bx lr")]);
        assert_eq!(found, [10, 10 + 9 * 2, 3]);
    }
}
