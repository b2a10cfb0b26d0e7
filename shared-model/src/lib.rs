#![no_std]
//! The blob format, the integer arithmetic and the forward pass: no_std, no alloc.

/// Side of the square input image in pixels.
pub const IMAGE_SIDE: usize = 32;
/// Colour channels of the input image: red, green, blue.
pub const IMAGE_CHANNELS: usize = 3;
/// An input image, `[h, w, c]`.
pub type Image = [u8; IMAGE_SIDE * IMAGE_SIDE * IMAGE_CHANNELS];
