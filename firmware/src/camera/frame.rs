//! A frame in memory.

use crate::fault::Fault;
use protocol::{Encoding, FullFrame};
use shared_model::Shape;
use shared_model::resize::{FrameError, Rgb565BigEndian, Rgb565LittleEndian, resize};

/// Which byte of an RGB565 pixel comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The byte with the red bits.
    BigEndian,
    /// The byte with the blue bits.
    LittleEndian,
}

/// Size and byte order of RGB565 frames: 16 bits a pixel, red in the top five bits, rows from the top without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFormat {
    /// Pixels in a row, from 1.
    pub width: u16,
    /// Rows, from 1.
    pub height: u16,
    /// Order of a pixel's two bytes.
    pub order: ByteOrder,
}

impl FrameFormat {
    /// Bytes of a frame.
    pub const fn len(&self) -> usize {
        2 * self.width as usize * self.height as usize
    }

    /// What a computer is told of the frame that attempt `counter` took.
    pub const fn describe(&self, counter: u32) -> FullFrame {
        let encoding = match self.order {
            ByteOrder::BigEndian => Encoding::Rgb565BigEndian,
            ByteOrder::LittleEndian => Encoding::Rgb565LittleEndian,
        };
        FullFrame { counter, height: self.height, width: self.width, encoding }
    }

    /// Whether a frame has no pixels.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A buffer that holds one frame, or none yet.
///
/// The board owns the memory, since only it knows what its DMA can reach and how it must be aligned.
#[derive(Debug)]
pub struct Frame<'b> {
    buffer: &'b mut [u8],
    format: Option<FrameFormat>,
}

impl<'b> Frame<'b> {
    /// No frame yet.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, format: None }
    }

    /// Drops what the buffer holds and gives the first bytes of it, as many as a frame of `format` takes.
    ///
    /// # Errors
    ///
    /// [`Fault::WrongLength`] if the buffer is too short.
    pub fn begin(&mut self, format: FrameFormat) -> Result<&mut [u8], Fault> {
        self.format = None;
        let (needed, given) = (format.len(), self.buffer.len());
        self.buffer.get_mut(..needed).ok_or(Fault::WrongLength { expected: needed as u32, found: given as u32 })
    }

    /// Says that the bytes which [`Self::begin`] gave hold a whole frame.
    pub fn complete(&mut self, format: FrameFormat) {
        self.format = Some(format);
    }

    /// Drops the frame.
    pub const fn clear(&mut self) {
        self.format = None;
    }

    /// The frame's format, if there is a frame.
    pub const fn format(&self) -> Option<FrameFormat> {
        self.format
    }

    /// The frame's pixels; empty if there is no frame.
    pub fn bytes(&self) -> &[u8] {
        let len = self.format.map_or(0, |format| format.len());
        self.buffer.get(..len).unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.format.map_or(0, |format| format.len());
        self.buffer.get_mut(..len).unwrap_or_default()
    }

    /// Whether all pixels are the same.
    pub fn is_blank(&self) -> bool {
        let mut pixels = self.bytes().as_chunks::<2>().0.iter();
        pixels.next().is_none_or(|first| pixels.all(|pixel| pixel == first))
    }

    /// The mean of red, green and blue, 0 … 255; black if there is no frame.
    pub fn channel_means(&self) -> [u8; 3] {
        let mut sums = [0; 3];
        let mut count = 0;
        let order = self.format.map_or(ByteOrder::BigEndian, |format| format.order);
        for pixel in self.bytes().as_chunks::<2>().0 {
            let pixel = match order {
                ByteOrder::BigEndian => u16::from_be_bytes(*pixel),
                ByteOrder::LittleEndian => u16::from_le_bytes(*pixel),
            };
            sums[0] += u64::from(pixel >> 11);
            sums[1] += u64::from(pixel >> 5 & 0x3F);
            sums[2] += u64::from(pixel & 0x1F);
            count += 1;
        }
        let [red, green, blue] = sums;
        [(red, 31), (green, 63), (blue, 31)].map(|(sum, most)| (sum * 255 / (most * count.max(1))) as u8)
    }

    /// Resizes what the network sees of the frame to its input.
    ///
    /// # Errors
    ///
    /// [`FrameError::Empty`] if there is no frame.
    pub fn resize(&self, shape: Shape, picture: &mut [u8]) -> Result<(), FrameError> {
        let FrameFormat { width, height, order } = self.format.ok_or(FrameError::Empty { width: 0, height: 0 })?;
        let resize = match order {
            ByteOrder::BigEndian => resize::<Rgb565BigEndian>,
            ByteOrder::LittleEndian => resize::<Rgb565LittleEndian>,
        };
        resize(self.bytes(), width, height, shape, picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_each_channel_in_either_order_of_bytes() {
        let format = |order| FrameFormat { width: 2, height: 1, order };
        // All of red and half of green, then all of blue and half of green.
        for (order, mut buffer) in [
            (ByteOrder::BigEndian, [0b1111_1100, 0, 0b0000_0100, 0b0001_1111]),
            (ByteOrder::LittleEndian, [0, 0b1111_1100, 0b0001_1111, 0b0000_0100]),
        ] {
            let mut frame = Frame::new(&mut buffer);
            assert_eq!(frame.channel_means(), [0; 3]);
            frame.complete(format(order));
            assert_eq!(frame.channel_means(), [127, 129, 127], "{order:?}");
        }
    }
}
