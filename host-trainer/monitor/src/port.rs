//! The name of a port, and how it is opened.

use std::fmt::{self, Display, Formatter};
#[cfg(unix)]
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serial2::SerialPort;

/// How long a read waits for bytes, and with it everything else that a person does meanwhile.
pub const READ_TIMEOUT: Duration = Duration::from_millis(20);
const WRITE_TIMEOUT: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a board is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// A serial port, of USB or a UART, or a pseudo-terminal.
    Serial(PathBuf),
    /// `host:port`, where an emulator listens, written as `tcp:HOST:PORT` or `tcp://HOST:PORT`.
    Tcp(String),
}

impl Display for Port {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => write!(formatter, "{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp:{address}"),
        }
    }
}

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(address) = text.strip_prefix("tcp:") else {
            return Ok(Self::Serial(text.into()));
        };
        let address = address.strip_prefix("//").unwrap_or(address);
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self::Tcp(address.to_string())),
            _ => Err("an address is tcp:HOST:PORT, such as tcp:127.0.0.1:5555"),
        }
    }
}

/// A port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{port}: {problem}")]
pub struct PortError {
    /// Its name.
    pub port: Port,
    /// Why, and what to do.
    pub problem: String,
}

/// A connection in both directions, whose reads end after [`READ_TIMEOUT`].
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Port {
    /// Connects.
    ///
    /// # Errors
    /// [`PortError`] if it is not there, not free or no port at all.
    pub fn open(&self, baud_rate: u32) -> Result<Box<dyn Stream>, PortError> {
        let stream: Result<Box<dyn Stream>, String> = match self {
            Self::Serial(path) => match open_serial(path, baud_rate) {
                Ok(port) => Ok(Box::new(port)),
                Err(error) => Err(serial_problem(&error, path, baud_rate)),
            },
            Self::Tcp(address) => match open_tcp(address) {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(tcp_problem(&error)),
            },
        };
        stream.map_err(|problem| PortError { port: self.clone(), problem })
    }
}

fn open_serial(path: &Path, baud_rate: u32) -> io::Result<SerialPort> {
    let mut port = SerialPort::open(path, baud_rate)?;
    port.set_read_timeout(READ_TIMEOUT)?;
    port.set_write_timeout(WRITE_TIMEOUT)?;
    claim(&port)?;
    // A board on USB may wait for this line. A pseudo-terminal has none, and needs none.
    let _ = port.set_dtr(true);
    Ok(port)
}

/// Keeps another monitor from reading half of what comes; Windows does so by itself.
#[cfg(unix)]
fn claim(port: &SerialPort) -> io::Result<()> {
    // The lock is the opened port's, and lasts as long as that.
    let file = File::from(port.as_fd().try_clone_to_owned()?);
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ErrorKind::ResourceBusy.into()),
        // Not every system has locks for what is no file.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

#[cfg(not(unix))]
fn claim(_: &SerialPort) -> io::Result<()> {
    Ok(())
}

fn serial_problem(error: &io::Error, path: &Path, baud_rate: u32) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no such port; plug the board in, or name another one ({})", other_ports())
        }
        ErrorKind::PermissionDenied if cfg!(unix) => String::from(
            "you may not open it; join the group that owns serial ports and log in again: \
             `sudo usermod -aG dialout $USER` on Debian and Ubuntu, group `uucp` on Arch",
        ),
        // Windows denies permission to a port that is in use.
        ErrorKind::ResourceBusy | ErrorKind::PermissionDenied => String::from(
            "another program has opened it; end that one first (a serial console, ModemManager, another monitor)",
        ),
        _ if path.is_file() || path.is_dir() => String::from(
            "this is no serial port; name one such as /dev/ttyACM0 or COM3, or an address as tcp:HOST:PORT",
        ),
        _ => format!("cannot be opened with {baud_rate} baud: {error}; check the cable and --baud-rate"),
    }
}

/// The serial ports that there are, for the message about one that is not there.
fn other_ports() -> String {
    let mut ports: Vec<_> =
        SerialPort::available_ports().unwrap_or_default().iter().map(|path| path.display().to_string()).collect();
    if ports.is_empty() {
        return String::from("no other serial port is there either");
    }
    ports.sort();
    format!("there are: {}", ports.join(", "))
}

fn open_tcp(address: &str) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
    for address in address.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT);
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn tcp_problem(error: &io::Error) -> String {
    match error.kind() {
        // Windows asks again for two seconds before it says that it is refused.
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut => {
            String::from("nothing listens there; start the emulator first, with `-serial tcp:HOST:PORT,server`")
        }
        _ => format!("cannot connect: {error}; check the host's name and the network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_written() {
        for text in ["/dev/ttyACM0", "COM3", "tcp:127.0.0.1:5555", "tcp:[::1]:80"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://127.0.0.1:5555".parse::<Port>().unwrap().to_string(), "tcp:127.0.0.1:5555");
        for text in ["tcp:", "tcp://", "tcp://:80", "tcp:host", "tcp::80", "tcp:host:", "tcp:host:99999"] {
            let error = text.parse::<Port>().unwrap_err();
            assert!(error.contains("tcp:HOST:PORT"), "{text}: {error}");
        }
    }

    #[test]
    fn errors_name_cause_and_remedy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let denied = if cfg!(unix) { "dialout" } else { "another program" };
        let cases = [
            (ErrorKind::NotFound, "plug the board in", "COM77"),
            (ErrorKind::PermissionDenied, denied, "COM77"),
            (ErrorKind::ResourceBusy, "another program", "COM77"),
            (ErrorKind::Other, "no serial port", file.path().to_str().unwrap()),
            (ErrorKind::Other, "with 9600 baud", "COM77"),
        ];
        for (kind, expected, path) in cases {
            let problem = serial_problem(&kind.into(), Path::new(path), 9600);
            assert!(problem.contains(expected), "{problem}");
        }
        let refused = tcp_problem(&ErrorKind::ConnectionRefused.into());
        assert!(refused.contains("nothing listens"), "{refused}");
    }
}
