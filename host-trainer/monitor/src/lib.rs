//! What a board sees and says, live: its pictures, classes, times and faults, in a terminal or as lines, and in files.
//!
//! Bytes flow one way: `link` (a port, connected anew when it is lost) → messages of [`protocol`] → `state` (a
//! fold over them) → `view` or `plain` (functions of the state) and `recording`. `session` joins them.

mod arguments;
mod colour;
#[cfg(test)]
mod fixtures;
mod link;
mod plain;
mod port;
mod recording;
mod screen;
mod session;
mod state;
mod text;
mod view;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

pub use arguments::{Arguments, examples};
pub use port::{Port, PortError};
pub use recording::RecordingError;
use session::Session;

/// Where pictures go when a person presses the key for recording and named no folder.
const DEFAULT_RECORDING: &str = "runs/recording";

/// What to watch, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the board is.
    pub port: Port,
    /// Bits a second of a UART; USB and TCP do not care.
    pub baud_rate: u32,
    /// Records from the beginning, into this folder.
    pub record: Option<PathBuf>,
    /// Lines even in a terminal.
    pub plain: bool,
    /// Ends after so many frames that came with their pictures.
    pub frames: Option<u64>,
    /// Fails when no frame comes for so long. Until then a missing port is waited for.
    pub timeout: Option<Duration>,
}

/// Why watching ended.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The port could not be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No frame for too long.
    #[error("{port}: no frame for {} s{}", .waited.as_secs_f32(), .hint.as_ref().map_or(String::new(), |hint| format!("; {hint}")))]
    Timeout {
        /// Where the board is.
        port: Port,
        /// How long.
        waited: Duration,
        /// What the matter seems to be.
        hint: Option<String>,
    },
    /// A picture could not be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The terminal, or what standard output is, takes no more.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Watches a board until a person or a limit ends it.
///
/// # Errors
/// [`MonitorError`] if the port cannot be opened at first, or nothing comes for too long, or something cannot be written.
pub fn run(options: &Options) -> Result<(), MonitorError> {
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let session = Session::start(options)?;
    if is_interactive && !options.plain {
        screen::run(session)
    } else {
        plain::run(session)
    }
}
