//! A source of frames without a camera.

use super::{ByteOrder, Frame, FrameFormat, FrameSource};
use crate::fault::Fault;

/// Eight vertical bars that move by a pixel a frame.
#[derive(Debug)]
pub struct TestPattern {
    format: FrameFormat,
    shift: u16,
}

/// White, yellow, cyan, green, magenta, red, blue and black, as RGB565: the order of television's colour bars.
const BARS: [u16; 8] = [
    0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000,
];

impl TestPattern {
    /// Frames of `format`.
    pub const fn new(format: FrameFormat) -> Self {
        Self { format, shift: 0 }
    }
}

impl FrameSource for TestPattern {
    fn format(&self) -> FrameFormat {
        self.format
    }

    async fn initialize(&mut self) -> Result<(), Fault> {
        self.shift = 0;
        Ok(())
    }

    async fn capture(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let FrameFormat { width, order, .. } = self.format;
        let bytes = frame.begin(self.format)?;
        for (index, pixel) in bytes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let width = usize::from(width);
            let column = (index + usize::from(self.shift)) % width;
            let color = BARS[column * BARS.len() / width];
            *pixel = match order {
                ByteOrder::BigEndian => color.to_be_bytes(),
                ByteOrder::LittleEndian => color.to_le_bytes(),
            };
        }
        self.shift = (self.shift + 1) % width.max(1);
        frame.complete(self.format);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use embassy_futures::block_on;
    use std::{vec, vec::Vec};

    fn rows(order: ByteOrder, frames: usize) -> Vec<Vec<u8>> {
        let format = FrameFormat {
            width: 16,
            height: 2,
            order,
        };
        let mut pattern = TestPattern::new(format);
        let mut buffer = vec![0; format.len()];
        let mut frame = Frame::new(&mut buffer);
        block_on(pattern.initialize()).expect("nothing can go wrong");
        (0..frames)
            .map(|_| {
                block_on(pattern.capture(&mut frame)).expect("the buffer is long enough");
                let (top, bottom) = frame.bytes().split_at(32);
                assert_eq!(top, bottom);
                top.to_vec()
            })
            .collect()
    }

    #[test]
    fn bars_move_to_the_left_by_a_pixel() {
        let rows = rows(ByteOrder::BigEndian, 17);
        let first: Vec<u8> = BARS
            .iter()
            .flat_map(|bar| [bar.to_be_bytes(); 2].concat())
            .collect();
        assert_eq!(rows[0], first);
        assert_eq!(rows[1], [&first[2..], &first[..2]].concat());
        assert_eq!(rows[16], rows[0]);
    }

    #[test]
    fn byte_order_is_that_of_the_format() {
        let swapped: Vec<u8> = rows(ByteOrder::LittleEndian, 1)[0]
            .chunks(2)
            .flat_map(|pixel| [pixel[1], pixel[0]])
            .collect();
        assert_eq!(swapped, rows(ByteOrder::BigEndian, 1)[0]);
    }

    #[test]
    fn a_format_without_pixels_gives_an_empty_frame() {
        let format = FrameFormat {
            width: 0,
            height: 3,
            order: ByteOrder::BigEndian,
        };
        let mut frame = Frame::new(&mut []);
        block_on(TestPattern::new(format).capture(&mut frame)).expect("no pixel is missing");
        assert_eq!(frame.bytes(), []);
    }

    #[test]
    fn a_buffer_that_is_too_short_is_a_fault() {
        let format = FrameFormat {
            width: 2,
            height: 2,
            order: ByteOrder::BigEndian,
        };
        let mut buffer = [0; 7];
        let mut frame = Frame::new(&mut buffer);
        let expected = Fault::WrongLength {
            expected: 8,
            found: 7,
        };
        assert_eq!(
            block_on(TestPattern::new(format).capture(&mut frame)),
            Err(expected)
        );
        assert_eq!(frame.format(), None);
    }
}
