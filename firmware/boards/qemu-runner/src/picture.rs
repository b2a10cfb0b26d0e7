//! Pictures of any size as the network's input, and as a camera sees them.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Rgb};
use shared_model::Shape;
use shared_model::resize::{Rgb888, resize};

use crate::{Error, of_file};

/// Writes the pictures, cropped and resized to `shape` with the camera's code, to one file in `folder` and gives its path.
///
/// # Errors
///
/// The message names the picture.
pub fn collect(pictures: &[PathBuf], shape: Shape, folder: &Path) -> Result<PathBuf, Error> {
    let input = |path: &Path, picture: DynamicImage| {
        let picture = picture.into_rgb8();
        let mut image = vec![0; shape.elements()];
        let (Ok(width), Ok(height)) = (picture.width().try_into(), picture.height().try_into()) else {
            let (width, height) = picture.dimensions();
            return Err(of_file(path)(format!("{width} x {height} pixels are too many")).into());
        };
        resize::<Rgb888>(&picture, width, height, shape, &mut image).map_err(of_file(path))?;
        Ok(image)
    };
    write(pictures, folder.join("images.rgb"), input)
}

/// Writes the pictures as [`frame`]s to one file in `folder` and gives its path.
///
/// # Errors
///
/// The message names the picture.
pub fn render(pictures: &[PathBuf], size: (u32, u32), folder: &Path) -> Result<PathBuf, Error> {
    let input = |_: &Path, picture| Ok(frame(&picture, size));
    write(pictures, folder.join("frames.rgb565"), input)
}

/// The picture, cropped and scaled to a width and height, as big-endian RGB565: what a camera would see.
pub fn frame(picture: &DynamicImage, (width, height): (u32, u32)) -> Vec<u8> {
    let scaled = picture.resize_to_fill(width, height, FilterType::Triangle);
    let pixels = scaled.to_rgb8();
    pixels
        .pixels()
        .flat_map(|Rgb([red, green, blue])| {
            let [red, green, blue] = [red >> 3, green >> 2, blue >> 3].map(u16::from);
            (red << 11 | green << 5 | blue).to_be_bytes()
        })
        .collect()
}

/// Writes what `convert` makes of each picture to `file`.
fn write(
    pictures: &[PathBuf],
    file: PathBuf,
    convert: impl Fn(&Path, DynamicImage) -> Result<Vec<u8>, Error>,
) -> Result<PathBuf, Error> {
    let mut bytes = Vec::new();
    for path in pictures {
        let picture = ImageReader::open(path).map_err(of_file(path))?.decode();
        let picture =
            picture.map_err(|error| format!("{} is no readable PNG or JPEG picture: {error}", path.display()))?;
        bytes.extend(convert(path, picture)?);
    }
    fs::write(&file, bytes).map_err(of_file(&file))?;
    Ok(file)
}
