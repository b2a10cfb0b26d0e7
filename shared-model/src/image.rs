//! The image that a network classifies.

/// Height and width of the input in pixels.
pub const IMAGE_SIDE: usize = 32;

/// Channels of the input: red, green, blue.
pub const IMAGE_CHANNELS: usize = 3;

/// Bytes of an [`Image`].
pub const IMAGE_LEN: usize = IMAGE_SIDE * IMAGE_SIDE * IMAGE_CHANNELS;

/// A picture of 32×32 RGB pixels, `[h, w, c]`, 0 … 255.
pub type Image = [u8; IMAGE_LEN];
