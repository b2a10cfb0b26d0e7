//! Pictures as people have them: PNG, JPEG, WebP, BMP, GIF (its first frame) and TIFF, told apart by their content.
//!
//! A picture is what a viewer shows: turned as its EXIF data say, transparent parts on white, as they are seen in a browser and printed on
//! paper; 16 bits a channel are rounded to 8, grey and palettes become red, green and blue, and so do the inks of a CMYK picture. Colour
//! profiles are not applied. What is truncated or damaged is no picture.

mod jpeg;
mod time;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use exif::{Exif, In, Tag, Value};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use shared_model::Shape;
use shared_model::resize::{Rgb888, resize};

use crate::dataset::Image;

/// The most pixels that a picture may have: 400 MB when it is decoded.
pub const MAX_PIXELS: u64 = 120_000_000;

/// The formats that are read, for people.
pub const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF or TIFF";

/// What transparent pixels lie on.
const BACKGROUND: u8 = 255;

/// A picture and what its file says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels, at least 1.
    pub width: u16,
    /// In pixels, at least 1.
    pub height: u16,
    /// `[height, width, 3]`.
    pub rgb: Vec<u8>,
    /// The burst that it belongs to: text of the keyword `burst` in a PNG.
    pub burst: Option<String>,
    /// When it was taken, in seconds since 1970 of its own clock: EXIF's `DateTimeOriginal`, or the text `Creation Time` in a PNG.
    pub taken: Option<i64>,
}

/// Why bytes are no picture; it reads on after the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// Another kind of file.
    #[error("it is {0}; give a {FORMATS} picture")]
    Unknown(&'static str),
    /// More pixels than [`MAX_PIXELS`], or than 65,535 a side.
    #[error("it has {width}×{height} pixels, but at most {} million, and 65,535 a side, are read: reduce it first", MAX_PIXELS / 1_000_000)]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// A variant of a format that the decoder does not know.
    #[error("{0}; save the picture as PNG or JPEG")]
    Unsupported(String),
    /// It ends early, or makes no sense.
    #[error("the {format} picture is truncated or damaged: {reason}")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the picture in `bytes`, the whole content of a file.
///
/// # Errors
/// Why it is none. The limit on pixels is checked before they are decoded.
pub fn read(bytes: &[u8]) -> Result<Picture, PictureError> {
    let (format, name) = format(bytes)?;
    let damaged = |reason: String| PictureError::Damaged { format: name, reason };
    // A decoder that meets what its author has not thought of may panic: that is one broken file, not the end of all.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes, format, name)));
    let decoded = decoded.map_err(|_| damaged("its decoder failed".to_owned()))??;
    let exif = exif(bytes);
    let pixels = on_background(turned(decoded, exif.as_ref()));
    let [width, height] = [pixels.width(), pixels.height()].map(|side| side as u16);
    let text = |keyword| if format == ImageFormat::Png { png_text(bytes, keyword) } else { None };
    let taken = exif_field(exif.as_ref(), Tag::DateTimeOriginal).and_then(|value| match value {
        Value::Ascii(lines) => time::seconds(str::from_utf8(lines.first()?).ok()?),
        _ => None,
    });
    let taken = taken.or_else(|| time::seconds(&text("Creation Time")?));
    Ok(Picture { width, height, rgb: pixels.into_raw(), burst: text("burst"), taken })
}

/// What a network with that input sees of a picture, exactly as the firmware reduces a camera's frame: the largest centred rectangle with the
/// input's ratio of sides, by averages of areas; grey for one channel.
///
/// # Panics
/// If the shape is none of a network's input.
pub fn reduce(picture: &Picture, shape: Shape) -> Image {
    reduce_rgb(&picture.rgb, [picture.width, picture.height], shape)
}

/// As [`reduce`], of pixels `[height, width, 3]`.
///
/// # Panics
/// If there are no such pixels, or the shape is none of a network's input.
pub fn reduce_rgb(rgb: &[u8], [width, height]: [u16; 2], shape: Shape) -> Image {
    let mut reduced = vec![0; shape.elements()];
    let result = resize::<Rgb888>(rgb, width, height, shape, &mut reduced);
    result.expect("a picture has pixels, and an input one channel or three");
    reduced.into()
}

/// The format that the first bytes are in, and its name.
fn format(bytes: &[u8]) -> Result<(ImageFormat, &'static str), PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG")),
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG")),
        Ok(ImageFormat::WebP) => Ok((ImageFormat::WebP, "WebP")),
        Ok(ImageFormat::Bmp) => Ok((ImageFormat::Bmp, "BMP")),
        Ok(ImageFormat::Gif) => Ok((ImageFormat::Gif, "GIF")),
        Ok(ImageFormat::Tiff) => Ok((ImageFormat::Tiff, "TIFF")),
        // The other formats that the library can name, and what it cannot.
        _ => Err(PictureError::Unknown(match bytes.get(4..12) {
            Some(b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftyphevc") => "a HEIC picture, as telephones take them",
            Some(b"ftypavif" | b"ftypavis") => "an AVIF picture",
            _ => "no picture in a format that is known here",
        })),
    }
}

fn decode(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<DynamicImage, PictureError> {
    let damaged = |reason: String| PictureError::Damaged { format: name, reason };
    let failed = |error: image::ImageError| match error {
        image::ImageError::Unsupported(error) => PictureError::Unsupported(error.to_string()),
        error => damaged(error.to_string()),
    };
    let jpeg = (format == ImageFormat::Jpeg).then(|| jpeg::with_tables(bytes));
    let bytes = jpeg.as_deref().unwrap_or(bytes);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    // Four channels of 16 bits.
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let sides = [width, height].into_iter().all(|side| u16::try_from(side).is_ok());
    if !sides || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { width, height });
    }
    if width == 0 || height == 0 {
        return Err(damaged("it has no pixels".to_owned()));
    }
    if jpeg.is_some() {
        jpeg::check(bytes).map_err(|reason| damaged(reason.to_owned()))?;
    }
    DynamicImage::from_decoder(decoder).map_err(failed)
}

