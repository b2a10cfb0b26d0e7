//! From a camera's frame to the network's input: see `NUMERICS.md`, section 1.
//!
//! ```
//! use shared_model::{IMAGE_LEN, preprocess::{Rgb565BigEndian, reduce}};
//!
//! let frame = [0xF8, 0x00].repeat(320 * 240); // red
//! let mut image = [0; IMAGE_LEN];
//! reduce::<Rgb565BigEndian>(&frame, 320, 240, &mut image)?;
//! assert_eq!(image[..3], [255, 0, 0]);
//! # Ok::<(), shared_model::preprocess::FrameError>(())
//! ```

use crate::{IMAGE_CHANNELS, IMAGE_SIDE, Image};
use core::ops::Range;

/// How the pixels of a frame lie in memory: row after row from the top, from left to right, without gaps.
pub trait PixelFormat {
    /// Bytes of a pixel.
    const BYTES: usize;

    /// Red, green and blue of the pixel in `bytes`, of which there are [`Self::BYTES`].
    fn rgb(bytes: &[u8]) -> [u8; 3];
}

/// Three bytes a pixel: red, green, blue.
#[derive(Clone, Copy, Debug)]
pub struct Rgb888;

impl PixelFormat for Rgb888 {
    const BYTES: usize = 3;

    #[inline]
    fn rgb(bytes: &[u8]) -> [u8; 3] {
        [bytes[0], bytes[1], bytes[2]]
    }
}

/// 16 bits a pixel, red in the top five, the high byte first: what most sensors send.
#[derive(Clone, Copy, Debug)]
pub struct Rgb565BigEndian;

impl PixelFormat for Rgb565BigEndian {
    const BYTES: usize = 2;

    #[inline]
    fn rgb(bytes: &[u8]) -> [u8; 3] {
        expand_rgb565(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

/// 16 bits a pixel, red in the top five, the low byte first.
#[derive(Clone, Copy, Debug)]
pub struct Rgb565LittleEndian;

impl PixelFormat for Rgb565LittleEndian {
    const BYTES: usize = 2;

    #[inline]
    fn rgb(bytes: &[u8]) -> [u8; 3] {
        expand_rgb565(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
}

/// Repeats the top bits below, so that full scale becomes 255.
fn expand_rgb565(pixel: u16) -> [u8; 3] {
    let red = pixel >> 11;
    let green = pixel >> 5 & 0x3F;
    let blue = pixel & 0x1F;
    [
        (red << 3 | red >> 2) as u8,
        (green << 2 | green >> 4) as u8,
        (blue << 3 | blue >> 2) as u8,
    ]
}

/// A frame that cannot be reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No pixels.
    #[error("a frame of {width}x{height} pixels is empty")]
    Empty {
        /// In pixels.
        width: u16,
        /// In pixels.
        height: u16,
    },
    /// The buffer has not the length of the frame.
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

/// Reduces (or enlarges) the centre square of a frame of `width × height` pixels to `image` by exact averages of areas.
///
/// # Errors
///
/// If the frame has no pixels, or the buffer has not exactly their length.
pub fn reduce<P: PixelFormat>(
    frame: &[u8],
    width: u16,
    height: u16,
    image: &mut Image,
) -> Result<(), FrameError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    let needed = u64::from(width) * u64::from(height) * P::BYTES as u64;
    if frame.len() as u64 != needed {
        return Err(FrameError::WrongLength {
            width,
            height,
            needed,
            given: frame.len(),
        });
    }
    let square = CentreSquare::<P>::new(frame, width.into(), height.into());
    let pixels = image.as_chunks_mut::<IMAGE_CHANNELS>().0;
    for (y, row) in pixels.chunks_exact_mut(IMAGE_SIDE).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = square.mean(x, y);
        }
    }
    Ok(())
}

/// The largest square in the middle of a frame.
struct CentreSquare<'f, P> {
    frame: &'f [u8],
    /// Bytes of a row of the frame.
    stride: usize,
    /// In pixels, at most 65,535.
    side: usize,
    left: usize,
    top: usize,
    format: core::marker::PhantomData<P>,
}

impl<'f, P: PixelFormat> CentreSquare<'f, P> {
    fn new(frame: &'f [u8], width: usize, height: usize) -> Self {
        let side = width.min(height);
        Self {
            frame,
            stride: width * P::BYTES,
            side,
            left: (width - side) / 2,
            top: (height - side) / 2,
            format: core::marker::PhantomData,
        }
    }

    /// The mean over the area of the output's pixel at column `x`, row `y`, rounded half up.
    fn mean(&self, x: usize, y: usize) -> [u8; 3] {
        let mut sums = [0_u64; 3];
        for (row, weight) in overlaps(self.side, y) {
            for (sum, part) in sums.iter_mut().zip(self.row_sum(row, x)) {
                *sum += u64::from(weight) * u64::from(part);
            }
        }
        // The sums are at most 255 times the area, which is below 2^32.
        let area = self.side as u64 * self.side as u64;
        sums.map(|sum| ((2 * sum + area) / (2 * area)) as u8)
    }

    /// One row's part of the area, weighted in the direction of x; at most 255 times the side.
    fn row_sum(&self, row: usize, x: usize) -> [u32; 3] {
        let mut sums = [0_u32; 3];
        let line = &self.frame[(self.top + row) * self.stride..][..self.stride];
        for (column, weight) in overlaps(self.side, x) {
            let pixel = P::rgb(&line[(self.left + column) * P::BYTES..][..P::BYTES]);
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * u32::from(value);
            }
        }
        sums
    }
}

/// Which of `side` source pixels lie under output pixel `index`, each with the length of the overlap in units of 1/32 of a
/// source pixel. The lengths sum to `side`.
fn overlaps(side: usize, index: usize) -> impl Iterator<Item = (usize, u32)> {
    let Range { start, end } = side * index..side * (index + 1);
    (start / IMAGE_SIDE..end.div_ceil(IMAGE_SIDE)).map(move |pixel| {
        let from = start.max(pixel * IMAGE_SIDE);
        let to = end.min((pixel + 1) * IMAGE_SIDE);
        (pixel, (to - from) as u32)
    })
}
