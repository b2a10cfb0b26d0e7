//! Where the instructions of an inference go on a Cortex-M4, and the cycles that they would take there.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use qemu_runner::images::{self, ImagesJob};
use qemu_runner::machine::Machine;

use crate::cortex_m4::{Executed, cycles};
use crate::symbols::Functions;

/// The plugin that makes QEMU count; the compiler of C is the linker that Rust needs anyway.
const PLUGIN: &str = include_str!("execution_counts.c");

/// Executed instructions and modelled cycles of a function.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub instructions: u64,
    pub cycles: u64,
}

/// Every function that an inference executes, the most expensive first.
///
/// # Errors
///
/// If the plugin cannot be compiled or a run fails.
pub fn by_function(
    elf: &Path,
    arena_len: usize,
    image: &Path,
) -> Result<Vec<(String, Cost)>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let plugin = compile(folder.path())?;
    let counts = |repetitions: usize| -> Result<String, Box<dyn Error>> {
        let file = folder.path().join("images.rgb");
        fs::write(&file, fs::read(image)?.repeat(repetitions))?;
        let output = folder.path().join("counts.tsv");
        images::run(&ImagesJob {
            elf,
            machine: Machine::M4,
            profile: false,
            arena_len: Some(arena_len),
            images: &file,
            plugin: Some(&format!("{},out={}", plugin.display(), output.display())),
        })?;
        Ok(fs::read_to_string(output)?)
    };
    // What two images take more than one is a single inference, without the boot and its known answer.
    let (one, two) = (counts(1)?, counts(2)?);
    let once: BTreeMap<u64, u64> = parse(&one)?
        .iter()
        .map(|line| (line.address, line.count))
        .collect();
    let mut executed = parse(&two)?;
    for line in &mut executed {
        line.count -= once.get(&line.address).copied().unwrap_or_default();
    }
    sum(elf, &executed)
}

fn compile(folder: &Path) -> Result<std::path::PathBuf, Box<dyn Error>> {
    let (source, plugin) = (
        folder.join("execution_counts.c"),
        folder.join("execution_counts.so"),
    );
    fs::write(&source, PLUGIN)?;
    let status = Command::new("cc")
        .args([
            "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
        ])
        .args([&plugin, &source])
        .status()
        .map_err(|error| format!("cannot start cc: {error}; `tests/run setup` installs it"))?;
    if !status.success() {
        return Err("cc cannot compile the plugin for QEMU".into());
    }
    Ok(plugin)
}

fn parse(counts: &str) -> Result<Vec<Executed<'_>>, Box<dyn Error>> {
    counts
        .lines()
        .map(|line| {
            let mut fields = line.splitn(4, '\t');
            let mut field = || {
                fields
                    .next()
                    .ok_or("the plugin for QEMU wrote a line with too few fields")
            };
            Ok(Executed {
                address: u64::from_str_radix(field()?, 16)?,
                size: field()?.parse()?,
                count: field()?.parse()?,
                disassembly: field()?,
            })
        })
        .collect()
}

fn sum(elf: &Path, executed: &[Executed<'_>]) -> Result<Vec<(String, Cost)>, Box<dyn Error>> {
    let symbols = Functions::of(elf)?;
    let mut functions = BTreeMap::<String, Cost>::new();
    for (index, instruction) in executed.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &executed[before]);
        let behind = executed
            .get(index + 1)
            .filter(|behind| behind.address == instruction.address + instruction.size);
        let function = symbols.at(instruction.address).to_owned();
        let cost = functions.entry(function).or_default();
        cost.instructions += instruction.count;
        cost.cycles += cycles(instruction, before, behind.map_or(0, |behind| behind.count));
    }
    let mut functions: Vec<_> = functions
        .into_iter()
        .filter(|(_, cost)| cost.instructions > 0)
        .collect();
    functions.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.cycles));
    Ok(functions)
}
