#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! The messages between a board and a computer, and their codec, for both of them. `PROTOCOL.md` beside this crate describes the
//! bytes, for an implementation without it.
//!
//! ```
//! use protocol::{Decoder, FRAME_LEN, PictureMode, Received, Request, encode};
//!
//! let mut buffer = [0; FRAME_LEN];
//! let request = Request::Pictures(PictureMode::Every);
//! let wire = encode(&request, &mut buffer)?;
//!
//! let mut decoder = Decoder::new();
//! for byte in wire {
//!     if let Some(received) = decoder.push::<Request<'_>>(*byte) {
//!         assert_eq!(received, Received::Message(request));
//!     }
//! }
//! assert_eq!(decoder.statistics().received, 1);
//! # Ok::<(), protocol::TooLong>(())
//! ```

mod codec;
mod examination;
mod message;
mod settings;
mod transfer;
mod update;

pub use codec::{Decoder, END, Received, Statistics, TooLong, encode};
pub use examination::{Deed, Finding, Problem, Subject};
pub use message::{
    BootFailure, Candidate, DeviceInfo, Encoding, FAULT_TEXT_LEN, FaultClass, FaultCounters, FaultReport, FrameMarks,
    FrameReport, FullFrame, Kinds, Label, MAX_LABEL_LEN, MAX_LABELS, Marks, Message, PictureMode, Recovery, Request,
    ResetCause, Shape, StageTimes, Start, TOP_LEN, TimeUnit, Verdict, cut_off,
};
pub use settings::{DEFAULT, Setting, SettingAnswer, SettingRequest};
pub use transfer::{
    Acknowledgement, Assembler, CHUNK_LEN, Chunk, ChunkError, ChunkKind, Progress, TransferState, Whole, chunks,
};
pub use update::{
    Announcement, LEAST_CHUNK_LEN, ModelInfo, ModelRequest, ModelSender, ModelState, Models, SendProgress,
    UpdateRequest,
};

/// The version of this protocol, the first byte of each frame. It grows when the content of a message changes that there was
/// before, and not when a message is added.
pub const VERSION: u8 = 2;

/// The most bytes of a frame, its end among them: enough for a chunk of [`CHUNK_LEN`] bytes, which is the longest message.
pub const FRAME_LEN: usize = LARGEST_CONTENT + LARGEST_CONTENT.div_ceil(254) + 1;

/// Version, kind, then a chunk (id, kind, total, offset, length and bytes), then the CRC; integers of 32 bits take up to five bytes.
const LARGEST_CONTENT: usize = 1 + 1 + (5 + 1 + 5 + 5 + 2 + CHUNK_LEN) + 4;
