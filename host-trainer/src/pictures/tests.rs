use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

/// A progressive JPEG of 28×20 pixels, whose scans refine one another.
const PROGRESSIVE: &[u8] = include_bytes!("progressive.jpg");

/// A picture of 28×20 pixels, dark at the top left and bright at the bottom right, with a red patch at the top right.
fn sample() -> DynamicImage {
    let pixel = |x: u32, y: u32| if x >= 20 && y < 8 { Rgb([230, 20, 20]) } else { Rgb([(4 * x + 6 * y) as u8; 3]) };
    RgbImage::from_fn(28, 20, pixel).into()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Asserts that two pictures have the same size and colours, but for a mean difference of `tolerance`.
fn assert_similar(found: &Picture, expected: &RgbImage, tolerance: f64, what: &str) {
    assert_eq!([found.width, found.height].map(u32::from), [expected.width(), expected.height()], "{what}");
    let pairs = found.rgb.iter().zip(expected.as_raw());
    let difference: f64 = pairs.map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / found.rgb.len() as f64;
    assert!(difference <= tolerance, "{what}: {difference}");
}

/// EXIF data with an orientation and a time.
fn exif(orientation: u8) -> Vec<u8> {
    let mut data = b"II*\0\x08\0\0\0\x02\0".to_vec();
    data.extend([0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    // The second directory stands behind this one, with one entry: a text of 20 bytes, at the end.
    data.extend([0x69, 0x87, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0]);
    data.extend([1, 0, 0x03, 0x90, 2, 0, 20, 0, 0, 0, 56, 0, 0, 0, 0, 0, 0, 0]);
    data.extend(b"2024:02:29 07:08:09\0");
    data
}

#[test]
fn every_format_is_read_whatever_the_name_of_its_file() {
    let sample = sample();
    let expected = sample.to_rgb8();
    for (format, tolerance) in [
        (ImageFormat::Png, 0.0),
        (ImageFormat::Jpeg, 6.0),
        (ImageFormat::WebP, 0.0),
        (ImageFormat::Bmp, 0.0),
        (ImageFormat::Gif, 3.0),
        (ImageFormat::Tiff, 0.0),
    ] {
        let bytes = encoded(&sample, format);
        let picture = read(&bytes).unwrap();
        assert_similar(&picture, &expected, tolerance, &format!("{format:?}"));
        // None of them may end early and still give an answer.
        for length in [0, 1, 8, 20, bytes.len() / 3, bytes.len() / 2, bytes.len() * 9 / 10] {
            assert!(read(&bytes[..length]).is_err(), "{format:?}, {length} of {} bytes", bytes.len());
        }
    }
    assert_eq!([read(PROGRESSIVE).unwrap().width, read(PROGRESSIVE).unwrap().height], [28, 20]);
}

#[test]
fn depths_greys_and_palettes_become_red_green_and_blue() {
    let sample = sample();
    let expected = sample.to_rgb8();
    let grey = DynamicImage::from(sample.to_luma8());
    for (picture, expected) in [
        (DynamicImage::from(sample.to_rgb16()), &expected),
        (DynamicImage::from(sample.to_rgba16()), &expected),
        (grey.clone(), &grey.to_rgb8()),
        (DynamicImage::from(grey.to_luma16()), &grey.to_rgb8()),
        (DynamicImage::from(grey.to_luma_alpha8()), &grey.to_rgb8()),
    ] {
        let name = format!("{:?}", picture.color());
        assert_similar(&read(&encoded(&picture, ImageFormat::Png)).unwrap(), expected, 0.0, &name);
    }
    assert_similar(&read(&encoded(&grey, ImageFormat::Jpeg)).unwrap(), &grey.to_rgb8(), 3.0, "grey JPEG");
    // Two pixels with colours 1 and 0 of a palette.
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_palette(vec![1, 2, 3, 200, 100, 50]);
    encoder.write_header().unwrap().write_image_data(&[0b1000_0000]).unwrap();
    assert_eq!(read(&bytes).unwrap().rgb, [200, 100, 50, 1, 2, 3]);
}

#[test]
fn what_is_transparent_lies_on_white_whatever_colour_stands_under_it() {
    for hidden in [0, 90, 255] {
        let pixel = |x, _| match x {
            0 => Rgba([hidden, 255 - hidden, hidden, 0]),
            1 => Rgba([10, 20, 30, 255]),
            _ => Rgba([0, 0, 255, 51]),
        };
        let picture = DynamicImage::from(RgbaImage::from_fn(3, 1, pixel));
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
            let expected = [255, 255, 255, 10, 20, 30, 204, 204, 255];
            assert_eq!(read(&encoded(&picture, format)).unwrap().rgb, expected, "{format:?}");
        }
    }
}

#[test]
fn pictures_are_turned_as_their_exif_data_say() {
    let upright = sample().to_rgb8();
    for orientation in 1..=8_u8 {
        // What the camera stored: the inverse of what a viewer does.
        let mut stored = DynamicImage::from(upright.clone());
        let inverse = match orientation {
            6 => 8,
            8 => 6,
            other => other,
        };
        stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
        let stored = stored.to_rgb8();
        let write = |encoder: &mut dyn FnMut(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            encoder(&mut bytes);
            bytes
        };
        let (raw, width, height, kind) = (stored.as_raw(), stored.width(), stored.height(), ExtendedColorType::Rgb8);
        let jpeg = write(&mut |bytes| {
            let mut encoder = JpegEncoder::new_with_quality(bytes, 90);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(raw, width, height, kind).unwrap();
        });
        let png = write(&mut |bytes| {
            let mut encoder = PngEncoder::new(bytes);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(raw, width, height, kind).unwrap();
        });
        let webp = write(&mut |bytes| {
            let mut encoder = WebPEncoder::new_lossless(bytes);
            encoder.set_exif_metadata(exif(orientation)).unwrap();
            encoder.write_image(raw, width, height, kind).unwrap();
        });
        for (bytes, name) in [(jpeg, "JPEG"), (png, "PNG"), (webp, "WebP")] {
            let picture = read(&bytes).unwrap();
            assert_similar(&picture, &upright, 5.0, &format!("{name}, orientation {orientation}"));
            assert_eq!(picture.taken, Some(1_709_190_489), "{name}");
        }
    }
}

#[test]
fn burst_and_time_are_read_from_a_png_wherever_they_stand() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.add_text_chunk("burst".to_owned(), "12 of \u{fc}".to_owned()).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[9]).unwrap();
    writer.write_text_chunk(&png::text_metadata::TEXtChunk::new("Creation Time", "2024-02-29T07:08:09Z")).unwrap();
    writer.finish().unwrap();
    let expected = Picture {
        width: 1,
        height: 1,
        rgb: vec![9; 3],
        burst: Some("12 of \u{fc}".to_owned()),
        taken: Some(1_709_190_489),
    };
    assert_eq!(read(&bytes).unwrap(), expected);
}

