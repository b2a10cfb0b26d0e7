//! Two frames: one is classified while the other one is filled.

use crate::camera::Frame;

/// The frame that is classified next, and the one behind it.
#[derive(Debug)]
pub struct Buffers<'b> {
    pub(super) front: Capture<'b>,
    pub(super) back: Capture<'b>,
}

impl<'b> Buffers<'b> {
    /// Two buffers, each of which must hold a frame.
    pub const fn new(one: &'b mut [u8], other: &'b mut [u8]) -> Self {
        Self {
            front: Capture::new(one),
            back: Capture::new(other),
        }
    }
}

/// A frame, if there is one, the number of the attempt that took it, and the time that it took.
#[derive(Debug)]
pub(super) struct Capture<'b> {
    pub frame: Frame<'b>,
    pub counter: u32,
    pub time: u64,
}

impl<'b> Capture<'b> {
    const fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            frame: Frame::new(buffer),
            counter: 0,
            time: 0,
        }
    }
}
