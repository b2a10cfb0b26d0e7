//! The command line, which the trainer's has as well.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::{Options, Port};

/// Flags of the monitor.
#[derive(Args)]
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

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        Self {
            port: arguments.port,
            baud_rate: arguments.baud_rate,
            record: arguments.record,
            plain: arguments.plain,
            frames: arguments.frames,
            timeout: arguments.timeout.map(Duration::from_secs),
        }
    }
}

/// What stands below the list of flags, for a program of that name.
pub fn examples(program: &str) -> String {
    format!(
        "Keys: q quits, r starts or stops recording.

Examples:
  {program} /dev/ttyACM0                        a board on USB
  {program} /dev/ttyACM0 --record runs/desk     the same, recording what it sees
  {program} tcp:127.0.0.1:5555                  QEMU with -serial tcp:127.0.0.1:5555,server
  {program} tcp:127.0.0.1:5555 --plain --frames 5 --timeout 60 --record pictures"
    )
}
