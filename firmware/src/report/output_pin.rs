//! A pin that is high as long as a class is seen.

use super::Report;
use embedded_hal::digital::OutputPin;
use protocol::{Message, Verdict};
use shared_model::graph::List;

/// Sets a pin high after some frames in a row that name a class, and low after some that do not. A frame that is missing, or
/// [marked](protocol::Marks) as one not to rely on, does not.
pub struct ClassPin<P> {
    pin: P,
    class: u8,
    frames: [u8; 2],
    is_high: bool,
    /// Frames in a row that contradict the pin.
    contrary: u8,
    is_marked: bool,
}

impl<P: OutputPin> ClassPin<P> {
    /// A pin for the class of that name; `None` if `labels` (`Graph::labels`) have none. `rise` and `fall` are the frames in a row that set it
    /// high and low; 0 counts as 1. The pin is expected to be low.
    pub fn new(pin: P, labels: List<'_, &str>, class: &str, rise: u8, fall: u8) -> Option<Self> {
        let class = labels.iter().position(|label| label == class)?;
        Some(Self { pin, class: class as u8, frames: [rise, fall], is_high: false, contrary: 0, is_marked: false })
    }

    fn count(&mut self, is_seen: bool) {
        if is_seen == self.is_high {
            self.contrary = 0;
            return;
        }
        self.contrary = self.contrary.saturating_add(1);
        // A pin that cannot be set, behind a bus for example, is set with the next frame.
        if self.contrary >= self.frames[usize::from(self.is_high)] && self.pin.set_state(is_seen.into()).is_ok() {
            (self.is_high, self.contrary) = (is_seen, 0);
        }
    }
}

impl<P: OutputPin> Report for ClassPin<P> {
    async fn report(&mut self, message: &Message<'_>) {
        match message {
            Message::FrameMarks(_) => self.is_marked = true,
            Message::Frame(frame) => {
                let is_class = matches!(frame.verdict, Verdict::Class { class, .. } if class == self.class);
                let is_marked = core::mem::take(&mut self.is_marked);
                self.count(is_class && !is_marked);
            }
            Message::Fault(_) => self.count(false),
            Message::Start(_)
            | Message::DeviceInfo(_)
            | Message::Label(_)
            | Message::BootFailure(_)
            | Message::Chunk(_)
            | Message::Acknowledgement(_)
            | Message::Unsupported { .. }
            | Message::FullFrame(_)
            | Message::Finding(_)
            | Message::Models(_) => {}
        }
    }
}
