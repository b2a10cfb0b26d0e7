//! Lines of text, for people with nothing but a terminal, and for other boards.

use super::{Labels, Port, Report, label, percent};
use core::fmt::Display;
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::Write;
use heapless::String;
use protocol::{Message, Verdict, cut_off};

/// The longest line; more is cut off.
const LINE_LEN: usize = 512;

/// Writes a line to a serial port whenever the label changes, and for each fault: `deer 93 %`, `not sure`, `fault: …`.
pub struct Lines<'m, W, D> {
    port: Port<W, D>,
    labels: Labels<'m>,
    /// The class of the last line, or that it was not sure; `None` before the first frame and after a fault.
    told: Option<Option<u8>>,
}

impl<'m, W: Write, D: DelayNs> Lines<'m, W, D> {
    /// A port, and the names of the classes (`Graph::labels`). A line that takes longer than `limit_ms` milliseconds is given up.
    pub const fn new(writer: W, delay: D, limit_ms: u32, labels: Labels<'m>) -> Self {
        Self { port: Port::new(writer, delay, limit_ms, b"\r\n"), labels, told: None }
    }

    async fn line(&mut self, text: impl Display) {
        let text: String<{ LINE_LEN - 2 }> = cut_off(text);
        let line: String<LINE_LEN> = cut_off(format_args!("{text}\r\n"));
        self.port.write(line.as_bytes()).await;
    }
}

impl<W: Write, D: DelayNs> Report for Lines<'_, W, D> {
    async fn report(&mut self, message: &Message<'_>) {
        match message {
            Message::Start(start) => {
                self.line(format_args!("started by: {}", start.cause.name())).await;
                if !start.crash.is_empty() {
                    self.line(format_args!("the run before crashed: {}", start.crash)).await;
                }
            }
            Message::DeviceInfo(device) => {
                self.line(format_args!("{} with {}, model {}", device.board, device.camera, device.model)).await;
            }
            Message::BootFailure(failure) => self.line(format_args!("not classifying: {}", failure.text)).await,
            Message::Frame(frame) => {
                let class = match frame.verdict {
                    Verdict::NotSure => None,
                    Verdict::Class { class, .. } => Some(class),
                };
                if self.told.replace(class) == Some(class) {
                    return;
                }
                match frame.verdict {
                    Verdict::NotSure => self.line("not sure").await,
                    Verdict::Class { class, probability } => {
                        let (label, percent) = (label(self.labels, class), percent(probability));
                        self.line(format_args!("{label} {percent} %")).await;
                    }
                }
            }
            Message::Models(models) if !models.note.is_empty() => {
                self.line(format_args!("models: {}", models.note)).await;
            }
            Message::Fault(fault) => {
                self.told = None;
                self.line(format_args!("fault: {}", fault.text)).await;
            }
            Message::Label(_)
            | Message::Chunk(_)
            | Message::Acknowledgement(_)
            | Message::Unsupported { .. }
            | Message::FullFrame(_)
            | Message::FrameMarks(_)
            | Message::Finding(_)
            | Message::Models(_)
            | Message::Setting(_) => {}
        }
    }
}
