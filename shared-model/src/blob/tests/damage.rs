//! Truncated, altered and random bytes: each is refused, or at least does no harm.

use super::*;
use crate::{Interpreter, encode::assemble};
use proptest::prelude::*;
use std::vec;

/// Loads and, if that works, runs: neither may panic.
fn exercise(blob: &[u8]) {
    if let Ok(model) = Model::load(blob) {
        let mut arena = vec![0; model.arena_len()];
        let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
        let classification = interpreter.classify(model.known_answer_image());
        assert_eq!(
            classification.probabilities().len(),
            model.graph().labels.len()
        );
        assert!(classification.class < model.graph().labels.len());
    }
}

#[test]
fn every_truncation() {
    let blob = encode(&small()).unwrap();
    for given in 0..blob.len() {
        let expected = match given {
            ..24 => LoadError::TooShort { needed: 24, given },
            _ => LoadError::Truncated {
                expected: blob.len() as u32,
                given,
            },
        };
        assert_eq!(error_of(&blob[..given]), expected);
    }
}

#[test]
fn every_truncation_with_a_header_that_fits() {
    let blob = encode(&small()).unwrap();
    for given in 24..blob.len() {
        let mut bytes = blob[..given].to_vec();
        set_word(&mut bytes, 12, given as u32);
        repair_crc(&mut bytes);
        let error = error_of(&AlignedBytes::from(bytes.as_slice()));
        let expected = matches!(
            error,
            LoadError::GraphOutsideBlob { .. } | LoadError::RangeOutside { .. }
        );
        assert!(expected, "{given}: {error}");
    }
}

#[test]
fn every_flipped_bit_of_the_blob() {
    let mut bytes = encode(&network(1, &[(2, true, true), (1, true, true)], &[2])).unwrap();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = error_of(&bytes);
        match bit / 8 {
            0..8 => assert!(matches!(error, LoadError::BadMagic { .. })),
            8..12 => assert!(matches!(error, LoadError::UnsupportedVersion { .. })),
            12..16 => assert!(matches!(
                error,
                LoadError::Truncated { .. } | LoadError::TrailingBytes { .. }
            )),
            _ => assert!(matches!(error, LoadError::CrcMismatch { .. })),
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(Model::load(&bytes).is_ok());
}

#[test]
fn every_flipped_bit_of_the_graph_with_a_crc_that_fits() {
    let mut bytes = encode(&network(1, &[(2, true, true), (1, true, true)], &[2])).unwrap();
    for bit in 8 * 20..8 * graph_end(&bytes) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        repair_crc(&mut bytes);
        exercise(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn no_damage_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_graph in any::<bool>(),
    ) {
        let mut bytes = encode(&network(7, &[(2, true, true), (2, true, false)], &[3, 2])).unwrap();
        let end = if in_graph { graph_end(&bytes) } else { bytes.len() };
        for (position, value) in changes {
            bytes[20 + position.index(end - 20)] = value;
        }
        repair_crc(&mut bytes);
        exercise(&bytes);
    }

    #[test]
    fn no_garbage_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&AlignedBytes::from(bytes.as_slice()));
        exercise(&assemble(&bytes, &bytes).unwrap());
    }
}
