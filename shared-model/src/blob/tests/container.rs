//! Header, checksum, and the graph as bytes.

use super::*;
use crate::encode::assemble;
use std::vec;

#[test]
fn bad_magic() {
    let error = error_after(|bytes| bytes[7] = b'2');
    assert_eq!(
        error,
        LoadError::BadMagic {
            found: *b"INT8NET2"
        }
    );
}

#[test]
fn unsupported_version() {
    let error = error_after(|bytes| set_word(bytes, 8, 2));
    assert_eq!(
        error,
        LoadError::UnsupportedVersion {
            found: 2,
            supported: 1
        }
    );
}

#[test]
fn trailing_bytes() {
    let blob = encode(&small()).unwrap();
    let expected = blob.len() as u32;
    let error = error_after(|bytes| bytes.push(0));
    assert_eq!(
        error,
        LoadError::TrailingBytes {
            expected,
            given: blob.len() + 1
        }
    );
}

#[test]
fn misaligned() {
    let blob = encode(&small()).unwrap();
    for remainder in 1..16 {
        let shifted = [vec![0; remainder], blob.to_vec()].concat();
        let shifted = AlignedBytes::from(shifted.as_slice());
        assert_eq!(
            error_of(&shifted[remainder..]),
            LoadError::Misaligned { remainder }
        );
    }
}

#[test]
fn crc_mismatch() {
    let mut blob = encode(&small()).unwrap();
    let stored = u32::from_le_bytes(blob[16..20].try_into().unwrap());
    set_word(&mut blob, 16, stored ^ 1);
    assert_eq!(
        error_of(&blob),
        LoadError::CrcMismatch {
            stored: stored ^ 1,
            computed: stored
        }
    );
}

#[test]
fn graph_outside_the_blob() {
    let available = encode(&small()).unwrap().len() - 24;
    for graph_len in [available as u32 + 1, u32::MAX] {
        let error = error_after(|bytes| set_word(bytes, 20, graph_len));
        assert_eq!(
            error,
            LoadError::GraphOutsideBlob {
                graph_len,
                available
            }
        );
    }
    // The graph itself fits, but not the zeros after it.
    let error = error_after(|bytes| {
        bytes.truncate(24 + 30);
        set_word(bytes, 12, 24 + 30);
        set_word(bytes, 20, 30);
    });
    assert_eq!(
        error,
        LoadError::GraphOutsideBlob {
            graph_len: 30,
            available: 30
        }
    );
}

#[test]
fn padding_between_graph_and_section() {
    let blob = encode(&small()).unwrap();
    let end = graph_end(&blob);
    assert_ne!(
        end % 16,
        0,
        "the test needs a graph that is followed by zeros"
    );
    for position in end..end.next_multiple_of(16) {
        let error = error_after(|bytes| bytes[position] = 1);
        assert_eq!(error, LoadError::PaddingNotZero);
    }
}

#[test]
fn graph_that_is_no_message() {
    let (message, section) = ([0xFF; 48], [0; 16]);
    let error = error_of(&assemble(&message, &section).unwrap());
    assert!(matches!(error, LoadError::Graph(_)));
    let too_many_labels = [[0, 17].as_slice(), &[0; 100]].concat();
    let error = error_of(&assemble(&too_many_labels, &section).unwrap());
    assert_eq!(error, LoadError::Graph(postcard::Error::SerdeDeCustom));
}

#[test]
fn graph_with_trailing_bytes() {
    let network = small();
    let (graph, section) = unanswered(&network).unwrap();
    let mut message = postcard::to_allocvec(&graph).unwrap();
    message.extend([0, 0, 0]);
    let error = error_of(&assemble(&message, &section).unwrap());
    assert_eq!(error, LoadError::GraphTrailingBytes { unused: 3 });
}
