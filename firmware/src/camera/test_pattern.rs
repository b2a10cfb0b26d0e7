//! A source of frames without a camera.

use super::{ByteOrder, Frame, FrameFormat, FrameSource, Pattern};
use crate::fault::Fault;

/// Eight vertical bars that move by a pixel a frame.
#[derive(Debug)]
pub struct TestPattern {
    format: FrameFormat,
    shift: u16,
}

/// White, yellow, cyan, green, magenta, red, blue and black, as RGB565: the order of television's colour bars.
pub const BARS: [u16; 8] = [0xFFFF, 0xFFE0, 0x07FF, 0x07E0, 0xF81F, 0xF800, 0x001F, 0x0000];

impl TestPattern {
    /// Frames of `format`.
    pub const fn new(format: FrameFormat) -> Self {
        Self { format, shift: 0 }
    }
}

impl FrameSource for TestPattern {
    const QUIET_MS: u32 = 0;

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

    async fn capture_test_pattern(&mut self, frame: &mut Frame<'_>) -> Result<Pattern, Fault> {
        self.shift = 0;
        self.capture(frame).await?;
        Ok(Pattern::Taken)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use embassy_futures::block_on;
    use std::{vec, vec::Vec};

    fn format(width: u16, height: u16, order: ByteOrder) -> FrameFormat {
        FrameFormat { width, height, order }
    }

    #[test]
    fn bars_move_to_the_left_by_a_pixel_in_the_byte_order_of_the_format() {
        for (order, bytes) in [
            (ByteOrder::BigEndian, u16::to_be_bytes as fn(u16) -> [u8; 2]),
            (ByteOrder::LittleEndian, u16::to_le_bytes),
        ] {
            let mut row: Vec<u8> = BARS.iter().flat_map(|bar| [bytes(*bar); 2].concat()).collect();
            let mut pattern = TestPattern::new(format(16, 2, order));
            let mut buffer = vec![0; 64];
            let mut frame = Frame::new(&mut buffer);
            assert_eq!(block_on(pattern.initialize()), Ok(()));
            for _ in 0..17 {
                assert_eq!(block_on(pattern.capture(&mut frame)), Ok(()));
                assert_eq!(frame.bytes(), row.repeat(2));
                row.rotate_left(2);
            }
        }
    }

    #[test]
    fn a_format_without_pixels_is_empty_and_a_buffer_that_is_too_short_is_a_fault() {
        let mut buffer = [0; 7];
        let mut frame = Frame::new(&mut buffer);
        let too_short = Fault::WrongLength { expected: 8, found: 7 };
        for (width, expected) in [(0, Ok(())), (2, Err(too_short))] {
            let mut pattern = TestPattern::new(format(width, 2, ByteOrder::BigEndian));
            assert_eq!(block_on(pattern.capture(&mut frame)), expected);
            assert_eq!(frame.format().is_some(), expected.is_ok());
            assert_eq!(frame.bytes(), []);
        }
    }
}
