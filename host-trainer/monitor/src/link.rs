//! A connection to a board that comes back when it is lost.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use protocol::{Decoder, END, FRAME_LEN, Message, Received, Request, Statistics, encode};

use crate::port::{Port, PortError, READ_TIMEOUT, Stream};

/// The first wait before a lost port is opened anew; each further one is twice as long …
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// … up to this: a board that is plugged in again should be seen at once.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What came over all connections so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All bytes, whatever they are.
    pub bytes: u64,
    /// Messages. The rest of a message whose beginning was before the connection is not counted.
    pub frames: Statistics,
}

/// What happens on a link.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// There is a connection.
    Connected,
    /// There is none, or none any more.
    Lost {
        /// In plain words.
        reason: String,
        /// When the next attempt follows.
        retry_in: Duration,
    },
    /// The board says something.
    Message(&'a Message<'a>),
    /// The board says something in another version of the protocol.
    OtherVersion(u8),
    /// Bytes came.
    Received(Traffic),
}

/// A port, connected or to be connected.
pub struct Link {
    port: Port,
    baud_rate: u32,
    connection: Option<Connection>,
    earlier: Traffic,
    retry_at: Instant,
    wait: Duration,
}

struct Connection {
    /// Nobody was told yet that it is there.
    is_new: bool,
    stream: Box<dyn Stream>,
    decoder: Decoder,
    bytes: u64,
    /// The first frame's end was seen.
    is_between_frames: bool,
    /// Frames of which only the rest came, since the connection began in their middle: 0 or 1.
    cut_off: u32,
}

impl Link {
    /// A link that connects when it is first polled. `baud_rate` matters for UARTs alone.
    pub fn new(port: Port, baud_rate: u32) -> Self {
        Self {
            port,
            baud_rate,
            connection: None,
            earlier: Traffic::default(),
            retry_at: Instant::now(),
            wait: FIRST_WAIT,
        }
    }

    /// Where the board is.
    pub const fn port(&self) -> &Port {
        &self.port
    }

    /// Connects at once; the next [`poll`](Self::poll) tells it.
    ///
    /// # Errors
    /// [`PortError`] if that fails.
    pub fn connect(&mut self) -> Result<(), PortError> {
        self.connection = Some(Connection::new(self.port.open(self.baud_rate)?));
        self.wait = FIRST_WAIT;
        Ok(())
    }

    /// Hands over what happens within some hundredths of a second.
    pub fn poll(&mut self, mut sink: impl FnMut(Event<'_>)) {
        let Some(connection) = &mut self.connection else {
            self.try_again(sink);
            return;
        };
        if std::mem::take(&mut connection.is_new) {
            sink(Event::Connected);
            return;
        }
        let outcome = connection.receive(&mut sink);
        let traffic = self.traffic();
        match outcome {
            Ok(true) => sink(Event::Received(traffic)),
            Ok(false) => {}
            Err(error) => {
                let reason = format!("{}: the connection is lost: {error}", self.port);
                self.lose(reason, &mut sink);
            }
        }
    }

    /// Sends a request, if there is a connection; one that fails is noticed by the next [`poll`](Self::poll) as well.
    pub fn send(&mut self, request: Request<'_>) {
        let mut buffer = [0; FRAME_LEN];
        if let (Some(connection), Ok(frame)) = (&mut self.connection, encode(&request, &mut buffer))
        {
            // An end first: that of the request before may have been lost.
            let _ = connection.stream.write_all(&[&[END], frame].concat());
        }
    }

    fn traffic(&self) -> Traffic {
        let now = self
            .connection
            .as_ref()
            .map_or(Traffic::default(), Connection::traffic);
        Traffic {
            bytes: self.earlier.bytes + now.bytes,
            frames: Statistics {
                received: self.earlier.frames.received + now.frames.received,
                corrupted: self.earlier.frames.corrupted + now.frames.corrupted,
                foreign: self.earlier.frames.foreign + now.frames.foreign,
            },
        }
    }

    fn try_again(&mut self, mut sink: impl FnMut(Event<'_>)) {
        let left = self.retry_at.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left.min(READ_TIMEOUT));
            return;
        }
        if let Err(error) = self.connect() {
            self.lose(error.to_string(), &mut sink);
        }
    }

    fn lose(&mut self, reason: String, sink: &mut impl FnMut(Event<'_>)) {
        self.earlier = self.traffic();
        self.connection = None;
        let retry_in = self.wait;
        self.retry_at = Instant::now() + retry_in;
        self.wait = (2 * retry_in).min(LONGEST_WAIT);
        sink(Event::Lost { reason, retry_in });
    }
}

impl Connection {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            is_new: true,
            stream,
            decoder: Decoder::new(),
            bytes: 0,
            is_between_frames: false,
            cut_off: 0,
        }
    }

    fn traffic(&self) -> Traffic {
        let mut frames = self.decoder.statistics();
        frames.corrupted -= self.cut_off;
        Traffic {
            bytes: self.bytes,
            frames,
        }
    }

    /// Reads what is there, and says whether it was anything.
    fn receive(&mut self, sink: &mut impl FnMut(Event<'_>)) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let len = match self.stream.read(&mut chunk) {
            Ok(0) => return Err(io::Error::other("the other side has closed it")),
            Ok(len) => len,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted => {
                        Ok(false)
                    }
                    _ => Err(error),
                };
            }
        };
        self.bytes += len as u64;
        for &byte in &chunk[..len] {
            match self.decoder.push(byte) {
                Some(Received::Message(message)) => sink(Event::Message(&message)),
                Some(Received::OtherVersion(version)) => sink(Event::OtherVersion(version)),
                // Newer firmware says something that is of no use here.
                Some(Received::UnknownKind(_)) | None => {}
            }
            if byte == END && !self.is_between_frames {
                self.is_between_frames = true;
                self.cut_off = self.decoder.statistics().corrupted;
            }
        }
        Ok(true)
    }
}
