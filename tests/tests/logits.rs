//! The committed model on the real test images: its logits, frozen, and every row of every step against the oracle.

use host_trainer::evaluate::classify_all;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use shared_model::testing::assert_equals_oracle;
use shared_model::{Backend, Interpreter};
use tests::reference::{MODEL, TEST_SET, test_images};

/// SHA-256 of the logits, 32 bits little-endian, of so many of the first images.
const LOGITS: [(usize, &str); 2] = [
    (100, "0f8f1b6a4d51d8f9fb44e94e89091560cddd4b3e651e8d757f8cd03f949fc10f"),
    (10_000, "8366042e6d6edf790238110d18b9752644caecafc947f1376400b179f1519b6e"),
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
        for backend in Backend::ALL {
            for arena_len in [MODEL.arena_len_on(backend), 48 * 1024, 64 * 1024, 1024 * 1024] {
                let mut arena = vec![0; arena_len];
                let mut interpreter = Interpreter::on(backend, &MODEL, &mut arena).unwrap();
                assert_equals_oracle(&mut interpreter, image);
            }
        }
    });
}
