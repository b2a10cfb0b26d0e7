//! The examples of `NUMERICS.md`, which an implementation in another language checks itself against.

use sha2::{Digest, Sha256};
use shared_model::graph::pattern;
use shared_model::resize::{PixelFormat, Rgb565BigEndian, Rgb565LittleEndian, Rgb888, resize};
use shared_model::{Shape, arithmetic};

const NUMERICS: &str = include_str!("../NUMERICS.md");

/// A row of the table: what the document must say about a frame.
fn row<P: PixelFormat>(width: u16, height: u16, format: &str, shape: Shape) -> String {
    let bytes = usize::from(width) * usize::from(height) * P::BYTES;
    let frame: Vec<u8> = (0..bytes).map(pattern).collect();
    let mut picture = vec![0; shape.elements()];
    resize::<P>(&frame, width, height, shape, &mut picture).unwrap();
    let hash: String = Sha256::digest(&picture).iter().map(|byte| format!("{byte:02x}")).collect();
    let [rows, columns, channels] = shape.dimensions();
    format!("| {width} × {height}, {format} | {rows} × {columns} × {channels} | `{hash}` |")
}

#[test]
fn frames_become_the_images_whose_hashes_the_document_names() {
    let [cifar, grey, odd] = [Shape::new(32, 32, 3), Shape::new(48, 64, 1), Shape::new(9, 17, 3)];
    for row in [
        row::<Rgb888>(7, 5, "RGB888", cifar),
        row::<Rgb565BigEndian>(33, 47, "RGB565 big endian", cifar),
        row::<Rgb565LittleEndian>(160, 120, "RGB565 little endian", cifar),
        row::<Rgb565LittleEndian>(160, 120, "RGB565 little endian", grey),
        row::<Rgb888>(40, 90, "RGB888", odd),
    ] {
        assert!(NUMERICS.contains(&row), "the document does not say {row}");
    }
}

#[test]
fn accumulators_are_requantized_as_the_document_says() {
    let (multiplier, offset) = (-1_000_000, (10 << 32) + (1 << 31));
    let requantize = |accumulator| arithmetic::requantize(accumulator, multiplier, offset);
    assert_eq!([0, 300, 70_000, 12_000].map(requantize), [10, 10, -6, 7]);
    assert_eq!(requantize(-5000), 11);
}
