//! The pictures in `data/samples/`: a few test images as ordinary files.

use std::path::Path;
use std::{fs, io};

use image::{Rgb, RgbImage, imageops};

use super::records::{CLASSES, SHAPE};
use crate::dataset::error::DatasetError;
use crate::dataset::images::LabelledImages;

/// The test image of each class, in the order of [`CLASSES`], that its sample shows.
const TEST_INDICES: [usize; CLASSES.len()] = [10, 82, 75, 8, 159, 16, 29, 60, 73, 28];

/// How many times larger the deer is in the larger pictures.
const ENLARGEMENT: u32 = 8;
/// Columns at either side of the enlarged deer, which a centre crop takes away.
const MARGIN: u32 = 32;
const MARGIN_COLOUR: Rgb<u8> = Rgb([255, 0, 255]);

/// Writes one PNG a class, named after it, and the deer enlarged to 320×256, as PNG and as JPEG.
///
/// In the enlarged ones every pixel is a block of 8×8, and 32 columns of magenta stand at either side: cropped to the
/// square in the centre and reduced by averaging, the PNG gives `deer.png` again exactly.
///
/// # Errors
/// [`DatasetError::Io`].
///
/// # Panics
/// If `test` is not the test set of CIFAR-10.
pub fn write_samples(test: &LabelledImages, directory: &Path) -> Result<(), DatasetError> {
    fs::create_dir_all(directory).map_err(DatasetError::io("create", directory))?;
    for (class, (&index, name)) in TEST_INDICES.iter().zip(CLASSES).enumerate() {
        assert_eq!(usize::from(test.labels[index]), class, "test image {index} is no {name}");
        let picture = to_picture(&test.images[index]);
        save(&picture, &directory.join(format!("{name}.png")))?;
        if name == "deer" {
            let enlarged = enlarge_with_margins(&picture);
            save(&enlarged, &directory.join("deer-320x256.png"))?;
            save(&enlarged, &directory.join("deer-320x256.jpg"))?;
        }
    }
    Ok(())
}

fn to_picture(image: &[u8]) -> RgbImage {
    let (width, height) = (SHAPE.width.into(), SHAPE.height.into());
    RgbImage::from_raw(width, height, image.to_vec()).expect("an image has its shape's bytes")
}

fn enlarge_with_margins(picture: &RgbImage) -> RgbImage {
    let (width, height) = (picture.width() * ENLARGEMENT, picture.height() * ENLARGEMENT);
    let enlarged = imageops::resize(picture, width, height, imageops::FilterType::Nearest);
    let mut framed = RgbImage::from_pixel(width + 2 * MARGIN, height, MARGIN_COLOUR);
    imageops::replace(&mut framed, &enlarged, i64::from(MARGIN), 0);
    framed
}

fn save(picture: &RgbImage, path: &Path) -> Result<(), DatasetError> {
    let saved = picture.save(path).map_err(io::Error::other);
    saved.map_err(DatasetError::io("write", path))
}
