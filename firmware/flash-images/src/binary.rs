//! What flash holds, byte by byte.

use crate::Segment;

/// From the first segment on, which lies lowest; what lies between two of them is as erased flash is.
pub fn image(segments: &[Segment]) -> Vec<u8> {
    let start = segments.first().map_or(0, |segment| segment.address);
    segments.iter().fold(Vec::new(), |mut file, segment| {
        file.resize((segment.address - start) as usize, 0xFF);
        file.extend(&segment.bytes);
        file
    })
}
