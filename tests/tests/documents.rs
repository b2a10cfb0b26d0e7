//! The examples of `NUMERICS.md`, which an implementation in another language checks itself against.

use sha2::{Digest, Sha256};
use shared_model::preprocess::{PixelFormat, Rgb565BigEndian, Rgb565LittleEndian, Rgb888, reduce};
use shared_model::{IMAGE_LEN, arithmetic};

const NUMERICS: &str = include_str!("../../shared-model/NUMERICS.md");

/// The image of the document's frame, as the table writes its hash.
fn hash<P: PixelFormat>(width: u16, height: u16) -> String {
    let bytes = usize::from(width) * usize::from(height) * P::BYTES;
    let frame: Vec<u8> = (0..bytes)
        .map(|k| (31 * k * k + 7 * k + 11) as u8)
        .collect();
    let mut image = [0; IMAGE_LEN];
    reduce::<P>(&frame, width, height, &mut image).unwrap();
    Sha256::digest(image)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn frames_reduce_to_the_images_whose_hashes_the_document_names() {
    let rows = [
        ("7 × 5, RGB888", hash::<Rgb888>(7, 5)),
        (
            "33 × 47, RGB565 big endian",
            hash::<Rgb565BigEndian>(33, 47),
        ),
        (
            "160 × 120, RGB565 little endian",
            hash::<Rgb565LittleEndian>(160, 120),
        ),
    ];
    for (frame, hash) in rows {
        let row = format!("| {frame} | `{hash}` |");
        assert!(NUMERICS.contains(&row), "the document does not say {row}");
    }
}

#[test]
fn the_smallest_of_a_pool_is_requantized_as_the_document_says() {
    let (multiplier, offset) = (-1_000_000, (10 << 32) + (1 << 31));
    assert_eq!(arithmetic::requantize(0, multiplier, offset), 10);
    assert_eq!(arithmetic::requantize(-5000, multiplier, offset), 11);
}
