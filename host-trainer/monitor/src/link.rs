//! A connection to a board that comes back when it is lost.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use protocol::{Decoder, END, FRAME_LEN, Message, Received, Request, Statistics, encode};

use crate::port::{Port, PortError, READ_TIMEOUT, Stream};

/// The first wait before a lost port is opened anew; each further one is twice as long …
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// … up to this: a board that is plugged in again should be seen at once.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often a board is asked again for what it does not send.
const ASK_EVERY: Duration = Duration::from_secs(1);

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
    /// What came over earlier connections.
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

    /// Connects at once; the next [`poll`](Self::poll) tells it.
    ///
    /// # Errors
    /// [`PortError`] if that fails.
    pub fn connect(&mut self) -> Result<(), PortError> {
        self.connection = Some(Connection {
            is_new: true,
            stream: self.port.open(self.baud_rate)?,
            decoder: Decoder::new(),
            bytes: 0,
            is_between_frames: false,
        });
        self.wait = FIRST_WAIT;
        Ok(())
    }

    /// Hands over what happens within some hundredths of a second.
    pub fn poll(&mut self, mut sink: impl FnMut(Event<'_>)) {
        let Some(connection) = &mut self.connection else {
            let left = self.retry_at.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                std::thread::sleep(left.min(READ_TIMEOUT));
            } else if let Err(error) = self.connect() {
                sink(self.lose(error.to_string()));
            }
            return;
        };
        if std::mem::take(&mut connection.is_new) {
            return sink(Event::Connected);
        }
        match connection.receive(&mut sink) {
            Ok(()) => sink(Event::Received(self.traffic())),
            Err(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                _ => {
                    let reason = format!("{}: the connection is lost: {error}", self.port);
                    sink(self.lose(reason));
                }
            },
        }
    }

    /// Sends a request, if there is a connection; one that fails is noticed by the next [`poll`](Self::poll) as well.
    pub fn send(&mut self, request: Request<'_>) {
        let mut buffer = [0; FRAME_LEN];
        if let (Some(connection), Ok(frame)) = (&mut self.connection, encode(&request, &mut buffer)) {
            // An end first: that of the request before may have been lost.
            let _ = connection.stream.write_all(&[&[END], frame].concat());
        }
    }

    /// Sends requests that were not answered, unless some were sent less than a second ago, at `asked`.
    pub fn ask<'r>(&mut self, asked: &mut Option<Instant>, requests: impl IntoIterator<Item = Request<'r>>) {
        let now = Instant::now();
        if asked.is_none_or(|asked| now - asked >= ASK_EVERY) {
            for request in requests {
                self.send(request);
                *asked = Some(now);
            }
        }
    }

    fn traffic(&self) -> Traffic {
        let Some(connection) = &self.connection else {
            return self.earlier;
        };
        let (earlier, now) = (self.earlier.frames, connection.decoder.statistics());
        Traffic {
            bytes: self.earlier.bytes + connection.bytes,
            frames: Statistics {
                received: earlier.received + now.received,
                corrupted: earlier.corrupted + now.corrupted,
                foreign: earlier.foreign + now.foreign,
            },
        }
    }

    fn lose(&mut self, reason: String) -> Event<'static> {
        self.earlier = self.traffic();
        self.connection = None;
        let retry_in = self.wait;
        self.retry_at = Instant::now() + retry_in;
        self.wait = (2 * retry_in).min(LONGEST_WAIT);
        Event::Lost { reason, retry_in }
    }
}

impl Connection {
    /// Reads what is there.
    fn receive(&mut self, sink: &mut impl FnMut(Event<'_>)) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let len = self.stream.read(&mut chunk)?;
        if len == 0 {
            return Err(io::Error::other("the other side has closed it"));
        }
        self.bytes += len as u64;
        for &byte in &chunk[..len] {
            match self.decoder.push(byte) {
                Some(Received::Message(message)) => sink(Event::Message(&message)),
                Some(Received::OtherVersion(version)) => sink(Event::OtherVersion(version)),
                // Newer firmware says something that is of no use here.
                Some(Received::UnknownKind(_)) | None => {}
            }
            if byte == END && !std::mem::replace(&mut self.is_between_frames, true) {
                let is_cut_off = self.decoder.statistics().corrupted > 0;
                if is_cut_off {
                    self.decoder = Decoder::new();
                }
            }
        }
        Ok(())
    }
}
