//! Another model for a board: reads it, sends it, and shows how far that is.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use board_client::deployment::{Deployment, Offer, Task};
use board_client::line::Step;
use board_client::text::thousands;
use model_store::pem::Key;

use crate::MonitorError;
use crate::link::{Link, now};
use crate::port::Port;

/// Width of the progress bar.
const BAR: usize = 30;

/// Send a model to a board, which runs it from then on.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the board is, as for watching: /dev/ttyACM0, COM3, tcp:HOST:PORT.
    port: Port,
    /// The model, as the trainer writes it.
    #[arg(value_name = "MODEL.blob", required_unless_present_any = ["list", "rollback"])]
    model: Option<PathBuf>,
    /// Sign the model with the secret key in this file, which `keygen` has made.
    #[arg(long, value_name = "FILE", requires = "model")]
    key: Option<PathBuf>,
    /// Say what models the board has, and what it takes.
    #[arg(long, conflicts_with_all = ["model", "rollback"])]
    list: bool,
    /// Have the board run its other model.
    #[arg(long, conflicts_with = "model")]
    rollback: bool,
    /// Bits a second of a UART; USB, pseudo-terminals and TCP do not care.
    #[arg(long, default_value_t = 115_200)]
    baud_rate: u32,
}

/// A model or a key cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct FileError {
    path: PathBuf,
    problem: String,
}

/// What `deploy` has to do with its flags.
///
/// # Errors
/// [`MonitorError`] if the board does not run the model in the end.
pub fn run(arguments: &Arguments) -> Result<(), MonitorError> {
    // What is wrong with the file is said without a board.
    let offer = match &arguments.model {
        Some(path) => Some(offer(path, arguments.key.as_deref())?),
        None => None,
    };
    let task = match &offer {
        Some(offer) => Task::Install(offer),
        None if arguments.rollback => Task::Rollback,
        None => Task::List,
    };
    let mut link = Link::new(arguments.port.clone(), arguments.baud_rate);
    link.connect()?;
    let mut deployment = Deployment::new(task, now());
    let mut progress: Option<Progress> = None;
    loop {
        if let (Some(received), Some(offer)) = (deployment.received(), &offer) {
            progress.get_or_insert_with(|| Progress::new(&offer.name, offer.blob_len())).show(received);
        }
        match deployment.advance(now()) {
            Step::Send(request) => link.send(request),
            Step::Say(text) => {
                if let (Some(mut progress), Some(offer)) = (progress.take(), &offer) {
                    progress.show(offer.blob_len());
                    progress.end();
                }
                writeln!(io::stdout(), "{text}")?;
            }
            Step::Wait => link.poll(|event| deployment.apply(&event, now())),
            Step::End(end) => {
                if let Some(progress) = progress {
                    progress.end();
                }
                return end.map_err(|problem| MonitorError::Deploy { port: arguments.port.clone(), problem });
            }
        }
    }
}

fn offer(path: &Path, key: Option<&Path>) -> Result<Offer, FileError> {
    let blob = read(path)?;
    let secret = match key {
        None => None,
        Some(path) => {
            let secret = Key::Secret.from_pem(&String::from_utf8_lossy(&read(path)?));
            let problem = || String::from("this is no secret key; `keygen FILE` makes one");
            Some(secret.ok_or_else(|| FileError { path: path.to_owned(), problem: problem() })?)
        }
    };
    let of_model = |error| FileError { path: path.to_owned(), problem: format!("this is no model: {error}") };
    Offer::new(&blob, secret.as_ref()).map_err(of_model)
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError { path: path.to_owned(), problem: error.to_string() })
}

/// A bar in a terminal, or a line for each tenth.
struct Progress {
    start: Instant,
    name: String,
    len: u32,
    tenth: u32,
    is_terminal: bool,
}

impl Progress {
    fn new(name: &str, len: u32) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { start: Instant::now(), name: name.to_owned(), len, tenth: 0, is_terminal }
    }

    // Whoever closed standard error does not want to know.
    fn show(&mut self, received: u32) {
        let percent = u64::from(received) * 100 / u64::from(self.len.max(1));
        let rate = f64::from(received) / 1024.0 / self.start.elapsed().as_secs_f64().max(0.001);
        let (name, received, len) = (&self.name, thousands(received), thousands(self.len));
        if self.is_terminal {
            let done = BAR * percent as usize / 100;
            let bar = format!("{}{}", "█".repeat(done), "░".repeat(BAR - done));
            let _ = write!(io::stderr(), "\r{name} {bar} {percent:3} %  {received} of {len} bytes, {rate:.0} KB/s ");
        } else if percent as u32 / 10 > self.tenth {
            self.tenth = percent as u32 / 10;
            let _ = writeln!(io::stderr(), "{name}: {percent} %, {received} of {len} bytes, {rate:.0} KB/s");
        }
    }

    fn end(self) {
        if self.is_terminal {
            let _ = writeln!(io::stderr());
        }
    }
}
