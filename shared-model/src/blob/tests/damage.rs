//! Truncated, altered and random bytes: each is refused, or at least computed as the definition says.

use super::*;
use crate::{Interpreter, encode::assemble, testing::assert_equals_oracle};
use proptest::prelude::*;

/// Loads and, if that works, runs: neither may panic. Whether it loads.
fn exercise(blob: &[u8]) -> bool {
    let Ok(model) = Model::load(blob) else {
        return false;
    };
    let picture: List<u8> = model.known_pixels().collect();
    for backend in Backend::ALL {
        for more in [0, 1 << 14] {
            let mut arena = vec![0xA5; model.arena_len_on(backend) + more];
            let mut interpreter = Interpreter::on(backend, &model, &mut arena).unwrap();
            assert_equals_oracle(&mut interpreter, &picture);
            interpreter.known_answer_holds();
            let classification = interpreter.classify(&picture).unwrap();
            let labels = model.graph().labels.len();
            assert_eq!(classification.probabilities().len(), labels);
            assert!(classification.class < labels);
            classification.decide(&model.graph().decision);
        }
    }
    true
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[test]
fn every_truncation() {
    let blob = encode(&small()).unwrap();
    for given in 0..blob.len() {
        let needed = 24;
        let expected = blob.len() as u32;
        let error = match given {
            ..24 => LoadError::TooShort { needed, given },
            _ => LoadError::Truncated { expected, given },
        };
        assert_eq!(refusal(&blob[..given]), Some(error));
        if given < 24 {
            continue;
        }
        // The same with a header that fits.
        let mut bytes = AlignedBytes::from(&blob[..given]);
        set_word(&mut bytes, 12, given as u32);
        repair_crc(&mut bytes);
        let error = refusal(&bytes);
        let expected = matches!(
            error,
            Some(LoadError::GraphOutsideBlob { .. } | LoadError::RangeOutside { .. })
        );
        assert!(expected, "{given}: {error:?}");
    }
}

#[test]
fn every_flipped_bit() {
    let mut bytes = encode(&small()).unwrap();
    for bit in 0..8 * bytes.len() {
        flip(&mut bytes, bit);
        let error = refusal(&bytes);
        let expected = match bit / 8 {
            0..8 => matches!(error, Some(LoadError::BadMagic { .. })),
            8..12 => matches!(error, Some(LoadError::UnsupportedVersion { .. })),
            12..16 => matches!(
                error,
                Some(LoadError::Truncated { .. } | LoadError::TrailingBytes { .. })
            ),
            _ => matches!(error, Some(LoadError::CrcMismatch { .. })),
        };
        assert!(expected, "bit {bit}: {error:?}");
        flip(&mut bytes, bit);
    }
}

#[test]
fn every_flipped_bit_with_a_crc_that_fits() {
    let mut bytes = encode(&small()).unwrap();
    let graph = 8 * 20..8 * graph_end(&bytes);
    let mut loaded = 0;
    for bit in 8 * 20..8 * bytes.len() {
        flip(&mut bytes, bit);
        repair_crc(&mut bytes);
        let loads = exercise(&bytes);
        loaded += usize::from(loads && graph.contains(&bit));
        flip(&mut bytes, bit);
    }
    // Of the graph some bits say something else, such as a zero point; most break a rule.
    assert!(
        (graph.len() / 10..graph.len() / 2).contains(&loaded),
        "{loaded}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_bytes_with_a_crc_that_fits(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_graph in any::<bool>(),
    ) {
        let mut bytes = encode(&small()).unwrap();
        let end = if in_graph { graph_end(&bytes) } else { bytes.len() };
        for (position, value) in changes {
            bytes[20 + position.index(end - 20)] = value;
        }
        repair_crc(&mut bytes);
        exercise(&bytes);
    }

    #[test]
    fn bytes_moved_within_the_graph(
        from in any::<prop::sample::Index>(), len in 0_usize..24, to in any::<prop::sample::Index>(), cut in 0_usize..3,
    ) {
        let network = small();
        let (message, section) = unanswered(&network).unwrap();
        let mut message = postcard::to_allocvec(&message).unwrap();
        let from = from.index(message.len());
        let moved = message[from..(from + len).min(message.len())].to_vec();
        let to = to.index(message.len());
        message.splice(to..(to + cut).min(message.len()), moved);
        exercise(&assemble(&message, &section).unwrap());
    }

    #[test]
    fn garbage(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!exercise(&AlignedBytes::from(bytes.as_slice())));
        prop_assert!(!exercise(&assemble(&bytes, &bytes).unwrap()));
    }
}
