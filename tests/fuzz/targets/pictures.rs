//! People name files of any content: a picture is read whole, or it is said why not.
#![no_main]

use std::io::Cursor;

use host_trainer::pictures::{Picture, read, reduce};
use libfuzzer_sys::fuzz_target;
use shared_model::Shape;

/// Larger pictures are the decoders' time, not more of their ways.
const AFFORDABLE_PIXELS: u64 = 1 << 18;

/// Pixels as the first bytes promise them; none if they promise nothing.
fn pixels(bytes: &[u8]) -> Option<u64> {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let (width, height) = reader.into_dimensions().ok()?;
    Some(u64::from(width) * u64::from(height))
}

fuzz_target!(
    init: {
        // `read` takes a panic of a decoder for a damaged file. The fuzzer's hook would end the process before that; what panics
        // elsewhere ends it nevertheless, when it comes out of the target.
        drop(std::panic::take_hook());
    },
    |bytes: &[u8]| {
        let is_large = std::panic::catch_unwind(|| pixels(bytes)).ok().flatten().is_some_and(|pixels| pixels > AFFORDABLE_PIXELS);
        if is_large {
            return;
        }
        match read(bytes) {
            Ok(picture) => {
                let Picture { width, height, ref rgb, .. } = picture;
                assert_eq!(rgb.len(), 3 * usize::from(width) * usize::from(height));
                for (side, channels) in [(1, 1), (32, 3)] {
                    let image = reduce(&picture, Shape::new(side, side, channels));
                    assert_eq!(image.len(), usize::from(side * side * channels));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
);
