//! What is before the camera: frames of the host.

use camera_models::Scene;
use qemu_mps2::records::RecordFile;

/// Shows the frames of a file one after the other, and from the first again.
pub struct HostFrames<'b> {
    file: RecordFile,
    /// Big-endian RGB565 of the size to which the camera is set up.
    frame: &'b mut [u8],
}

impl<'b> HostFrames<'b> {
    /// `frame` has the length of the file's frames.
    pub const fn new(file: RecordFile, frame: &'b mut [u8]) -> Self {
        Self { file, frame }
    }
}

impl Scene for HostFrames<'_> {
    fn expose(&mut self) {
        if let Err(error) = self.file.next_in_circle(self.frame) {
            panic!("the file of frames: {error}");
        }
    }

    /// A camera that is set up otherwise sees black where the frame has no pixels.
    fn rgb565(&self, x: u16, y: u16, width: u16, _height: u16) -> u16 {
        let pixel = usize::from(y) * usize::from(width) + usize::from(x);
        let pixels = self.frame.as_chunks().0;
        pixels
            .get(pixel)
            .map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }
}
