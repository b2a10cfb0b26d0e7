//! A connection to a board that comes back when it is lost.

use std::io::{self, ErrorKind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use board_client::line::{Asked, Event, Receiver, wire};
use protocol::Request;

use crate::port::{Port, PortError, READ_TIMEOUT, Stream};

/// The first wait before a lost port is opened anew; each further one is twice as long …
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// … up to this: a board that is plugged in again should be seen at once.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The time since this was asked for the first time.
pub fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// A port, connected or to be connected.
pub struct Link {
    port: Port,
    baud_rate: u32,
    connection: Option<Connection>,
    receiver: Receiver,
    retry_at: Duration,
    wait: Duration,
}

struct Connection {
    /// Nobody was told yet that it is there.
    is_new: bool,
    stream: Box<dyn Stream>,
}

impl Link {
    /// A link that connects when it is first polled. `baud_rate` matters for UARTs alone.
    pub fn new(port: Port, baud_rate: u32) -> Self {
        Self { port, baud_rate, connection: None, receiver: Receiver::default(), retry_at: now(), wait: FIRST_WAIT }
    }

    /// Connects at once; the next [`poll`](Self::poll) tells it.
    ///
    /// # Errors
    /// [`PortError`] if that fails.
    pub fn connect(&mut self) -> Result<(), PortError> {
        self.connection = Some(Connection { is_new: true, stream: self.port.open(self.baud_rate)? });
        self.receiver.begin();
        self.wait = FIRST_WAIT;
        Ok(())
    }

    /// Hands over what happens within some hundredths of a second.
    pub fn poll(&mut self, mut sink: impl FnMut(Event<'_>)) {
        let Some(connection) = &mut self.connection else {
            let left = self.retry_at.saturating_sub(now());
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
        let mut chunk = [0; 4096];
        let read = connection.stream.read(&mut chunk).and_then(|len| match len {
            0 => Err(io::Error::other("the other side has closed it")),
            _ => Ok(len),
        });
        match read {
            Ok(len) => self.receiver.receive(&chunk[..len], sink),
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
        if let Some(connection) = &mut self.connection {
            let _ = connection.stream.write_all(&wire(&request));
        }
    }

    /// Sends requests that were not answered, unless some were sent a moment ago.
    pub fn ask<'r>(&mut self, asked: &mut Asked, requests: impl IntoIterator<Item = Request<'r>>) {
        for request in asked.due(now(), requests) {
            self.send(request);
        }
    }

    fn lose(&mut self, reason: String) -> Event<'static> {
        self.connection = None;
        let retry_in = self.wait;
        self.retry_at = now() + retry_in;
        self.wait = (2 * retry_in).min(LONGEST_WAIT);
        Event::Lost { reason, retry_in: Some(retry_in) }
    }
}
