//! Bytes of a line to events, and requests to bytes.

use std::time::Duration;

use protocol::{Decoder, END, FRAME_LEN, Message, Received, Request, Statistics, encode};

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

/// What happens on a line.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// There is a connection.
    Connected,
    /// There is none, or none any more.
    Lost {
        /// In plain words.
        reason: String,
        /// When the next attempt follows, if one does by itself.
        retry_in: Option<Duration>,
    },
    /// The board says something.
    Message(&'a Message<'a>),
    /// The board says something in another version of the protocol.
    OtherVersion(u8),
    /// Bytes came.
    Received(Traffic),
}

/// What a conversation with a board wants next.
#[derive(Debug)]
pub enum Step<'a, R> {
    /// This is to be sent.
    Send(Request<'a>),
    /// This is to be told to whoever asked for it.
    Say(String),
    /// Nothing, before something happens or some time has passed.
    Wait,
    /// It is over.
    End(R),
}

impl<'a, R> Step<'a, R> {
    /// The same with another end.
    pub fn map_end<E>(self, end: impl FnOnce(R) -> E) -> Step<'a, E> {
        match self {
            Self::Send(request) => Step::Send(request),
            Self::Say(text) => Step::Say(text),
            Self::Wait => Step::Wait,
            Self::End(result) => Step::End(end(result)),
        }
    }
}

/// What comes over one connection after the other.
#[derive(Default)]
pub struct Receiver {
    decoder: Decoder,
    bytes: u64,
    /// The first frame's end was seen.
    is_between_frames: bool,
    /// What came over earlier connections.
    earlier: Traffic,
}

impl Receiver {
    /// The connection is a new one.
    pub fn begin(&mut self) {
        *self = Self { earlier: self.traffic(), ..Self::default() };
    }

    /// Takes bytes as they come; `sink` gets what they say, and then how much that is.
    pub fn receive(&mut self, bytes: &[u8], mut sink: impl FnMut(Event<'_>)) {
        self.bytes += bytes.len() as u64;
        for &byte in bytes {
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
        sink(Event::Received(self.traffic()));
    }

    fn traffic(&self) -> Traffic {
        let (earlier, now) = (self.earlier.frames, self.decoder.statistics());
        Traffic {
            bytes: self.earlier.bytes + self.bytes,
            frames: Statistics {
                received: earlier.received + now.received,
                corrupted: earlier.corrupted + now.corrupted,
                foreign: earlier.foreign + now.foreign,
            },
        }
    }
}

/// A request as it goes over the line; nothing for one that is too long, which none of this project's is.
pub fn wire(request: &Request<'_>) -> Vec<u8> {
    let mut buffer = [0; FRAME_LEN];
    // An end first: that of the request before may have been lost.
    encode(request, &mut buffer).map_or(Vec::new(), |frame| [&[END], frame].concat())
}

/// When something was asked for that is asked for again as long as it does not come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked(Option<Duration>);

impl Asked {
    /// Those of `requests` that are to be sent now: all of them, or none if some were sent less than a second ago.
    pub fn due<'r>(&mut self, now: Duration, requests: impl IntoIterator<Item = Request<'r>>) -> Vec<Request<'r>> {
        let is_due = self.0.is_none_or(|asked| now.saturating_sub(asked) >= ASK_EVERY);
        let requests: Vec<_> = requests.into_iter().filter(|_| is_due).collect();
        if !requests.is_empty() {
            self.0 = Some(now);
        }
        requests
    }
}
