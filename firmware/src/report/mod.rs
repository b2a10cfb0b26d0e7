//! Who is told what the pipeline finds.

#[cfg(feature = "defmt")]
mod log;
mod serial;

use crate::protocol::{Message, Request};

#[cfg(feature = "defmt")]
pub use log::Log;
pub use serial::Serial;

/// A reader of the pipeline's messages.
#[expect(
    async_fn_in_trait,
    reason = "a board's executor has one thread, so that futures need not be Send"
)]
pub trait Report {
    /// Passes a message on. One that cannot be delivered in bounded time is dropped: nobody may be there to read it.
    async fn report(&mut self, message: &Message<'_>);

    /// The next request of the reader, if there is one; never waits.
    fn request(&mut self) -> Option<Request> {
        None
    }
}

/// Two readers; the requests of both are heard.
impl<A: Report, B: Report> Report for (A, B) {
    async fn report(&mut self, message: &Message<'_>) {
        self.0.report(message).await;
        self.1.report(message).await;
    }

    fn request(&mut self) -> Option<Request> {
        self.0.request().or_else(|| self.1.request())
    }
}
