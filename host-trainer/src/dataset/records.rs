//! The official layout of a batch: records of 3,073 bytes, one label and then the red, green and blue planes of
//! 32×32 pixels.

use std::path::Path;

use super::error::DatasetError;
use super::{CLASSES, Image, LabelledImages};

const PIXELS: usize = 32 * 32;
/// Length of one record.
pub(super) const RECORD_BYTES: usize = 1 + 3 * PIXELS;

/// Decodes the records in `content`; `path` is for the error.
///
/// # Errors
/// [`DatasetError::Malformed`] if a record is incomplete or a label is not a class.
pub(super) fn decode(path: &Path, content: &[u8]) -> Result<LabelledImages, DatasetError> {
    let malformed = |reason| DatasetError::Malformed {
        path: path.to_path_buf(),
        reason,
    };
    if !content.len().is_multiple_of(RECORD_BYTES) {
        let length = content.len();
        return Err(malformed(format!(
            "{length} bytes are no whole number of records of {RECORD_BYTES} bytes"
        )));
    }
    let mut decoded = LabelledImages::default();
    for (index, record) in content.chunks_exact(RECORD_BYTES).enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        if usize::from(label) >= CLASSES.len() {
            return Err(malformed(format!(
                "record {index} has the label {label}, but labels are 0 to 9"
            )));
        }
        decoded.labels.push(label);
        decoded.images.push(interleave(planes));
    }
    Ok(decoded)
}

/// Appends one record to `records`; `pixels` are `[h, w, c]`, 3,072 bytes.
pub(super) fn encode(label: u8, pixels: &[u8], records: &mut Vec<u8>) {
    records.push(label);
    for channel in 0..3 {
        records.extend(pixels.iter().skip(channel).step_by(3));
    }
}

/// From `[c, h, w]` to `[h, w, c]`.
fn interleave(planes: &[u8]) -> Image {
    let mut image = [0; 3 * PIXELS];
    for (index, pixel) in image.chunks_exact_mut(3).enumerate() {
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = planes[channel * PIXELS + index];
        }
    }
    image.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let mut content = vec![7];
        content.extend([10; PIXELS]);
        content.extend([20; PIXELS]);
        content.extend([30; PIXELS]);
        // The last pixel of the first row, and the first of the second.
        content[1 + 31] = 1;
        content[1 + PIXELS + 32] = 2;

        let decoded = decode(Path::new("x.bin"), &content).unwrap();

        assert_eq!(decoded.labels, [7]);
        assert_eq!(
            decoded.images[0][3 * 30..3 * 33],
            [10, 20, 30, 1, 20, 30, 10, 2, 30]
        );
    }

    #[test]
    fn encoding_is_the_inverse_of_decoding() {
        let content: Vec<u8> = (0..4 * RECORD_BYTES)
            .map(|i| {
                if i % RECORD_BYTES == 0 {
                    (i / RECORD_BYTES) as u8
                } else {
                    (i * 31 % 251) as u8
                }
            })
            .collect();
        let decoded = decode(Path::new("x.bin"), &content).unwrap();

        let mut encoded = Vec::new();
        for (image, &label) in decoded.images.iter().zip(&decoded.labels) {
            encode(label, image, &mut encoded);
        }

        assert!(encoded == content);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let mut content = vec![0; 2 * RECORD_BYTES];
        content[RECORD_BYTES] = 10;
        let error = decode(Path::new("x.bin"), &content)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "x.bin: record 1 has the label 10, but labels are 0 to 9"
        );

        let error = decode(Path::new("x.bin"), &content[..3072])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "x.bin: 3072 bytes are no whole number of records of 3073 bytes"
        );
    }
}
