//! Header, checksum, and the graph as bytes.

use super::*;
use crate::encode::assemble;
use postcard::Error;
use std::string::ToString;

#[test]
fn header() {
    let blob = encode(&small()).unwrap();
    let (expected, given) = (blob.len() as u32, blob.len() + 1);
    let found = *b"INT8NET2";
    assert_eq!(
        with_bytes(|bytes| bytes[7] = b'2'),
        Some(LoadError::BadMagic { found })
    );
    assert_eq!(
        with_bytes(|bytes| bytes.push(0)),
        Some(LoadError::TrailingBytes { expected, given })
    );
    let mut damaged = blob.clone();
    let computed = u32::from_le_bytes(blob[16..20].try_into().unwrap());
    let stored = computed ^ 1;
    set_word(&mut damaged, 16, stored);
    assert_eq!(
        refusal(&damaged),
        Some(LoadError::CrcMismatch { stored, computed })
    );
    for remainder in 1..16 {
        let shifted = AlignedBytes::from([&vec![0; remainder], &*blob].concat().as_slice());
        assert_eq!(
            refusal(&shifted[remainder..]),
            Some(LoadError::Misaligned { remainder })
        );
    }
}

/// A header is enough for that.
#[test]
fn other_versions_are_refused_with_what_to_do() {
    for found in [0, 1, 3, u32::MAX] {
        let version = found.to_le_bytes();
        let header = [&b"INT8NET\0"[..], &version, &[0x20, 0x0F, 0, 0], &[0; 8]].concat();
        let supported = 2;
        let error = LoadError::UnsupportedVersion { found, supported };
        assert_eq!(refusal(&header), Some(error));
    }
    let error = with_bytes(|bytes| set_word(bytes, 8, 1)).unwrap();
    assert_eq!(
        error.to_string(),
        "blob of format version 1, but this program reads version 2 only: make the blob again with `cargo run -p \
         host-trainer -- quantize --run RUN`, or use the program that belongs to the blob"
    );
}

#[test]
fn extent_of_the_graph() {
    let blob = encode(&small()).unwrap();
    let (end, available) = (graph_end(&blob), blob.len() - 24);
    let outside = |graph_len, available| LoadError::GraphOutsideBlob {
        graph_len,
        available,
    };
    for graph_len in [available as u32 + 1, u32::MAX] {
        assert_eq!(
            with_bytes(|bytes| set_word(bytes, 20, graph_len)),
            Some(outside(graph_len, available))
        );
    }
    // The graph itself fits, but not the zeros after it.
    let error = with_bytes(|bytes| {
        bytes.truncate(24 + 30);
        set_word(bytes, 12, 24 + 30);
        set_word(bytes, 20, 30);
    });
    assert_eq!(error, Some(outside(30, 30)));
    assert_ne!(end % 16, 0, "this test needs zeros behind the graph");
    for position in end..end.next_multiple_of(16) {
        let error = with_bytes(|bytes| bytes[position] = 1);
        assert_eq!(error, Some(LoadError::PaddingNotZero));
    }
    assert_eq!(
        with_bytes(|bytes| set_word(bytes, 20, (end + 1 - 24) as u32)),
        Some(LoadError::GraphTrailingBytes { unused: 1 })
    );
}

/// The small network after a replacement in its message.
fn with_replacement(old: &[u8], new: &[u8]) -> Option<LoadError> {
    let network = small();
    let (message, section) = unanswered(&network).unwrap();
    let message = postcard::to_allocvec(&message).unwrap();
    let mut places = message.windows(old.len()).enumerate();
    let (start, _) = places.find(|(_, window)| *window == old).unwrap();
    let changed = [&message[..start], new, &message[start + old.len()..]].concat();
    refusal(&assemble(&changed, &section).unwrap())
}

#[test]
fn varints() {
    let too_many = |found| {
        let (what, limit) = ("labels", 64);
        Some(LoadError::TooMany { what, found, limit })
    };
    let bad = Some(LoadError::Graph(Error::DeserializeBadVarint));
    let end = Some(LoadError::Graph(Error::DeserializeUnexpectedEnd));
    // The length of the name, then the number of labels.
    let cases: [(&[u8], &[u8], Option<LoadError>); 13] = [
        (b"\x05", b"\x85\0", None),
        (b"\x05", b"\x85\x80\x80\x80\0", None),
        (b"\x05", b"\x85\x80\x80\x80\x80\0", bad.clone()),
        (b"\x05", b"\x85\x80\x80\x80\x10", bad.clone()),
        (b"\x05", b"\xFF\xFF\xFF\xFF\x0F", end),
        (b"small\x03", b"small\x83\x80\x80\x80\0", None),
        (b"small\x03", b"small\x83\x80\x80\x80\x80\0", bad.clone()),
        (b"small\x03", b"small\x41", too_many(65)),
        (
            b"small\x03",
            b"small\xFF\xFF\xFF\xFF\x0F",
            too_many(u32::MAX),
        ),
        // A number of 16 bits: the height. A byte is no varint.
        (b"class 2\x09", b"class 2\x89\x80\0", None),
        (b"class 2\x09", b"class 2\x89\x80\x80\0", bad.clone()),
        (b"class 2\x09", b"class 2\x89\x80\x04", bad),
        (b"\x03\x80\x05\x7F", b"\x03\x80\x80\x80", None),
    ];
    for (old, new, error) in cases {
        assert_eq!(with_replacement(old, new), error, "{new:02X?}");
    }
}

#[test]
fn messages_that_cannot_be_decoded() {
    let cases: [(&[u8], &[u8], Error); 7] = [
        // Threshold 300, class 1.
        (
            &[0xAC, 2, 1, 1],
            &[0xAC, 2, 2, 1],
            Error::DeserializeBadOption,
        ),
        (b"small", b"sma\xFFl", Error::DeserializeBadUtf8),
        (b"class 1", b"class \xC3", Error::DeserializeBadUtf8),
        // The number of a variant; then, of the first operation, ReLU and output.
        (&[0, 2, 3, 3], &[4, 2, 3, 3], Error::SerdeDeCustom),
        (&[64, 8, 1, 0], &[64, 8, 2, 0], Error::DeserializeBadBool),
        (&[64, 8, 1, 0], &[64, 8, 1, 2], Error::SerdeDeCustom),
        (
            &[4, b'n', b'o', b'n', b'e'],
            &[127, b'n', b'o', b'n', b'e'],
            Error::DeserializeUnexpectedEnd,
        ),
    ];
    for (old, new, error) in cases {
        assert_eq!(
            with_replacement(old, new),
            Some(LoadError::Graph(error)),
            "{new:?}"
        );
    }
}
