//! Blobs taken apart and put together as `FORMAT.md` says, to damage them on purpose.

use shared_model::AlignedBytes;
use shared_model::graph::Graph;

/// Where the graph begins.
pub const GRAPH_START: usize = 24;

/// What the CRC covers begins here, at the graph's length.
const CRC_START: usize = 20;

/// CRC-32/ISO-HDLC, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let shifted = crc >> 1;
            crc = if crc & 1 == 1 {
                shifted ^ 0xEDB8_8320
            } else {
                shifted
            };
        }
    }
    !crc
}

/// The graph's end, and the section's start.
pub fn graph_end_and_section_start(blob: &[u8]) -> (usize, usize) {
    let graph_len = u32::from_le_bytes(blob[20..24].try_into().expect("four bytes"));
    let end = GRAPH_START + graph_len as usize;
    (end, end.next_multiple_of(16))
}

/// Replaces the CRC by the one that `blob` should have.
pub fn repair_crc(blob: &mut [u8]) {
    let crc = crc32(&blob[CRC_START..]);
    blob[16..CRC_START].copy_from_slice(&crc.to_le_bytes());
}

/// A copy of `blob` after `change`, with the CRC left as it was.
pub fn damaged(blob: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> AlignedBytes {
    let mut bytes = blob.to_vec();
    change(&mut bytes);
    AlignedBytes::from(bytes.as_slice())
}

/// A copy of `blob` after `change`, with the right CRC.
pub fn forged(blob: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> AlignedBytes {
    damaged(blob, |bytes| {
        change(bytes);
        repair_crc(bytes);
    })
}

/// The blob with another graph before the same section; lengths and CRC are right.
pub fn with_graph(blob: &[u8], change: impl FnOnce(&mut Graph)) -> AlignedBytes {
    let (graph_end, section_start) = graph_end_and_section_start(blob);
    let mut graph: Graph =
        postcard::from_bytes(&blob[GRAPH_START..graph_end]).expect("the blob is valid");
    change(&mut graph);
    let message = postcard::to_allocvec(&graph).expect("a graph can be encoded");

    let mut bytes = blob[..CRC_START].to_vec();
    bytes.extend((message.len() as u32).to_le_bytes());
    bytes.extend(message);
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes.extend(&blob[section_start..]);
    let total = bytes.len() as u32;
    bytes[12..16].copy_from_slice(&total.to_le_bytes());
    repair_crc(&mut bytes);
    AlignedBytes::from(bytes.as_slice())
}