/// The picture as it was taken to be seen.
fn turned(mut picture: DynamicImage, exif: Option<&Exif>) -> DynamicImage {
    let value = exif_field(exif, Tag::Orientation).and_then(|value| value.get_uint(0));
    let orientation = value.and_then(|value| Orientation::from_exif(u8::try_from(value).ok()?));
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    picture
}

/// Eight bits a channel, transparent parts on [`BACKGROUND`].
fn on_background(picture: DynamicImage) -> image::RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut opaque = image::RgbImage::new(picture.width(), picture.height());
    for (image::Rgba([red, green, blue, alpha]), target) in picture.pixels().zip(opaque.pixels_mut()) {
        let [alpha, background] = [*alpha, BACKGROUND].map(u32::from);
        let over = |value: u8| ((u32::from(value) * alpha + background * (255 - alpha) + 127) / 255) as u8;
        target.0 = [over(*red), over(*green), over(*blue)];
    }
    opaque
}

/// The EXIF data of a JPEG, PNG, WebP or TIFF picture. Some fields may be damaged.
fn exif(bytes: &[u8]) -> Option<Exif> {
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    let data = reader.read_from_container(&mut Cursor::new(bytes));
    data.or_else(|error| error.distill_partial_result(|_| ())).ok()
}

fn exif_field(exif: Option<&Exif>, tag: Tag) -> Option<&Value> {
    Some(&exif?.get_field(tag, In::PRIMARY)?.value)
}

/// The text of a keyword in a PNG (chunk `tEXt`, Latin-1), wherever in the file it stands.
fn png_text(bytes: &[u8], keyword: &str) -> Option<String> {
    const SIGNATURE: usize = 8;
    let mut rest = bytes.get(SIGNATURE..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let text = content.strip_prefix(keyword.as_bytes()).and_then(|text| text.strip_prefix(&[0]));
        if let (b"tEXt", Some(text)) = (kind, text) {
            return Some(text.iter().map(|&byte| char::from(byte)).collect());
        }
        const CHECKSUM: usize = 4;
        rest = after.get(CHECKSUM..)?;
    }
}

#[cfg(test)]
mod tests;
