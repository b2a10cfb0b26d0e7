//! `fit`: which networks fit a board, before any is trained.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};
use host_trainer::boards::{BOARDS, Board, cores};
use host_trainer::dataset::{ChannelStatistics, Description};
use host_trainer::family;
use host_trainer::fit::{self, Budget, Candidate};
use host_trainer::{output, say};
use shared_model::Shape;

use super::data::input;
use super::{CommandResult, train};

/// So many are listed where not all are asked for.
const LISTED: usize = 12;

/// Flags of `fit`.
#[derive(Args)]
#[command(after_help = boards_help())]
pub struct Arguments {
    /// The board (see below).
    #[arg(long, value_parser = board(), conflicts_with_all = ["flash", "ram", "core"], required_unless_present_all = ["flash", "ram", "core"])]
    board: Option<Board>,
    /// Flash for the model, of a board that is not listed.
    #[arg(long, value_name = "BYTES|K|M", value_parser = bytes, requires_all = ["ram", "core"])]
    flash: Option<usize>,
    /// Memory for a picture and an inference.
    #[arg(long, value_name = "BYTES|K", value_parser = bytes, requires_all = ["flash", "core"])]
    ram: Option<usize>,
    /// What computes, and how fast: cortex-m4@120MHz.
    #[arg(long, value_name = "CORE@MHz", value_parser = core, requires_all = ["flash", "ram"])]
    core: Option<(&'static str, f64)>,
    /// Milliseconds that a picture may take, without camera and reduction.
    #[arg(long, value_name = "MS", value_parser = train::positive)]
    ms: Option<f64>,
    /// Height, width and channels of the network's picture.
    #[arg(long, value_name = "HxWxC", value_parser = input, default_value = "32x32x3")]
    input: Shape,
    /// Classes to tell apart.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(2..=64))]
    classes: u8,
    /// List all that fit, not the largest twelve alone.
    #[arg(long)]
    all: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Train the largest that fits, with the flags of `train` that stand behind --, as in: fit --board pico2 --best -- --data photos
    #[arg(long, conflicts_with = "json")]
    best: bool,
    /// Flags of `train`.
    #[arg(last = true, requires = "best", value_name = "FLAGS")]
    train: Vec<OsString>,
}

/// What `--best` goes on with.
#[derive(Parser)]
#[command(name = "train", no_binary_name = true)]
struct Training {
    #[command(flatten)]
    arguments: train::Arguments,
}

fn boards_help() -> String {
    let lines = BOARDS.iter().map(|board| {
        let Board { flag, name, flash, memory, core, hertz, source, .. } = board;
        let (flash, memory, clock) = (flash / 1024, memory / 1024, hertz / 1e6);
        format!("  {flag:10} {name}: {flash} KiB of flash and {memory} KiB of memory for a model, {core} at {clock} MHz\n{:13}{source}", "")
    });
    let lines: Vec<String> = lines.collect();
    format!("Boards:\n{}", lines.join("\n"))
}

fn board() -> impl TypedValueParser<Value = Board> {
    PossibleValuesParser::new(BOARDS.map(|board| board.flag)).map(|flag| {
        let board = BOARDS.iter().find(|board| board.flag == flag);
        board.expect("only listed boards are possible").clone()
    })
}

/// `65536`, `64K` or `1M`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.trim_end_matches(['B', 'b']).strip_suffix(['K', 'k']) {
        Some(number) => (number, 1024),
        None => match text.strip_suffix(['M', 'm']) {
            Some(number) => (number, 1024 * 1024),
            None => (text, 1),
        },
    };
    let value = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    value.filter(|value| *value > 0).ok_or_else(|| "it must be bytes above 0, as in 65536, 64K or 1M".to_owned())
}

