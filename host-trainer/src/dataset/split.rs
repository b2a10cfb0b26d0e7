//! Training and validation images.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{CLASSES, LabelledImages};

/// The seed of the split that every figure of this project was made with.
pub const SPLIT_SEED: u64 = 2009;

/// Validation images of each class.
pub const VALIDATION_IMAGES_PER_CLASS: usize = 500;

/// The training set in two parts without an image in common.
#[derive(Debug, Clone)]
pub struct Split {
    /// For the weights: 45,000 images, 4,500 of each class.
    pub training: LabelledImages,
    /// For every choice: 5,000 images, 500 of each class.
    pub validation: LabelledImages,
}

/// Splits the training set, stratified; see [`split_indices`]. Both parts keep the order of `train`.
pub fn split(train: &LabelledImages, seed: u64) -> Split {
    let indices = split_indices(&train.labels, seed);
    Split {
        training: train.select(&indices.training),
        validation: train.select(&indices.validation),
    }
}

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
/// For the classes 0 to 9 in turn, the images of the class, in order, are the candidates. Five hundred times
/// (or until none is left) candidate number `floor(r · n / 2^64)` of `n` becomes a validation image and the last
/// candidate takes its place; `r` is the next 64-bit output of one ChaCha8 generator for all classes, whose key is
/// `seed` in little-endian order followed by 24 zero bytes.
pub fn split_indices(labels: &[u8], seed: u64) -> SplitIndices {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    let mut indices = SplitIndices {
        training: Vec::new(),
        validation: Vec::new(),
    };
    for class in 0..CLASSES.len() {
        let mut candidates: Vec<usize> = (0..labels.len())
            .filter(|&index| usize::from(labels[index]) == class)
            .collect();
        for _ in 0..VALIDATION_IMAGES_PER_CLASS.min(candidates.len()) {
            let drawn = (u128::from(generator.next_u64()) * candidates.len() as u128) >> 64;
            indices
                .validation
                .push(candidates.swap_remove(drawn as usize));
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
        (0..50_000_u32)
            .map(|i| (i.wrapping_mul(7919) % 50_000 % 10) as u8)
            .collect()
    }

    #[test]
    fn every_class_gives_five_hundred() {
        let labels = labels();
        let indices = split_indices(&labels, SPLIT_SEED);
        for class in 0..10 {
            let of_class = |indices: &[usize]| {
                indices
                    .iter()
                    .filter(|&&index| labels[index] == class)
                    .count()
            };
            assert_eq!(
                (of_class(&indices.training), of_class(&indices.validation)),
                (4500, 500),
                "class {class}"
            );
        }
    }

    #[test]
    fn every_image_is_in_exactly_one_part() {
        let indices = split_indices(&labels(), SPLIT_SEED);
        let mut all = [indices.training.clone(), indices.validation.clone()].concat();
        assert!(indices.training.is_sorted() && indices.validation.is_sorted());
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50_000));
    }

    #[test]
    fn seeds_differ_and_one_seed_never_does() {
        let labels = labels();
        assert_eq!(split_indices(&labels, 1), split_indices(&labels, 1));
        assert_ne!(split_indices(&labels, 1), split_indices(&labels, 2));
    }
}
