//! One's own code.

use super::Report;
use protocol::{Message, Verdict};

/// Calls a function with the verdict of each frame.
pub struct Callback<F>(pub F);

impl<F: FnMut(Verdict)> Report for Callback<F> {
    async fn report(&mut self, message: &Message<'_>) {
        if let Message::Frame(frame) = message {
            (self.0)(frame.verdict);
        }
    }
}
