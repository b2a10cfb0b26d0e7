//! The serial protocol between a board and a host, for both of them.
//!
//! A frame on the wire is `COBS(version · body · CRC) · 0x00`: one byte [`VERSION`], the postcard encoding of a [`Message`]
//! (board to host) or a [`Request`] (host to board), and the CRC-32/ISO-HDLC of all bytes before it, low byte first. Zero
//! bytes occur between frames only, so that a reader finds the next frame after anything.
//!
//! ```
//! use firmware::protocol::{Decoder, PictureMode, REQUEST_FRAME_LEN, Request, encode};
//!
//! let mut buffer = [0; REQUEST_FRAME_LEN];
//! let request = Request::Pictures(PictureMode::Every);
//! let wire = encode(&request, &mut buffer)?;
//!
//! let mut decoder = Decoder::<REQUEST_FRAME_LEN>::new();
//! let received = wire.iter().find_map(|byte| decoder.push::<Request>(*byte));
//! assert_eq!(received, Some(request));
//! # Ok::<(), firmware::protocol::TooLong>(())
//! ```

mod codec;
mod message;
#[cfg(test)]
mod tests;

pub use codec::{Decoder, END, Statistics, TooLong, encode};
pub use message::{
    Banner, Candidate, FaultReport, FrameReport, Message, Picture, PictureMode, Request,
    StageTimes, TOP_LEN, TimeUnit,
};

/// Of this protocol: a reader refuses frames of any other version.
pub const VERSION: u8 = 1;

/// The most bytes on the wire of a [`Message`], with its terminating zero.
pub const MESSAGE_FRAME_LEN: usize = 3_328;

/// The most bytes on the wire of a [`Request`], with its terminating zero.
pub const REQUEST_FRAME_LEN: usize = 32;
