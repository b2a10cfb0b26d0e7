//! The official layout of a batch: records of 3,073 bytes, one label and then the red, green and blue planes of
//! 32×32 pixels.

use std::path::Path;

use shared_model::Shape;

use crate::dataset::error::DatasetError;
use crate::dataset::images::{Image, LabelledImages};

/// The classes in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Shape of an image.
pub const SHAPE: Shape = Shape::new(32, 32, 3);

const CHANNELS: usize = SHAPE.channels as usize;
const PIXELS: usize = SHAPE.elements() / CHANNELS;
/// Length of one record.
pub(super) const RECORD_BYTES: usize = 1 + SHAPE.elements();

/// Decodes the records in `content`; `path` is for the error.
///
/// # Errors
/// [`DatasetError::Unusable`] if a record is incomplete or a label is not a class.
pub(super) fn decode(path: &Path, content: &[u8]) -> Result<LabelledImages, DatasetError> {
    let (records, rest) = content.as_chunks::<RECORD_BYTES>();
    if !rest.is_empty() {
        let bytes = content.len();
        let problem = format!("has {bytes} bytes: no whole number of records of {RECORD_BYTES} bytes");
        return Err(DatasetError::unusable(path, problem));
    }
    let mut decoded = LabelledImages::default();
    for (index, [label, planes @ ..]) in records.iter().enumerate() {
        if usize::from(*label) >= CLASSES.len() {
            let problem = format!("has the label {label} in record {index}, but labels are 0 to 9");
            return Err(DatasetError::unusable(path, problem));
        }
        decoded.labels.push(*label);
        decoded.images.push(interleave(planes));
    }
    Ok(decoded)
}

/// Appends one record to `records`; `pixels` are `[h, w, c]`, 3,072 bytes.
pub(super) fn encode(label: u8, pixels: &[u8], records: &mut Vec<u8>) {
    records.push(label);
    for channel in 0..CHANNELS {
        records.extend(pixels.iter().skip(channel).step_by(CHANNELS));
    }
}

/// From `[c, h, w]` to `[h, w, c]`.
fn interleave(planes: &[u8]) -> Image {
    (0..SHAPE.elements()).map(|index| planes[index % CHANNELS * PIXELS + index / CHANNELS]).collect()
}
