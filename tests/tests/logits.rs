//! The committed model on the real test images: its logits, frozen, and every row of every step against the oracle.

use host_trainer::evaluate::classify_all;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use shared_model::testing::oracle;
use shared_model::{Backend, Interpreter};
use tests::reference::{MODEL, TEST_SET, test_images};

/// SHA-256 of the logits, 32 bits little-endian, of so many of the first images.
const LOGITS: [(usize, &str); 2] = [
    (100, "e43816f1f06570b1d30ec2f5d3b364f024b1dd4b584890fb111f8ab048bb68d4"),
    (10_000, "401c4858ed337a2d4c95a6570903e2f613a661739ac14e77315981a0f02923fd"),
];

#[test]
fn logits_are_these() {
    let answers = classify_all(&MODEL, &TEST_SET.images);
    assert_eq!(answers.len(), 10_000);
    for (count, expected) in LOGITS {
        let logits = answers[..count].iter().flat_map(|answer| &answer.logits);
        let bytes: Vec<u8> = logits.flat_map(|logit| logit.to_le_bytes()).collect();
        let digest = Sha256::digest(bytes);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, expected, "of {count} images");
    }
}

#[test]
fn rows_equal_the_oracle() {
    test_images(8).images.par_iter().for_each(|image| {
        let answer = oracle(&MODEL, image);
        for backend in Backend::ALL {
            for arena_len in [MODEL.arena_len_on(backend), 48 * 1024, 64 * 1024, 1024 * 1024] {
                let mut arena = vec![0; arena_len];
                let mut interpreter = Interpreter::on(backend, &MODEL, &mut arena).unwrap();
                answer.assert_computed_by(&mut interpreter, image);
            }
        }
    });
}
