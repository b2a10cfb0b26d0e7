//! What the firmware of `qemu-mps2` logs through defmt, as typed records.

use defmt_decoder::{DecodeError, Frame, Table};
use defmt_parser::{Fragment, Level};
use serde::Serialize;
use thiserror::Error;

/// Bytes on the wire that are no message of this firmware.
#[derive(Debug, Error)]
pub enum ProtocolError {
    /// A frame that defmt cannot decode.
    #[error(
        "the firmware's output is no defmt stream at frame {index}: {error}; is the ELF file the one that ran?"
    )]
    Frame {
        /// Index of the frame.
        index: usize,
        /// What defmt says.
        error: DecodeError,
    },
    /// A message that this library does not know, or with arguments that it does not expect.
    #[error("the firmware logged {text:?}, which qemu-runner does not understand")]
    Message {
        /// The message as a person would read it.
        text: String,
    },
}

/// A loop of known length, which shows that the emulator counts instructions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Calibration {
    /// Instructions of the loop.
    pub executed: u64,
    /// What the firmware's clock made of them.
    pub counted: u64,
}

impl Calibration {
    /// Whether the count is right but for the reading of the clock, which takes less than two of its ticks.
    pub fn holds(self) -> bool {
        (self.executed..=self.executed + 100).contains(&self.counted)
    }
}

/// What the firmware holds.
#[derive(Serialize)]
pub struct Banner {
    /// Name of the model.
    pub model: String,
    /// CRC-32 of its blob.
    pub crc32: u32,
    /// Bytes of the blob in flash.
    pub blob_len: usize,
    /// Bytes of working memory.
    pub arena_len: usize,
}

/// The classification of one image.
#[derive(Serialize)]
pub struct Record {
    /// Index of the image in its file.
    pub index: usize,
    /// Index of the winning class.
    pub class: usize,
    /// Name of that class.
    pub label: String,
    /// Every class's logit, as the integers that the network computes.
    pub logits: Vec<i32>,
    /// Executed instructions of the inference, to a multiple of 40, or 50 on the M33.
    pub instructions: u64,
    /// The same for each layer; empty unless profiled.
    pub layers: Vec<u64>,
}

/// Stack used at the deepest, and stack there is, in bytes.
#[derive(Clone, Copy, Serialize)]
pub struct Stack {
    /// Bytes used at the deepest until the known answer was reproduced.
    pub boot: usize,
    /// Bytes used at the deepest from then on.
    pub inference: usize,
    /// Bytes there are.
    pub size: usize,
}

impl Stack {
    /// Bytes used at the deepest of the whole run.
    pub fn high_water(self) -> usize {
        self.boot.max(self.inference)
    }
}

/// One message of the firmware.
pub enum Message {
    /// The clock was tried.
    Calibrated(Calibration),
    /// The model was loaded and its known-answer test holds.
    Ready(Banner),
    /// Instructions of the next layer of the image whose record follows.
    Layer(u64),
    /// An image was classified; `layers` is still empty.
    Classified(Record),
    /// Everything was classified.
    Done(Stack),
    /// An error, after which the firmware exits.
    Failed(String),
}

/// Decodes everything that the firmware wrote.
///
/// # Errors
///
/// [`ProtocolError`] at the first frame that is none of [`Message`].
pub fn decode(table: &Table, bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    decode_with(table, bytes, message)
}

/// Decodes everything that a firmware wrote, each frame with `message`.
pub(crate) fn decode_with<M>(
    table: &Table,
    bytes: &[u8],
    message: impl Fn(&Frame<'_>) -> Result<M, ProtocolError>,
) -> Result<Vec<M>, ProtocolError> {
    let mut decoder = table.new_stream_decoder();
    decoder.received(bytes);
    let mut messages = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => messages.push(message(&frame)?),
            Err(DecodeError::UnexpectedEof) => return Ok(messages),
            Err(error) => {
                return Err(ProtocolError::Frame {
                    index: messages.len(),
                    error,
                });
            }
        }
    }
}

fn message(frame: &Frame<'_>) -> Result<Message, ProtocolError> {
    let text = frame.display_message().to_string();
    if frame.level() == Some(Level::Error) {
        return Ok(Message::Failed(text));
    }
    parse(frame).ok_or(ProtocolError::Message { text })
}

/// The format string with every parameter written as `{}`, and the parameters.
pub(crate) fn template(frame: &Frame<'_>) -> (String, Vec<String>) {
    let mut format = String::new();
    let mut arguments = Vec::new();
    for (fragment, shown) in frame.fragments().iter().zip(frame.display_fragments()) {
        match fragment {
            Fragment::Literal(literal) => format.push_str(literal),
            Fragment::Parameter(_) => {
                format.push_str("{}");
                arguments.push(shown);
            }
        }
    }
    (format, arguments)
}

/// The loop of known length, if the message tells of it.
pub(crate) fn calibration(format: &str, arguments: &[&str]) -> Option<Calibration> {
    match (format, arguments) {
        ("a loop of {} instructions counts {}", [executed, counted]) => Some(Calibration {
            executed: executed.parse().ok()?,
            counted: counted.parse().ok()?,
        }),
        _ => None,
    }
}

/// The message by its format string.
fn parse(frame: &Frame<'_>) -> Option<Message> {
    let (format, arguments) = template(frame);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(calibration) = calibration(&format, &arguments) {
        return Some(Message::Calibrated(calibration));
    }
    match (format.as_str(), arguments.as_slice()) {
        (
            "{} is ready: CRC-32 {}, {} bytes of flash, {} bytes of arena, known answer reproduced",
            [model, crc32, blob_len, arena_len],
        ) => Some(Message::Ready(Banner {
            model: (*model).to_owned(),
            crc32: u32::from_str_radix(crc32, 16).ok()?,
            blob_len: blob_len.parse().ok()?,
            arena_len: arena_len.parse().ok()?,
        })),
        ("layer {}: {} instructions", [_, instructions]) => {
            Some(Message::Layer(instructions.parse().ok()?))
        }
        (
            "image {}: class {} {}, logits {}, {} instructions",
            [index, class, label, logits, instructions],
        ) => Some(Message::Classified(Record {
            index: index.parse().ok()?,
            class: class.parse().ok()?,
            label: (*label).to_owned(),
            logits: integers(logits)?,
            instructions: instructions.parse().ok()?,
            layers: Vec::new(),
        })),
        ("done: {} bytes of stack used at boot, {} after it, of {}", [boot, inference, size]) => {
            Some(Message::Done(Stack {
                boot: boot.parse().ok()?,
                inference: inference.parse().ok()?,
                size: size.parse().ok()?,
            }))
        }
        _ => None,
    }
}

/// A slice as defmt writes it, such as `[1, -2]`.
fn integers(text: &str) -> Option<Vec<i32>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner
        .split(", ")
        .map(|number| number.parse().ok())
        .collect()
}
