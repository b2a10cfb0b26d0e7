//! From a camera's frame to the network's input: see `NUMERICS.md`, section 1.

use crate::Image;

/// How the pixels of a frame lie in memory.
pub trait PixelFormat {
    /// Bytes of a pixel.
    const BYTES: usize;

    /// Red, green and blue of the pixel in `bytes`, which has [`Self::BYTES`] bytes.
    fn rgb(bytes: &[u8]) -> [u8; 3];
}

/// Three bytes a pixel: red, green, blue.
#[derive(Clone, Copy, Debug)]
pub struct Rgb888;

/// 16 bits a pixel, red on top, the high byte first: what most sensors send.
#[derive(Clone, Copy, Debug)]
pub struct Rgb565BigEndian;

/// 16 bits a pixel, red on top, the low byte first.
#[derive(Clone, Copy, Debug)]
pub struct Rgb565LittleEndian;

/// A frame that cannot be reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No pixels.
    #[error("a frame of {width}x{height} pixels is empty")]
    Empty {
        /// In pixels.
        width: u16,
        /// In pixels.
        height: u16,
    },
    /// The buffer does not fit the size of the frame.
    #[error("a frame of {width}x{height} pixels takes {needed} bytes, but {given} were given")]
    WrongLength {
        /// In pixels.
        width: u16,
        /// In pixels.
        height: u16,
        /// In bytes.
        needed: u64,
        /// In bytes.
        given: usize,
    },
}

/// Averages the centre square of a frame of `width × height` pixels, row by row from the top, into `image`.
///
/// # Errors
///
/// If the frame has no pixels or the buffer has not exactly their length.
pub fn reduce<P: PixelFormat>(
    _frame: &[u8],
    _width: u16,
    _height: u16,
    _image: &mut Image,
) -> Result<(), FrameError> {
    todo!()
}

impl PixelFormat for Rgb888 {
    const BYTES: usize = 3;

    fn rgb(bytes: &[u8]) -> [u8; 3] {
        [bytes[0], bytes[1], bytes[2]]
    }
}
