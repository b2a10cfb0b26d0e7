//! Damaged and forged blobs: refused, or at least harmless.

use proptest::prelude::*;
use proptest::sample::Index;
use rayon::prelude::*;
use shared_model::encode::encode;
use shared_model::{AlignedBytes, Interpreter, LoadError, Model};
use std::sync::LazyLock;
use tests::blob_bytes::{damaged, forged, graph_end_and_section_start};
use tests::networks::{extreme_images, small};
use tests::reference::BLOB;

static SMALL: LazyLock<AlignedBytes> = LazyLock::new(|| encode(&small()).unwrap());

/// Loads what nobody vouches for and runs it; neither may panic. Says whether it loaded.
fn survives(blob: &[u8]) -> bool {
    let Ok(model) = Model::load(blob) else {
        return false;
    };
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
    interpreter.known_answer_holds();
    for image in &extreme_images() {
        let classification = interpreter.classify(image);
        assert_eq!(classification.logits.len(), model.graph().labels.len());
        classification.probabilities();
    }
    true
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn is_refused_after_flipping(blob: &[u8], bit: usize) -> bool {
    let flipped = damaged(blob, |bytes| flip(bytes, bit));
    match Model::load(&flipped) {
        Err(LoadError::CrcMismatch { .. }) => bit / 8 >= 16,
        Err(_) => bit / 8 < 16,
        Ok(_) => false,
    }
}

#[test]
fn every_truncation_is_refused() {
    for blob in [&*SMALL, &*BLOB] {
        assert!(Model::load(blob).is_ok());
        for len in 0..blob.len() {
            let error = Model::load(&blob[..len]).err();
            let expected = match len {
                0..24 => LoadError::TooShort {
                    needed: 24,
                    given: len,
                },
                _ => LoadError::Truncated {
                    expected: blob.len() as u32,
                    given: len,
                },
            };
            assert_eq!(error, Some(expected));
        }
    }
}

#[test]
fn every_flipped_bit_of_header_and_graph_is_refused() {
    for blob in [&*SMALL, &*BLOB] {
        let (_, section_start) = graph_end_and_section_start(blob);
        let accepted = (0..8 * section_start)
            .into_par_iter()
            .find_any(|&bit| !is_refused_after_flipping(blob, bit));
        assert_eq!(accepted, None);
    }
}

#[test]
fn flipped_bits_of_the_section_are_refused() {
    /// A prime number of bits, so that all positions in a byte come up.
    const STRIDE: usize = 10_007;
    for (blob, stride) in [(&*SMALL, 1), (&*BLOB, STRIDE)] {
        let (_, section_start) = graph_end_and_section_start(blob);
        let bits = (8 * section_start..8 * blob.len()).into_par_iter();
        let accepted = bits
            .step_by(stride)
            .find_any(|&bit| !is_refused_after_flipping(blob, bit));
        assert_eq!(accepted, None);
    }
}

/// With the CRC made right again, some flips are another valid network (another name, another zero point), and all
/// others must be found by the rules.
#[test]
fn flipped_bits_with_a_right_crc_do_no_harm() {
    let (_, section_start) = graph_end_and_section_start(&SMALL);
    let bits = (8 * 20..8 * section_start).into_par_iter();
    let (loaded, refused): (Vec<bool>, Vec<bool>) = bits
        .map(|bit| survives(&forged(&SMALL, |bytes| flip(bytes, bit))))
        .partition(|&loaded| loaded);
    assert!(
        !loaded.is_empty() && refused.len() > loaded.len(),
        "{} loaded, {} refused",
        loaded.len(),
        refused.len()
    );
}

#[test]
fn flipped_bits_of_the_committed_model_with_a_right_crc_do_no_harm() {
    const STRIDE: usize = 97;
    let (_, section_start) = graph_end_and_section_start(&BLOB);
    let graph = (8 * 20..8 * section_start).into_par_iter().step_by(STRIDE);
    let section = (8 * section_start..8 * BLOB.len()).into_par_iter();
    graph.chain(section.step_by(STRIDE * 997)).for_each(|bit| {
        survives(&forged(&BLOB, |bytes| flip(bytes, bit)));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn random_bytes_with_a_right_crc_do_no_harm(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        in_graph in any::<bool>(),
    ) {
        let (graph_end, section_start) = graph_end_and_section_start(&SMALL);
        let range = if in_graph { 20..graph_end } else { section_start..SMALL.len() };
        survives(&forged(&SMALL, |bytes| {
            for (index, value) in &changes {
                let position = range.start + index.index(range.len());
                bytes[position] = *value;
            }
        }));
    }

    #[test]
    fn arbitrary_graphs_do_no_harm(graph in prop::collection::vec(any::<u8>(), 0..256)) {
        let header = [&SMALL[..12], &[0; 8], &(graph.len() as u32).to_le_bytes()].concat();
        let blob = forged(&[header, graph].concat(), |bytes| {
            bytes.resize(bytes.len().next_multiple_of(16), 0);
            let total = bytes.len() as u32;
            bytes[12..16].copy_from_slice(&total.to_le_bytes());
        });
        prop_assert!(!survives(&blob));
    }
}
