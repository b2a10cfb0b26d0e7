//! The real data set: fetched where it is not there yet.

use std::fs;
use std::path::Path;

use crate::dataset::known_file::sha256;
use crate::dataset::*;

fn cifar10() -> Dataset {
    Dataset::cifar10(&default_directory()).unwrap()
}

#[test]
fn the_real_data_set_is_cifar10() {
    let dataset = cifar10();
    assert_eq!(dataset.train.labels[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(dataset.test.labels[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    assert_eq!(dataset.train.images_per_class(10), [5000; 10]);
    assert_eq!(dataset.test.images_per_class(10), [1000; 10]);

    assert_eq!(dataset.description, Description::cifar10());
}

#[test]
fn the_real_split_never_changes() {
    let dataset = cifar10();
    let indices = split_indices(&dataset.train.labels, VALIDATION_FRACTION, SPLIT_SEED);
    let bytes: Vec<u8> = indices
        .validation
        .iter()
        .flat_map(|&index| (index as u32).to_le_bytes())
        .collect();
    assert_eq!(
        (indices.training.len(), indices.validation.len()),
        (45_000, 5_000)
    );
    assert_eq!(indices.validation[..8], [1, 9, 19, 24, 34, 43, 45, 54]);
    // Computed apart from this code, from the description of `split_indices`.
    assert_eq!(
        sha256(&bytes),
        "7c782f8b96b5e51de34062ca8d7b47e76218c720c6f4e607a1ea655947eb6572"
    );

    let recipe = crate::recipe::Recipe::preset("vgg3-best").unwrap();
    let text = summary(&dataset.for_recipe(&recipe).unwrap());
    assert!(text.contains("validation [5000, 32, 32, 3]"), "{text}");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("4 deer 4500 500 1000"), "{text}");
}

#[test]
fn the_committed_samples_are_test_images() {
    let samples = default_directory().with_file_name("samples");
    let fresh = tempfile::tempdir().unwrap();
    write_samples(&cifar10().test, fresh.path()).unwrap();
    let pixels = |path: &Path| image::open(path).unwrap().into_rgb8();
    let pictures = fs::read_dir(fresh.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (exact, lossy): (Vec<_>, Vec<_>) =
        pictures.partition(|path| path.extension().unwrap() == "png");
    assert_eq!((exact.len(), lossy.len()), (11, 1));
    for path in exact {
        let committed = samples.join(path.file_name().unwrap());
        assert!(pixels(&committed) == pixels(&path), "{}", path.display());
    }

    // Another version of the encoder may write another JPEG of the same picture.
    let (png, jpeg) = (
        pixels(&samples.join("deer-320x256.png")),
        pixels(&samples.join("deer-320x256.jpg")),
    );
    let difference: u64 = png
        .iter()
        .zip(jpeg.iter())
        .map(|(&a, &b)| u64::from(a.abs_diff(b)))
        .sum();
    assert_eq!(png.dimensions(), jpeg.dimensions());
    assert!(
        difference < 12 * png.len() as u64,
        "{difference} over {} values",
        png.len()
    );
}
