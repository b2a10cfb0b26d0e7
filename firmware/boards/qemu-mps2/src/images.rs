//! Images from a file of the host, read through semihosting.

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{self, Read};
use shared_model::{IMAGE_LEN, Image};
use thiserror::Error;

/// Bytes of the longest file name, with its terminating zero.
const NAME_LEN: usize = 256;

/// Why the images cannot be read.
#[derive(Debug, Error)]
pub enum ImagesError {
    #[error("its name is longer than 255 bytes or holds a zero byte")]
    Name,
    #[error("it cannot be opened in the directory in which QEMU was started: {0:?}")]
    Open(io::Error),
    #[error("it has {0} bytes, which is no whole number of images of 3072 bytes (32 x 32 x RGB)")]
    Length(u64),
    #[error("image {index} cannot be read: {error:?}")]
    Read { index: u32, error: io::Error },
}

/// A file of raw images, `[h, w, c]` bytes each, one after the other.
pub struct ImageFile {
    file: File,
    images: u32,
    next: u32,
}

impl ImageFile {
    /// Opens the file `name`, relative to the directory in which QEMU was started.
    ///
    /// # Errors
    ///
    /// [`ImagesError`] if there is no such file or it does not hold one or more whole images.
    pub fn open(name: &str) -> Result<Self, ImagesError> {
        let mut buffer = [0; NAME_LEN];
        let file = File::open(c_name(name, &mut buffer)?).map_err(ImagesError::Open)?;
        let len = file.metadata().map_err(ImagesError::Open)?.len();
        let images = whole_images(len).ok_or(ImagesError::Length(len))?;
        Ok(Self {
            file,
            images,
            next: 0,
        })
    }

    /// Reads the next image into `image` and gives its index, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`ImagesError::Read`] if the host cannot deliver it.
    pub fn next(&mut self, image: &mut Image) -> Result<Option<u32>, ImagesError> {
        let index = self.next;
        if index == self.images {
            return Ok(None);
        }
        self.next += 1;
        match self.file.read_exact(image) {
            Ok(()) => Ok(Some(index)),
            Err(error) => Err(ImagesError::Read { index, error }),
        }
    }
}

/// The images in a file of `len` bytes, at least one.
fn whole_images(len: u64) -> Option<u32> {
    let image_len = IMAGE_LEN as u64;
    let images = u32::try_from(len / image_len).ok()?;
    (images > 0 && len.is_multiple_of(image_len)).then_some(images)
}

fn c_name<'b>(name: &str, buffer: &'b mut [u8; NAME_LEN]) -> Result<&'b CStr, ImagesError> {
    let terminated = buffer.get_mut(..=name.len()).ok_or(ImagesError::Name)?;
    terminated[..name.len()].copy_from_slice(name.as_bytes());
    CStr::from_bytes_with_nul(terminated).map_err(|_| ImagesError::Name)
}
