//! A pin that is high as long as a class is seen.

use super::Report;
use crate::settings::Output;
use embedded_hal::digital::OutputPin;
use protocol::{Message, Verdict};
use shared_model::graph::List;

/// Sets a pin high after some frames in a row that name a class, and low after some that do not. A frame that is missing, or
/// [marked](protocol::Marks) as one not to rely on, does not.
pub struct ClassPin<P> {
    pin: P,
    /// Which, if it follows one.
    class: Option<u8>,
    frames: [u8; 2],
    is_high: bool,
    /// Frames in a row that contradict the pin.
    contrary: u8,
    is_marked: bool,
}

impl<P: OutputPin> ClassPin<P> {
    /// A pin that follows no class, and is expected to be low.
    pub const fn new(pin: P) -> Self {
        Self { pin, class: None, frames: [1, 1], is_high: false, contrary: 0, is_marked: false }
    }

    /// Sets the pin low, and follows another class, of these labels (`Graph::labels`), or none. Whether the labels have that class; otherwise
    /// it follows none.
    pub fn follow(&mut self, output: Option<&Output>, labels: List<'_, &str>) -> bool {
        let place = output.and_then(|output| labels.iter().position(|label| label == output.class));
        self.class = place.map(|class| class as u8);
        self.frames = output.map_or([1, 1], |output| [output.rise, output.fall]);
        self.is_high = self.pin.set_low().is_err();
        self.contrary = if self.is_high { u8::MAX } else { 0 };
        output.is_none() || place.is_some()
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
                let is_class = matches!(frame.verdict, Verdict::Class { class, .. } if Some(class) == self.class);
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
            | Message::Models(_)
            | Message::Setting(_) => {}
        }
    }
}
