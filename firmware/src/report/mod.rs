//! Who is told what the pipeline finds.

#[cfg(feature = "defmt")]
mod log;
mod serial;

use protocol::{Message, PictureMode, Received, Request};

#[cfg(feature = "defmt")]
pub use log::Log;
pub use serial::Serial;

/// A reader of the pipeline's messages.
#[expect(async_fn_in_trait, reason = "a board's executor has one thread, so that futures need not be Send")]
pub trait Report {
    /// Passes a message on. One that cannot be delivered in bounded time is dropped: nobody may be there to read it.
    async fn report(&mut self, message: &Message<'_>);

    /// The next thing that the reader wants, if there is one; never waits.
    fn command(&mut self) -> Option<Command> {
        None
    }
}

/// Two readers; the commands of both are heard.
impl<A: Report, B: Report> Report for (A, B) {
    async fn report(&mut self, message: &Message<'_>) {
        self.0.report(message).await;
        self.1.report(message).await;
    }

    fn command(&mut self) -> Option<Command> {
        self.0.command().or_else(|| self.1.command())
    }
}

/// What the pipeline shall do about a frame that came from the computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send the device information and the labels.
    DeviceInfo,
    /// Send pictures, or none.
    Pictures(PictureMode),
    /// Send full frames, or none.
    FullFrames(PictureMode),
    /// Say that this request is not supported.
    Unsupported {
        /// The number of its kind.
        request: u32,
    },
}

impl From<Received<Request<'_>>> for Command {
    fn from(received: Received<Request<'_>>) -> Self {
        match received {
            Received::Message(Request::DeviceInfo) => Self::DeviceInfo,
            Received::Message(Request::Pictures(mode)) => Self::Pictures(mode),
            Received::Message(Request::FullFrames(mode)) => Self::FullFrames(mode),
            Received::Message(request @ (Request::Chunk(_) | Request::Acknowledgement(_))) => {
                Self::Unsupported { request: request.kind() }
            }
            Received::UnknownKind(request) => Self::Unsupported { request },
            // Any frame tells the computer which version this board speaks.
            Received::OtherVersion(_) => Self::DeviceInfo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Acknowledgement, Chunk, ChunkKind, TransferState};

    #[test]
    fn whatever_comes_gets_an_answer() {
        let chunk = Chunk { id: 0, kind: ChunkKind::Model, total: 1, offset: 0, bytes: &[1] };
        let acknowledgement = Acknowledgement { id: 0, received: 0, state: TransferState::Incomplete };
        let unsupported = |request| Command::Unsupported { request };
        let once = PictureMode::Once;
        for (received, command) in [
            (Received::Message(Request::DeviceInfo), Command::DeviceInfo),
            (Received::Message(Request::Pictures(once)), Command::Pictures(once)),
            (Received::Message(Request::FullFrames(once)), Command::FullFrames(once)),
            (Received::Message(Request::Chunk(chunk)), unsupported(2)),
            (Received::Message(Request::Acknowledgement(acknowledgement)), unsupported(3)),
            (Received::UnknownKind(77), unsupported(77)),
            (Received::OtherVersion(1), Command::DeviceInfo),
        ] {
            assert_eq!(Command::from(received), command);
        }
    }
}
