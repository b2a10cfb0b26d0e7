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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IMAGE_LEN;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn reduced<P: PixelFormat>(frame: &[u8], width: u16, height: u16) -> Image {
        let mut image = [0; IMAGE_LEN];
        reduce::<P>(frame, width, height, &mut image).unwrap();
        image
    }

    /// The mean over the area as a sum over a fine grid: each source pixel is cut into 32×32, and `side × side` of these small
    /// squares make an output pixel.
    fn mean_of_grid(frame: &[u8], width: usize, height: usize, index: usize) -> f64 {
        let side = width.min(height);
        let (top, left) = ((height - side) / 2, (width - side) / 2);
        let (y, x, channel) = (index / 96, index / 3 % 32, index % 3);
        let mut sum = 0.0;
        for v in y * side..(y + 1) * side {
            for u in x * side..(x + 1) * side {
                let pixel = (top + v / 32) * width + left + u / 32;
                sum += f64::from(frame[3 * pixel + channel]);
            }
        }
        sum / (side * side) as f64
    }

    #[test]
    fn a_frame_of_the_images_size_is_unchanged() {
        let frame: Vec<u8> = (0..IMAGE_LEN)
            .map(|index| (index * 37 % 251) as u8)
            .collect();
        assert_eq!(reduced::<Rgb888>(&frame, 32, 32), *frame);
    }

    #[test]
    fn halves_are_rounded_up() {
        // Two by two source pixels for each pixel of the image: 1, 0, 0, 1 gives 0.5; 1, 0, 0, 0 gives 0.25.
        let mut frame = vec![0; 64 * 64 * 3];
        (frame[0], frame[(64 + 1) * 3], frame[1]) = (1, 1, 1);
        assert_eq!(reduced::<Rgb888>(&frame, 64, 64)[..3], [1, 0, 0]);
    }

    #[test]
    fn the_square_is_in_the_middle() {
        // Columns 0 … 34: the square begins at column (35 - 32) / 2 = 1.
        let frame: Vec<u8> = (0..32 * 35)
            .flat_map(|pixel| [(pixel % 35) as u8; 3])
            .collect();
        assert_eq!(reduced::<Rgb888>(&frame, 35, 32)[..6], [1, 1, 1, 2, 2, 2]);
        let frame: Vec<u8> = (0..32 * 35)
            .flat_map(|pixel| [(pixel / 32) as u8; 3])
            .collect();
        assert_eq!(reduced::<Rgb888>(&frame, 32, 35)[..3], [1, 1, 1]);
    }

    #[test]
    fn one_pixel_fills_the_image() {
        let image = reduced::<Rgb888>(&[1, 2, 3], 1, 1);
        assert!(image.chunks(3).all(|pixel| pixel == [1, 2, 3]));
    }

    #[test]
    fn white_stays_white_in_the_longest_frame() {
        let frame = vec![255; 3 * 65535];
        assert_eq!(reduced::<Rgb888>(&frame, 65535, 1), [255; IMAGE_LEN]);
        assert_eq!(reduced::<Rgb888>(&frame, 1, 65535), [255; IMAGE_LEN]);
    }

    #[test]
    fn sums_of_the_largest_square_do_not_overflow() {
        let (side, white) = (65_535_u64, 255_u64);
        let area = side * side;
        assert!(u32::try_from(side * white).is_ok());
        assert!((2 * area * white).checked_add(area).is_some());
    }

    #[test]
    fn rgb565_expands_to_full_scale_and_back() {
        for pixel in 0..=u16::MAX {
            let [high, low] = pixel.to_be_bytes();
            let rgb = Rgb565BigEndian::rgb(&[high, low]);
            assert_eq!(Rgb565LittleEndian::rgb(&[low, high]), rgb);
            let [red, green, blue] = rgb.map(u16::from);
            assert_eq!((red >> 3) << 11 | (green >> 2) << 5 | blue >> 3, pixel);
            // Within one step of exact scaling.
            let exact = f64::from(pixel >> 5 & 63) * 255.0 / 63.0;
            assert!((f64::from(green) - exact).abs() < 1.0);
        }
        assert_eq!(Rgb565BigEndian::rgb(&[0xFF, 0xFF]), [255, 255, 255]);
        assert_eq!(Rgb565BigEndian::rgb(&[0xF8, 0x00]), [255, 0, 0]);
        assert_eq!(Rgb565BigEndian::rgb(&[0x07, 0xE0]), [0, 255, 0]);
        assert_eq!(Rgb565BigEndian::rgb(&[0x00, 0x1F]), [0, 0, 255]);
        assert_eq!(Rgb565BigEndian::rgb(&[0x84, 0x10]), [0x84, 0x82, 0x84]);
    }

    #[test]
    fn formats_agree() {
        let words: Vec<u16> = (0..50 * 40)
            .map(|pixel| ((pixel * 40_503_u32) >> 3) as u16)
            .collect();
        let big: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let little: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let rgb: Vec<u8> = big.chunks(2).flat_map(Rgb565BigEndian::rgb).collect();
        let expected = reduced::<Rgb888>(&rgb, 50, 40);
        assert_eq!(reduced::<Rgb565BigEndian>(&big, 50, 40), expected);
        assert_eq!(reduced::<Rgb565LittleEndian>(&little, 50, 40), expected);
    }

    #[test]
    fn wrong_sizes() {
        let mut image = [7; IMAGE_LEN];
        let error = reduce::<Rgb888>(&[], 0, 4, &mut image);
        assert_eq!(
            error,
            Err(FrameError::Empty {
                width: 0,
                height: 4
            })
        );
        for given in [0, 23, 25] {
            let error = reduce::<Rgb888>(&vec![0; given], 4, 2, &mut image);
            let (width, height, needed) = (4, 2, 24);
            assert_eq!(
                error,
                Err(FrameError::WrongLength {
                    width,
                    height,
                    needed,
                    given
                })
            );
        }
        let error = reduce::<Rgb565BigEndian>(&[0; 3], u16::MAX, u16::MAX, &mut image);
        let (width, height, needed, given) = (u16::MAX, u16::MAX, 2 * 65535 * 65535, 3);
        assert_eq!(
            error,
            Err(FrameError::WrongLength {
                width,
                height,
                needed,
                given
            })
        );
        assert_eq!(image, [7; IMAGE_LEN]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn equals_the_mean_over_a_grid(width in 1_u16..90, height in 1_u16..90, seed in any::<u32>()) {
            let pixels = usize::from(width) * usize::from(height);
            let mut state = seed | 1;
            let frame: Vec<u8> = (0..3 * pixels)
                .map(|_| {
                    state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                    (state >> 24) as u8
                })
                .collect();
            let image = reduced::<Rgb888>(&frame, width, height);
            for index in (0..IMAGE_LEN).step_by(61) {
                let mean = mean_of_grid(&frame, width.into(), height.into(), index);
                prop_assert_eq!(f64::from(image[index]), (mean + 0.5).floor());
            }
        }
    }
}
