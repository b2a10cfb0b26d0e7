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
