//! Two frames: one is classified while the other one is filled.

use crate::camera::Frame;

/// The frame that is classified next, and the one behind it.
#[derive(Debug)]
pub struct Buffers<'b> {
    pub(super) front: Shot<'b>,
    pub(super) back: Shot<'b>,
}

impl<'b> Buffers<'b> {
    /// Two buffers, each of which must hold a frame.
    pub const fn new(one: &'b mut [u8], other: &'b mut [u8]) -> Self {
        Self {
            front: Shot::new(one),
            back: Shot::new(other),
        }
    }
}

/// A frame and how it came.
#[derive(Debug)]
pub(super) struct Shot<'b> {
    pub frame: Frame<'b>,
    pub counter: u32,
    pub capture_time: u64,
}

impl<'b> Shot<'b> {
    const fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            frame: Frame::new(buffer),
            counter: 0,
            capture_time: 0,
        }
    }
}
