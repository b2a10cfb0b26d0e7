//! What a board sees and says, live: its pictures, classes, times and faults, in a terminal or as lines, and in files.
//!
//! Bytes flow one way: `link` (a port, connected anew when it is lost) → events of [`board_client`] and its state → `view`, `plain` or `json`
//! (functions of the state), `recording` and `capture`. `session` joins them. `diagnosis` has a board examined that is set up
//! for the first time, over the same `link`, `deploy` sends it another model, and `settings` changes what it does: conversations of `board_client`, to which this crate adds
//! ports, files, keys and a clock.

mod capture;
mod colour;
mod deploy;
mod diagnosis;
mod json;
mod keygen;
mod link;
mod plain;
mod port;
mod recording;
mod screen;
mod session;
mod settings;
mod view;

use std::io::IsTerminal;
use std::path::PathBuf;

pub use board_client::deployment::DeployError;
pub use capture::{CaptureError, When};
pub use deploy::FileError;
pub use diagnosis::PageError;
pub use keygen::KeyError;
pub use port::{Port, PortError};
pub use recording::RecordingError;
use session::Session;
pub use settings::SettingError;

/// The command line of the monitor, which the trainer's has as well: a board to watch, or one of the actions.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    watch: Option<Watch>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Send a model to a board, which runs it from then on; or list those that it has, or go back
    Deploy(deploy::Arguments),
    /// Show what a board does, or change it while it runs: threshold, smoothing, region, orientation, pin and more
    Set(settings::Arguments),
    /// Make a pair of keys for signed models
    Keygen(keygen::Arguments),
}

/// What to watch, and for how long.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Serial port (/dev/ttyACM0, COM3), pseudo-terminal (/dev/pts/3), or address of an emulator (tcp:HOST:PORT).
    pub port: Port,
    /// Bits a second of a UART; USB, pseudo-terminals and TCP do not care.
    #[arg(long, default_value_t = 115_200)]
    pub baud_rate: u32,
    /// Record each picture as DIR/CLASS/COUNTER-PERCENT.png, with a line in DIR/recording.jsonl. Nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Take training pictures into DIR/CLASS, with keys: space takes one, b a burst, n names a new class. Nothing is overwritten.
    #[arg(long, value_name = "DIR")]
    pub capture: Option<PathBuf>,
    /// Keep such pictures without a key as well, in DIR/_unsorted: sort them into the classes' folders later.
    #[arg(long, value_enum, requires = "capture")]
    pub when: Option<When>,
    /// Print a line of JSON for the board, each frame and each fault; what goes wrong here goes to standard error.
    #[arg(long, conflicts_with = "plain")]
    pub json: bool,
    /// Print lines; so does output that goes to no terminal.
    #[arg(long)]
    pub plain: bool,
    /// Bring up a board: examine it and its camera, say of each stage whether it is good and what to try next, and end. Fails if
    /// something is bad.
    #[arg(long, conflicts_with_all = ["record", "capture", "plain", "frames", "timeout"])]
    pub diagnose: bool,
    /// Look for the test card as well (data/test-card.svg, on a phone for example), to find out how the picture is turned.
    #[arg(long, requires = "diagnose")]
    pub test_card: bool,
    /// Write all that the diagnosis found to DIR/diagnosis.md, for a bug report, with the pictures beside it.
    #[arg(long, value_name = "DIR", requires = "diagnose")]
    pub page: Option<PathBuf>,
    /// End after so many frames that came with their pictures.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Fail when no frame comes for so long; until then, wait for a port that is not there yet.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: Option<u64>,
}

/// What stands below the list of flags, for a program of that name.
pub fn examples(program: &str) -> String {
    format!(
        "Keys: q quits, r starts or stops recording (without --record in the repository's runs/recording); those of --capture stand on its screen.

Examples:
  {program} /dev/ttyACM0                        a board on USB
  {program} COM3                                the same on Windows
  {program} /dev/ttyACM0 --record runs/desk     recording what it sees as well
  {program} /dev/ttyACM0 --capture photos       taking training pictures
  {program} /dev/ttyACM0 --diagnose             the first thing to try when no frames come
  {program} deploy /dev/ttyACM0 MODEL.blob      another model for the board
  {program} deploy /dev/ttyACM0 --rollback      back to the model before
  {program} set /dev/ttyACM0                    what the board does, and what it could do
  {program} set /dev/ttyACM0 threshold 60       sure from 60 % on, from now on and over resets
  {program} /dev/ttyACM0 --json | jq .label     for other programs
  {program} tcp:127.0.0.1:5555                  QEMU with -serial tcp:127.0.0.1:5555,server
  {program} tcp:127.0.0.1:5555 --plain --frames 5 --timeout 60 --record pictures"
    )
}

/// Why watching ended.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The port could not be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No frame for too long.
    #[error("{port}: no frame for {seconds} s{hint}")]
    Timeout {
        /// Where the board is.
        port: Port,
        /// How long.
        seconds: u64,
        /// What the matter seems to be, if anything does.
        hint: String,
    },
    /// A picture could not be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Training pictures cannot be taken.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A check of a diagnosis says that something is wrong.
    #[error("checks above that are BAD: {bad}; begin with the first")]
    Diagnosis {
        /// Such checks.
        bad: usize,
    },
    /// A signal ended a diagnosis.
    #[error("interrupted; nothing was found out")]
    Interrupted,
    /// A board does not run the model that it was sent.
    #[error("{port}: {problem}")]
    Deploy {
        /// Where the board is.
        port: Port,
        /// Why not.
        problem: DeployError,
    },
    /// A model or a key cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A setting of a board is neither shown nor changed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The page of a diagnosis cannot be written.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The terminal, or what standard output is, takes no more.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Watches a board until a person or a limit ends it, or does what was asked for instead.
///
/// # Errors
/// [`MonitorError`] if the port cannot be opened at first, or nothing comes for too long, or something cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), MonitorError> {
    match arguments {
        Arguments { action: Some(Action::Deploy(arguments)), .. } => deploy::run(arguments),
        Arguments { action: Some(Action::Set(arguments)), .. } => settings::run(arguments),
        Arguments { action: Some(Action::Keygen(arguments)), .. } => keygen::run(arguments),
        Arguments { action: None, watch: Some(arguments) } => watch(arguments),
        // The port is required where there is no action.
        Arguments { action: None, watch: None } => Ok(()),
    }
}

fn watch(arguments: &Watch) -> Result<(), MonitorError> {
    if arguments.diagnose {
        return diagnosis::run(arguments);
    }
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let has_screen = is_interactive && !arguments.plain && !arguments.json;
    if arguments.capture.is_some() && arguments.when.is_none() && !has_screen {
        return Err(CaptureError::NoTerminal.into());
    }
    let session = Session::start(arguments)?;
    if has_screen { screen::run(session) } else { plain::run(session, arguments.json) }
}
