//! From a camera's frame to the network's input: see `NUMERICS.md`, section 1.
//!
//! ```
//! use shared_model::{Shape, resize::{Rgb565BigEndian, resize}};
//!
//! let frame = [0xF8, 0x00].repeat(320 * 240); // red
//! let mut picture = [0; 32 * 32 * 3];
//! resize::<Rgb565BigEndian>(&frame, 320, 240, Shape::new(32, 32, 3), &mut picture)?;
//! assert_eq!(picture[..3], [255, 0, 0]);
//! # Ok::<(), shared_model::resize::FrameError>(())
//! ```

use crate::Shape;
use core::{marker::PhantomData, ops::Range};

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
    [(red << 3 | red >> 2) as u8, (green << 2 | green >> 4) as u8, (blue << 3 | blue >> 2) as u8]
}

/// A frame that cannot be resized.
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
    /// The picture would be neither grey nor coloured.
    #[error("a picture of {shape} has no pixels, or another number of channels than one or three")]
    Shape {
        /// Of the picture.
        shape: Shape,
    },
    /// The picture has not the length of its shape.
    #[error("a picture of {shape} takes {needed} bytes, but {given} were given")]
    Picture {
        /// Of the picture.
        shape: Shape,
        /// In bytes.
        needed: usize,
        /// In bytes.
        given: usize,
    },
}

/// Resizes the largest centred rectangle of a frame of `width × height` pixels that has the picture's ratio of sides to `picture`,
/// `[h, w, c]` of `shape` with one channel (grey) or three, by exact averages of areas.
///
/// # Errors
///
/// If the frame has no pixels, or a buffer has not exactly the length that it should have.
pub fn resize<P: PixelFormat>(
    frame: &[u8],
    width: u16,
    height: u16,
    shape: Shape,
    picture: &mut [u8],
) -> Result<(), FrameError> {
    let view = View::<P>::new(frame, width, height, shape)?;
    let (needed, given) = (shape.elements(), picture.len());
    if needed != given {
        return Err(FrameError::Picture { shape, needed, given });
    }
    for (y, row) in picture.chunks_exact_mut(shape.row_len()).enumerate() {
        view.resize_row(y, row);
    }
    Ok(())
}

/// What a network sees of a frame, a row at a time: so a large picture need not exist as a whole.
pub struct View<'f, P> {
    frame: &'f [u8],
    /// Bytes of a row of the frame.
    stride: usize,
    /// Of the picture.
    shape: Shape,
    /// Of the rectangle, in pixels.
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    format: PhantomData<P>,
}

impl<'f, P: PixelFormat> View<'f, P> {
    /// The largest centred rectangle of a frame that has the ratio of sides of `shape`.
    ///
    /// # Errors
    ///
    /// If the frame has no pixels, the buffer has not exactly their length, or the shape is none of a picture.
    pub fn new(frame: &'f [u8], width: u16, height: u16, shape: Shape) -> Result<Self, FrameError> {
        if width == 0 || height == 0 {
            return Err(FrameError::Empty { width, height });
        }
        if shape.elements() == 0 || !matches!(shape.channels, 1 | 3) {
            return Err(FrameError::Shape { shape });
        }
        let needed = u64::from(width) * u64::from(height) * P::BYTES as u64;
        if frame.len() as u64 != needed {
            return Err(FrameError::WrongLength { width, height, needed, given: frame.len() });
        }
        let [frame_width, frame_height] = [width, height].map(usize::from);
        let (width, height) = rectangle(frame_width, frame_height, shape);
        Ok(Self {
            frame,
            stride: frame_width * P::BYTES,
            shape,
            width,
            height,
            left: (frame_width - width) / 2,
            top: (frame_height - height) / 2,
            format: PhantomData,
        })
    }

    /// Row `y` of the picture, `[w, c]`. Below the picture's last row, and beyond its last pixel, nothing is written.
    pub fn resize_row(&self, y: usize, row: &mut [u8]) {
        let [height, width, channels] = self.shape.dimensions();
        if y >= height {
            return;
        }
        for (x, pixel) in row.chunks_exact_mut(channels).take(width).enumerate() {
            let mean = self.mean(x, y);
            match pixel {
                [grey] => *grey = luma(mean),
                colours => colours.copy_from_slice(&mean),
            }
        }
    }

    /// The mean over the area of the picture's pixel at column `x`, row `y`, rounded half up.
    fn mean(&self, x: usize, y: usize) -> [u8; 3] {
        let mut sums = [0_u64; 3];
        for (row, weight) in overlaps(self.height, self.shape.height.into(), y) {
            for (sum, part) in sums.iter_mut().zip(self.row_sum(row, x)) {
                *sum += u64::from(weight) * u64::from(part);
            }
        }
        // The sums are at most 255 times the area, which is below 2^32.
        let area = self.width as u64 * self.height as u64;
        sums.map(|sum| ((2 * sum + area) / (2 * area)) as u8)
    }

    /// One row's part of the area, weighted in the direction of x; at most 255 times the width.
    fn row_sum(&self, row: usize, x: usize) -> [u32; 3] {
        let mut sums = [0_u32; 3];
        let line = &self.frame[(self.top + row) * self.stride..][..self.stride];
        for (column, weight) in overlaps(self.width, self.shape.width.into(), x) {
            let pixel = P::rgb(&line[(self.left + column) * P::BYTES..][..P::BYTES]);
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * u32::from(value);
            }
        }
        sums
    }
}

