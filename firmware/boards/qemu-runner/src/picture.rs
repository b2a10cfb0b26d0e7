//! Pictures of any size as the network's input.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageReader, Rgb};
use shared_model::Shape;
use shared_model::resize::{FrameError, Rgb888, resize};
use thiserror::Error;

/// Why a picture cannot be classified.
#[derive(Debug, Error)]
pub enum PictureError {
    #[error("{path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} is no readable PNG or JPEG picture: {error}")]
    Decode { path: PathBuf, error: ImageError },
    #[error("{path}: {width} x {height} pixels are too many")]
    TooLarge {
        path: PathBuf,
        width: u32,
        height: u32,
    },
    #[error("{path}: {error}")]
    Resize { path: PathBuf, error: FrameError },
}

/// Writes the pictures, cropped and resized to `shape` with the camera's code, to one file in `folder` and gives its path.
///
/// # Errors
///
/// [`PictureError`] names the picture.
pub fn collect(pictures: &[PathBuf], shape: Shape, folder: &Path) -> Result<PathBuf, PictureError> {
    let images = pictures
        .iter()
        .map(|path| read(path, shape))
        .collect::<Result<Vec<_>, _>>()?;
    let path = folder.join("images.rgb");
    match fs::write(&path, images.concat()) {
        Ok(()) => Ok(path),
        Err(error) => Err(PictureError::File { path, error }),
    }
}

/// Writes the pictures, cropped and scaled to `width` × `height`, as big-endian RGB565 to one file in `folder` and gives its
/// path: what a camera would see.
///
/// # Errors
///
/// [`PictureError`] names the picture.
pub fn render(
    pictures: &[PathBuf],
    width: u32,
    height: u32,
    folder: &Path,
) -> Result<PathBuf, PictureError> {
    let mut frames = Vec::new();
    for path in pictures {
        frames.extend(frame(&decode(path)?, width, height));
    }
    let path = folder.join("frames.rgb565");
    match fs::write(&path, frames) {
        Ok(()) => Ok(path),
        Err(error) => Err(PictureError::File { path, error }),
    }
}

/// The picture, cropped and scaled to `width` × `height`, as big-endian RGB565.
pub fn frame(picture: &DynamicImage, width: u32, height: u32) -> Vec<u8> {
    let scaled = picture.resize_to_fill(width, height, FilterType::Triangle);
    let pixels = scaled.to_rgb8();
    pixels
        .pixels()
        .flat_map(|Rgb(rgb)| rgb565(*rgb).to_be_bytes())
        .collect()
}

fn rgb565([red, green, blue]: [u8; 3]) -> u16 {
    u16::from(red >> 3) << 11 | u16::from(green >> 2) << 5 | u16::from(blue >> 3)
}

fn decode(path: &Path) -> Result<DynamicImage, PictureError> {
    let reader = ImageReader::open(path).map_err(|error| PictureError::File {
        path: path.to_owned(),
        error,
    })?;
    reader.decode().map_err(|error| PictureError::Decode {
        path: path.to_owned(),
        error,
    })
}

fn read(path: &Path, shape: Shape) -> Result<Vec<u8>, PictureError> {
    let owned = || path.to_owned();
    let picture = decode(path)?.into_rgb8();
    let (width, height) = picture.dimensions();
    let mut image = vec![0; shape.elements()];
    let sides = (u16::try_from(width), u16::try_from(height));
    let (Ok(frame_width), Ok(frame_height)) = sides else {
        return Err(PictureError::TooLarge {
            path: owned(),
            width,
            height,
        });
    };
    resize::<Rgb888>(&picture, frame_width, frame_height, shape, &mut image).map_err(|error| {
        PictureError::Resize {
            path: owned(),
            error,
        }
    })?;
    Ok(image)
}
