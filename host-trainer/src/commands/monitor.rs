//! `monitor`: what a board sees and says, live.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use host_trainer::monitor::{self, Options, Port};

use super::CommandResult;

/// Flags of `monitor`.
#[derive(Args)]
#[command(after_help = "Keys: q quits, r starts or stops recording.

Examples:
  host-trainer monitor /dev/ttyACM0                        a board on USB
  host-trainer monitor /dev/ttyACM0 --record runs/desk     the same, recording what it sees
  host-trainer monitor tcp:127.0.0.1:5555                  QEMU with -serial tcp:127.0.0.1:5555,server
  host-trainer monitor tcp:127.0.0.1:5555 --plain --frames 5 --timeout 60 --record pictures")]
pub struct Arguments {
    /// Serial port (/dev/ttyACM0, COM3), pseudo-terminal (/dev/pts/3), or address of an emulator (tcp:HOST:PORT).
    port: Port,
    /// Bits a second of a UART; USB, pseudo-terminals and TCP do not care.
    #[arg(long, default_value_t = 115_200)]
    baud_rate: u32,
    /// Record each picture as DIR/CLASS/COUNTER-PERCENT.png, with a line in DIR/recording.jsonl. Nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Print lines; so does output that goes to no terminal.
    #[arg(long)]
    plain: bool,
    /// End after so many frames that came with their pictures.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// Fail when no frame comes for so long; until then, wait for a port that is not there yet.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

/// Runs `monitor`.
pub fn run(arguments: Arguments) -> CommandResult {
    let options = Options {
        port: arguments.port,
        baud_rate: arguments.baud_rate,
        record: arguments.record,
        plain: arguments.plain,
        frames: arguments.frames,
        timeout: arguments.timeout.map(Duration::from_secs),
    };
    Ok(monitor::run(&options)?)
}
