//! Training and validation images.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The seed of the split that every figure of this project was made with.
pub const SPLIT_SEED: u64 = 2009;

/// Part of the training images of each class that validates.
pub const VALIDATION_FRACTION: f64 = 0.1;

/// Positions in the training set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitIndices {
    /// Ascending.
    pub training: Vec<usize>,
    /// Ascending.
    pub validation: Vec<usize>,
}

/// The split as positions: the same on every platform, and for every version of the libraries used here.
///
/// For the classes in turn, the images of the class, in order, are the candidates. As often as `fraction` of their number
/// is, rounded, candidate number `floor(r · n / 2^64)` of `n` becomes a validation image and the last
/// candidate takes its place; `r` is the next 64-bit output of one ChaCha8 generator for all classes, whose key is
/// `seed` in little-endian order followed by 24 zero bytes.
pub fn split_indices(labels: &[u8], fraction: f64, seed: u64) -> SplitIndices {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    let mut indices = SplitIndices { training: Vec::new(), validation: Vec::new() };
    for class in 0..=labels.iter().copied().max().unwrap_or(0) {
        let mut candidates: Vec<usize> = (0..labels.len()).filter(|&index| labels[index] == class).collect();
        for _ in 0..(candidates.len() as f64 * fraction).round() as usize {
            let drawn = (u128::from(generator.next_u64()) * candidates.len() as u128) >> 64;
            indices.validation.push(candidates.swap_remove(drawn as usize));
        }
        indices.training.extend(candidates);
    }
    indices.training.sort_unstable();
    indices.validation.sort_unstable();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many labels as CIFAR-10 has, 5,000 of each class, in an order of no particular regularity.
    fn labels() -> Vec<u8> {
        (0..50_000_u32).map(|i| (i.wrapping_mul(7919) % 50_000 % 10) as u8).collect()
    }

    #[test]
    fn every_class_gives_its_share_and_every_image_is_in_exactly_one_part() {
        let labels = labels();
        let indices = split_indices(&labels, VALIDATION_FRACTION, SPLIT_SEED);
        for class in 0..10 {
            let of_class = |indices: &[usize]| indices.iter().filter(|&&index| labels[index] == class).count();
            assert_eq!((of_class(&indices.training), of_class(&indices.validation)), (4500, 500), "class {class}");
        }
        let mut all = [indices.training.clone(), indices.validation.clone()].concat();
        assert!(indices.training.is_sorted() && indices.validation.is_sorted());
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50_000));
        assert_ne!(split_indices(&labels, VALIDATION_FRACTION, 1), split_indices(&labels, VALIDATION_FRACTION, 2));
    }

    #[test]
    fn small_classes_are_split_by_the_same_share() {
        let indices = split_indices(&[0, 1, 1, 1, 1, 1, 1], 0.25, 1);
        assert_eq!((indices.training.len(), indices.validation.len()), (5, 2));
    }
}