/// Width and height of the largest rectangle in a frame that has the ratio of sides of `shape`; at least one pixel.
fn rectangle(width: usize, height: usize, shape: Shape) -> (usize, usize) {
    let [shape_height, shape_width] = [shape.height, shape.width].map(u64::from);
    let [wide, high] = [width as u64 * shape_height, height as u64 * shape_width];
    // Both quotients are smaller than the side that they replace.
    if wide >= high {
        (((high / shape_height) as usize).max(1), height)
    } else {
        (width, ((wide / shape_width) as usize).max(1))
    }
}

/// Grey of red, green and blue.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((77 * red + 150 * green + 29 * blue + 128) >> 8) as u8
}

/// Which of `length` source pixels lie under pixel `index` of `pixels`, each with the length of the overlap in units of
/// `1 / pixels` of a source pixel. The lengths sum to `length`.
fn overlaps(length: usize, pixels: usize, index: usize) -> impl Iterator<Item = (usize, u32)> {
    let Range { start, end } = length * index..length * (index + 1);
    (start / pixels..end.div_ceil(pixels)).map(move |pixel| {
        let from = start.max(pixel * pixels);
        let to = end.min((pixel + 1) * pixels);
        (pixel, (to - from) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{string::ToString, vec, vec::Vec};

    fn resized(frame: &[u8], width: u16, height: u16, shape: Shape) -> Vec<u8> {
        let mut picture = vec![0; shape.elements()];
        resize::<Rgb888>(frame, width, height, shape, &mut picture).unwrap();
        picture
    }

    /// The mean over the area of a pixel as a sum over a fine grid: each source pixel is cut into as many parts as the picture has
    /// rows and columns, and `width × height` of these make a pixel of the picture.
    fn mean_of_grid(frame: &[u8], [width, height]: [usize; 2], shape: Shape, y: usize, x: usize) -> [u32; 3] {
        let [rows, columns, _] = shape.dimensions();
        let crop = match width * rows >= height * columns {
            true => [(height * columns / rows).max(1), height],
            false => [width, (width * rows / columns).max(1)],
        };
        let (left, top) = ((width - crop[0]) / 2, (height - crop[1]) / 2);
        [0, 1, 2].map(|channel| {
            let mut sum = 0.0;
            for v in y * crop[1]..(y + 1) * crop[1] {
                for u in x * crop[0]..(x + 1) * crop[0] {
                    let pixel = (top + v / rows) * width + left + u / columns;
                    sum += f64::from(frame[3 * pixel + channel]);
                }
            }
            (sum / (crop[0] * crop[1]) as f64 + 0.5).floor() as u32
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn equals_the_mean_over_a_grid(
            width in 1_u16..90, height in 1_u16..90, rows in 1_u16..40, columns in 1_u16..40, grey in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let shape = Shape::new(rows, columns, if grey { 1 } else { 3 });
            let frame = crate::testing::Numbers(seed).picture(Shape::new(height, width, 3));
            let picture = resized(&frame, width, height, shape);
            let pixels = picture.chunks(shape.channels.into()).enumerate();
            for (index, pixel) in pixels.step_by(17) {
                let (y, x) = (index / usize::from(columns), index % usize::from(columns));
                let mean = mean_of_grid(&frame, [width.into(), height.into()], shape, y, x);
                let [red, green, blue] = mean;
                match pixel {
                    [luma] => prop_assert_eq!(u32::from(*luma), (77 * red + 150 * green + 29 * blue + 128) / 256),
                    colours => prop_assert_eq!(colours, mean.map(|value| value as u8)),
                }
            }
        }
    }

    #[test]
    fn white_stays_white_in_the_longest_frame() {
        let (frame, shape) = (vec![255; 3 * 65535], Shape::new(32, 32, 3));
        assert_eq!(resized(&frame, 65535, 1, shape), vec![255; 3072]);
        assert_eq!(resized(&frame, 1, 65535, shape), vec![255; 3072]);
        let rectangle = rectangle(65_535, 65_535, Shape::new(256, 255, 1));
        assert_eq!(rectangle, (65_279, 65_535));
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
            for (value, part, largest) in
                [(red, pixel >> 11, 31.0), (green, pixel >> 5 & 63, 63.0), (blue, pixel & 31, 31.0)]
            {
                let exact = f64::from(part) * 255.0 / largest;
                assert!((f64::from(value) - exact).abs() < 1.0);
            }
        }
    }

    #[test]
    fn wrong_sizes() {
        let colours = Shape::new(32, 32, 3);
        let none = "has no pixels, or another number of channels than one or three";
        for (len, [width, height], shape, picture, message) in [
            (0, [0, 4], colours, 3072, "a frame of 0x4 pixels is empty"),
            (0, [4, 0], colours, 3072, "a frame of 4x0 pixels is empty"),
            (23, [4, 2], colours, 3072, "a frame of 4x2 pixels takes 24 bytes, but 23 were given"),
            (25, [4, 2], colours, 3072, "a frame of 4x2 pixels takes 24 bytes, but 25 were given"),
            (3, [65535; 2], colours, 3072, "a frame of 65535x65535 pixels takes 12884508675 bytes, but 3 were given"),
            (3, [1, 1], Shape::new(8, 8, 2), 128, &std::format!("a picture of 8x8x2 {none}")),
            (3, [1, 1], Shape::new(0, 8, 3), 0, &std::format!("a picture of 0x8x3 {none}")),
            (3, [1, 1], Shape::new(8, 0, 1), 0, &std::format!("a picture of 8x0x1 {none}")),
            (3, [1, 1], colours, 3071, "a picture of 32x32x3 takes 3072 bytes, but 3071 were given"),
        ] {
            let mut picture = vec![7; picture];
            let result = resize::<Rgb888>(&vec![0; len], width, height, shape, &mut picture);
            assert_eq!(result.unwrap_err().to_string(), message);
            assert!(picture.iter().all(|&value| value == 7));
        }
    }
}