/// `cortex-m4@120MHz`.
fn core(text: &str) -> Result<(&'static str, f64), String> {
    let (name, clock) = text.split_once('@').unwrap_or((text, ""));
    let known = cores().find(|core| *core == name);
    let megahertz = clock.trim_end_matches("MHz").parse().ok().filter(|clock: &f64| clock.is_finite() && *clock > 0.0);
    match (known, megahertz) {
        (Some(core), Some(megahertz)) => Ok((core, 1e6 * megahertz)),
        _ => Err(format!(
            "it must be a core and its clock, as in cortex-m4@120MHz; cores are {}",
            cores().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Runs `fit`.
pub fn run(arguments: Arguments) -> CommandResult {
    let budget = arguments.budget();
    let dataset = arguments.dataset();
    let found = fit::candidates(&dataset, &budget, &family::ladder()?)?;
    let Some(largest) = found.first() else {
        let Board { name, flash, memory, .. } = &budget.board;
        let time = budget.milliseconds.map(|most| format!(" in {most} ms")).unwrap_or_default();
        return Err(format!(
            "no network of the family fits {name}{time}: {flash} bytes of flash, {memory} bytes of memory, a picture of {} bytes; \
             try a smaller --input, or grey",
            arguments.input.elements()
        )
        .into());
    };
    let listed = if arguments.all { &found[..] } else { &found[..found.len().min(LISTED)] };
    if arguments.json {
        listed.iter().for_each(output::write_json);
        return Ok(());
    }
    print(listed, &budget, &arguments);
    if listed.len() < found.len() {
        say!("… and {} smaller ones: --all lists them", found.len() - listed.len());
    }
    say!(
        "\nmemory is exactly that; flash too, but for a few bytes of numbers that are learned and of names (here of ten letters); instructions \
         as the plan counts them; times are estimates, without camera and reduction"
    );
    if arguments.best {
        let flags = format!("{} --name {}", largest.member.flags(), largest.member.name());
        let words = flags.split(' ').map(OsString::from).chain(arguments.train);
        return train::run(Training::parse_from(words).arguments);
    }
    say!("next: cargo run -p host-trainer -- train {} --name {}", largest.member.flags(), largest.member.name());
    Ok(())
}

impl Arguments {
    fn budget(&self) -> Budget {
        let board = self.board.clone().unwrap_or_else(|| {
            let (core, hertz) = self.core.unwrap_or(("cortex-m4", 64e6));
            let alike = BOARDS.iter().find(|board| board.core == core);
            Board {
                flag: "own",
                name: "this board",
                has_firmware: false,
                core,
                hertz,
                flash: self.flash.unwrap_or_default(),
                memory: self.ram.unwrap_or_default(),
                seconds_a_byte: [0.0; 2],
                cycles: alike.map_or(BOARDS[0].cycles, |board| board.cycles),
                source: "as given",
            }
        });
        Budget { board, milliseconds: self.ms }
    }

    /// Of a data set of which only shapes are known.
    fn dataset(&self) -> Description {
        let channels = usize::from(self.input.channels);
        Description {
            name: "any".to_owned(),
            shape: [self.input.height, self.input.width, self.input.channels],
            labels: (0..self.classes).map(|class| format!("class {class:04}")).collect(),
            none: None,
            statistics: ChannelStatistics { mean: vec![0.5; channels], deviation: vec![0.25; channels] },
        }
    }
}

fn print(listed: &[Candidate], budget: &Budget, arguments: &Arguments) {
    let Board { name, core, hertz, .. } = &budget.board;
    say!("{name} ({core} at {} MHz), {} input, {} classes:\n", hertz / 1e6, arguments.input, arguments.classes);
    say!(
        "{:18} {:>9} {:>12} {:>12} {:>10} {:>8} {:>12} {:>13}  {}",
        "network",
        "flash",
        "least memory",
        "memory used",
        "parameters",
        "M MACs",
        "M instr.",
        "ms",
        "int8 on CIFAR-10"
    );
    for candidate in listed {
        let [least, most] = candidate.milliseconds;
        say!(
            "{:18} {:>9} {:>12} {:>12} {:>10} {:>8.2} {:>12.2} {:>13}  {}",
            candidate.member.name(),
            candidate.flash,
            candidate.least_memory,
            candidate.memory,
            candidate.parameters,
            candidate.multiplications as f64 / 1e6,
            candidate.instructions as f64 / 1e6,
            format!("{least:.0} to {most:.0}"),
            candidate.int8_top1.map_or_else(|| "–".to_owned(), |accuracy| format!("{accuracy:.2} %"))
        );
    }
}
