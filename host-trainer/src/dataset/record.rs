//! What a run remembers of the pictures that it was trained on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Dataset, LabelledImages};

/// Where pictures came from, and what tells them from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// Shape `[h, w, c]` that the pictures were reduced to.
    pub input: [u16; 3],
    /// Whether any number of broken files was passed over.
    pub skip_broken: bool,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Pictures of each class: to train, validate and test with.
    pub pictures: [Vec<usize>; 3],
    /// SHA-256 of shape, classes, labels and reduced pictures, in hexadecimal.
    pub sha256: String,
}

impl DataRecord {
    /// Of a data set that was read from `folder`.
    pub fn new(dataset: &Dataset, folder: PathBuf, skip_broken: bool) -> Self {
        let none = LabelledImages::default();
        let parts = [&dataset.train, dataset.validation.as_ref().unwrap_or(&none), &dataset.test];
        let description = &dataset.description;
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(description).expect("it is plain data"));
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(&part.labels);
            part.images.iter().for_each(|image| hash.update(image));
        }
        let hash = hash.finalize();
        Self {
            folder,
            input: description.shape,
            skip_broken,
            labels: description.labels.clone(),
            pictures: parts.map(|part| part.images_per_class(description.labels.len())),
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// What differs from the pictures of `now`, in words; nothing if they are the same, wherever they lie.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        if self.sha256 == now.sha256 {
            return Vec::new();
        }
        let size = |[height, width, channels]: [u16; 3]| format!("{height}x{width}x{channels}");
        if self.input != now.input {
            return vec![format!("--input was {} and is {}", size(self.input), size(now.input))];
        }
        if self.labels != now.labels {
            return vec![format!("the classes were {} and are {}", self.labels.join(", "), now.labels.join(", "))];
        }
        let uses = ["to train", "to validate", "to test"];
        let counts = uses.into_iter().zip(self.pictures.iter().zip(&now.pictures)).flat_map(|(what, (then, now))| {
            let counts = self.labels.iter().zip(then.iter().zip(now));
            let differing = counts.filter(|(_, (then, now))| then != now);
            differing.map(move |(label, (then, now))| format!("{label} had {then} pictures {what} with and has {now}"))
        });
        let counts: Vec<String> = counts.collect();
        if counts.is_empty() {
            return vec!["there are as many pictures of each class, but other ones".to_owned()];
        }
        counts
    }
}