/// A JPEG of 8×8 pixels of one colour, whose components have these levels; `transform` is that of Adobe's marker.
fn flat_jpeg(levels: &[u8], transform: u8) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xEE, 0, 14];
    bytes.extend(b"Adobe\0\x64\0\0\0\0");
    bytes.push(transform);
    bytes.extend([0xFF, 0xDB, 0, 67, 0]);
    bytes.extend([8; 64]);
    let components = 1..=levels.len() as u8;
    bytes.extend([0xFF, 0xC0, 0, 8 + 3 * levels.len() as u8, 8, 0, 8, 0, 8, levels.len() as u8]);
    bytes.extend(components.clone().flat_map(|id| [id, 0x11, 0]));
    // Codes of eight bits that are the number of bits of a difference; one bit for the end of a block.
    bytes.extend([0xFF, 0xC4, 0, 19 + 9, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.extend([0xFF, 0xC4, 0, 19 + 1, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0xFF, 0xDA, 0, 6 + 2 * levels.len() as u8, levels.len() as u8]);
    bytes.extend(components.flat_map(|id| [id, 0]));
    bytes.extend([0, 63, 0]);
    let mut bits = String::new();
    for &level in levels {
        let difference = i32::from(level) - 128;
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let value = if difference < 0 { difference + (1 << size) - 1 } else { difference };
        bits += &format!("{size:08b}");
        bits += &format!("{value:032b}")[32 - size as usize..];
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap();
        bytes.push(byte);
        if byte == 0xFF {
            bytes.push(0);
        }
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

#[test]
fn inks_become_light() {
    // Adobe's programs store inks inverted: 255 is none.
    for (levels, transform, expected) in [
        (&[255, 255, 255, 255][..], 0, [255, 255, 255]),
        (&[255, 0, 0, 255], 0, [255, 0, 0]),
        (&[200, 100, 50, 128], 0, [100, 50, 25]),
        // Luminance and two colours, of inverted inks.
        (&[0, 128, 128, 255], 2, [255, 255, 255]),
        (&[155, 128, 128, 255], 2, [100, 100, 100]),
        (&[120], 0, [120, 120, 120]),
        (&[120, 128, 128], 1, [120, 120, 120]),
    ] {
        let picture = read(&flat_jpeg(levels, transform)).unwrap();
        let near =
            picture.rgb.chunks(3).all(|pixel| pixel.iter().zip(expected).all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 2));
        assert!(near, "{levels:?}: {:?}", &picture.rgb[..3]);
    }
}

#[test]
fn frames_of_motion_jpeg_lack_tables() {
    let jpeg = encoded(&sample(), ImageFormat::Jpeg);
    let mut frame = jpeg.clone();
    // The library's encoder uses the standard's tables.
    while let Some(start) = frame.windows(2).position(|marker| marker == [0xFF, 0xC4]) {
        let length = usize::from(frame[start + 2]) << 8 | usize::from(frame[start + 3]);
        frame.drain(start..start + 2 + length);
    }
    assert!(frame.len() + 400 < jpeg.len());
    assert_eq!(read(&frame).unwrap(), read(&jpeg).unwrap());
}

#[test]
fn a_jpeg_is_whole_or_none() {
    let noise =
        RgbImage::from_fn(61, 43, |x, y| Rgb([x * 7 + y * 31, x * y, (x * 59) ^ (y * 3)].map(|value| value as u8)));
    let noise = encoded(&noise.into(), ImageFormat::Jpeg);
    for (jpeg, name) in [(noise.as_slice(), "sequential"), (PROGRESSIVE, "progressive")] {
        read(jpeg).unwrap();
        for length in 0..jpeg.len() {
            assert!(read(&jpeg[..length]).is_err(), "{name}: {length} of {} bytes", jpeg.len());
            if length > 4 {
                let ended = [&jpeg[..length], &[0xFF, 0xD9]].concat();
                let whole = length + 2 >= jpeg.len();
                assert!(whole || read(&ended).is_err() || name == "progressive", "{name}: {length} bytes and an end");
            }
        }
        // Zeros, as where a disk or a transfer failed.
        let mut holed = jpeg.to_vec();
        let middle = jpeg.len() * 3 / 4;
        holed[middle..middle + 64].fill(0);
        assert!(read(&holed).is_err(), "{name}");
        // What follows the end is nobody's business.
        assert_eq!(read(&[jpeg, b"maker's notes"].concat()), read(jpeg), "{name}");
    }
    let half = read(&noise[..noise.len() / 2]).unwrap_err();
    assert_eq!(half.to_string(), "the JPEG picture is truncated or damaged: it ends early");
}

#[test]
fn what_is_no_picture_is_refused_with_the_reason() {
    // Their pixels are not there: the header is enough.
    let [huge, wide] = [[20_000, 20_000], [70_000, 1]].map(|[width, height]| {
        let mut bytes = Vec::new();
        let mut writer = png::Encoder::new(&mut bytes, width, height).write_header().unwrap();
        writer.write_chunk(png::chunk::IDAT, &[0x78, 1]).unwrap();
        drop(writer);
        bytes
    });
    for (bytes, expected) in [
        (&b""[..], "it is empty"),
        (b"hello", "no picture in a format that is known here; give a PNG, JPEG, WebP"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
        (&huge, "it has 20000×20000 pixels, but at most 120 million"),
        (&wide, "70000×1"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn reduction_is_the_firmwares() {
    let picture = read(&encoded(&sample(), ImageFormat::Png)).unwrap();
    let shape = Shape::new(8, 8, 3);
    let mut expected = vec![0; shape.elements()];
    resize::<Rgb888>(&picture.rgb, 28, 20, shape, &mut expected).unwrap();
    assert_eq!(*reduce(&picture, shape), *expected);
    let black = Picture { rgb: vec![200; 3 * 28 * 20], ..picture };
    assert_eq!(*reduce(&black, Shape::new(16, 24, 1)), [200; 16 * 24]);
}
