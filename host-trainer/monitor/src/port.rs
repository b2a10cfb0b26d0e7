//! The name of a port, and how it is opened.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serial2::SerialPort;

/// How long a read waits for bytes, and with it everything else that a person does meanwhile.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_millis(20);
const WRITE_TIMEOUT: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a board is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// A serial port, of USB or a UART, or a pseudo-terminal.
    Serial(PathBuf),
    /// `host:port`, where an emulator listens.
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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(address) = text.strip_prefix("tcp:") else {
            return Ok(Self::Serial(PathBuf::from(text)));
        };
        let is_complete = address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if is_complete {
            Ok(Self::Tcp(address.to_string()))
        } else {
            Err(String::from(
                "an address is tcp:HOST:PORT, such as tcp:127.0.0.1:5555",
            ))
        }
    }
}

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It does not exist.
    #[error("{port}: there is no such port; plug the board in, or name another one ({others})")]
    Missing {
        /// Its name.
        port: Port,
        /// What there is instead.
        others: String,
    },
    /// The user may not.
    #[error(
        "{port}: you may not open it; join the group that owns serial ports and log in again: \
         `sudo usermod -aG dialout $USER` on Debian and Ubuntu, group `uucp` on Arch"
    )]
    Denied {
        /// Its name.
        port: Port,
    },
    /// Another program has it.
    #[error(
        "{port}: another program has opened it; end that one first (a serial console, ModemManager, another monitor)"
    )]
    Busy {
        /// Its name.
        port: Port,
    },
    /// A file of another kind.
    #[error(
        "{port} is no serial port; name one such as /dev/ttyACM0 or COM3, or an address as tcp:HOST:PORT"
    )]
    NotSerial {
        /// Its name.
        port: Port,
    },
    /// Something else about a serial port.
    #[error(
        "{port}: cannot be opened with {baud_rate} baud: {source}; check the cable and --baud-rate"
    )]
    Serial {
        /// Its name.
        port: Port,
        /// Bits a second.
        baud_rate: u32,
        /// What the system says.
        source: io::Error,
    },
    /// No program listens.
    #[error(
        "{port}: nothing listens there; start the emulator first, with `-serial tcp:HOST:PORT,server`"
    )]
    Refused {
        /// Its name.
        port: Port,
    },
    /// Something else about a TCP connection.
    #[error("{port}: cannot connect: {source}; check the host's name and the network")]
    Tcp {
        /// Its name.
        port: Port,
        /// What the system says.
        source: io::Error,
    },
}

/// A connection in both directions, whose reads end after [`READ_TIMEOUT`].
pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Port {
    /// Connects.
    pub(crate) fn open(&self, baud_rate: u32) -> Result<Box<dyn Stream>, PortError> {
        match self {
            Self::Serial(path) => match open_serial(path, baud_rate) {
                Ok(port) => Ok(Box::new(port)),
                Err(error) => Err(self.serial_error(error, path, baud_rate)),
            },
            Self::Tcp(address) => match open_tcp(address) {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(self.tcp_error(error)),
            },
        }
    }

    fn serial_error(&self, source: io::Error, path: &Path, baud_rate: u32) -> PortError {
        let port = self.clone();
        match source.kind() {
            ErrorKind::NotFound => PortError::Missing {
                port,
                others: other_ports(),
            },
            ErrorKind::PermissionDenied => PortError::Denied { port },
            ErrorKind::ResourceBusy => PortError::Busy { port },
            _ if !is_character_device(path) => PortError::NotSerial { port },
            _ => PortError::Serial {
                port,
                baud_rate,
                source,
            },
        }
    }

    fn tcp_error(&self, source: io::Error) -> PortError {
        let port = self.clone();
        match source.kind() {
            ErrorKind::ConnectionRefused => PortError::Refused { port },
            _ => PortError::Tcp { port, source },
        }
    }
}

fn open_serial(path: &Path, baud_rate: u32) -> io::Result<SerialPort> {
    let mut port = SerialPort::open(path, baud_rate)?;
    port.set_read_timeout(READ_TIMEOUT)?;
    port.set_write_timeout(WRITE_TIMEOUT)?;
    // A board on USB may wait for this line. A pseudo-terminal has none, and needs none.
    let _ = port.set_dtr(true);
    Ok(port)
}

fn open_tcp(address: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The serial ports that there are, for the message about one that is not there.
fn other_ports() -> String {
    let mut ports: Vec<_> = SerialPort::available_ports()
        .unwrap_or_default()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    ports.sort();
    match ports.as_slice() {
        [] => String::from("no other serial port is there either"),
        ports => format!("there are: {}", ports.join(", ")),
    }
}

#[cfg(unix)]
fn is_character_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_character_device(_path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_written() {
        for text in ["/dev/ttyACM0", "COM3", "tcp:127.0.0.1:5555", "tcp:[::1]:80"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in ["tcp:", "tcp:host", "tcp::80", "tcp:host:", "tcp:host:99999"] {
            let error = text.parse::<Port>().unwrap_err();
            assert!(error.contains("tcp:HOST:PORT"), "{text}: {error}");
        }
    }

    fn error(port: &str) -> String {
        let port: Port = port.parse().unwrap();
        match port.open(115_200) {
            Ok(_) => panic!("{port} cannot be there"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn errors_name_port_cause_and_remedy() {
        let missing = error("/dev/ttyNOSUCH7");
        assert!(
            missing.starts_with("/dev/ttyNOSUCH7: ") && missing.contains("plug"),
            "{missing}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let no_port = error(file.path().to_str().unwrap());
        assert!(no_port.contains("is no serial port"), "{no_port}");
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let refused = error(&format!("tcp:{free}"));
        assert!(
            refused.starts_with(&format!("tcp:{free}: ")) && refused.contains("nothing listens"),
            "{refused}"
        );
    }

    #[test]
    fn a_forbidden_port_names_the_group() {
        let port = Port::Serial(PathBuf::from("/dev/ttyACM0"));
        let source = io::Error::from(ErrorKind::PermissionDenied);
        let error = port
            .serial_error(source, Path::new("/dev/ttyACM0"), 115_200)
            .to_string();
        assert!(
            error.starts_with("/dev/ttyACM0: ") && error.contains("dialout"),
            "{error}"
        );
    }
}
