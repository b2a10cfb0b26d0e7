//! What a run remembers of the pictures that it was trained on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder::{FolderReport, few, files_in_words, remarks};
use super::{Dataset, LabelledImages, NoneSource};
use crate::format::{self, hexadecimal};
use crate::output::safe;

/// Broken files whose names are kept.
const NAMED_FILES: usize = 10;

/// What of a [`FolderReport`] is kept, with a run and in a model's report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Files that are no readable pictures.
    pub broken: usize,
    /// Ten of them at most: path in the folder, and the reason.
    pub broken_files: Vec<String>,
    /// Files with the same content as another one of their class.
    pub duplicates: usize,
    /// Pictures that look like another one of their class, or are of one burst with it.
    pub alike: usize,
    /// What makes figures worth less than they seem, in sentences.
    pub warnings: Vec<String>,
}

impl Findings {
    /// What was found in `folder`.
    pub fn new(report: &FolderReport, folder: &Path) -> Self {
        let named = report.broken.iter().take(NAMED_FILES).map(|(path, reason)| {
            let path = path.strip_prefix(folder).unwrap_or(path);
            format!("{}: {}", safe(&path.display().to_string()), safe(reason))
        });
        Self {
            broken: report.broken.len(),
            broken_files: named.collect(),
            duplicates: report.duplicates,
            alike: report.alike,
            warnings: report.warnings.clone(),
        }
    }

    /// The findings in sentences.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.broken > 0 {
            let more = match self.broken.saturating_sub(self.broken_files.len()) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let (files, named) = (files_in_words(self.broken), self.broken_files.join("; "));
            lines.push(format!("{files} passed over, no readable pictures: {named}{more}"));
        }
        lines.extend(remarks(self.duplicates, self.alike, &self.warnings));
        lines
    }
}

/// Where pictures came from, and what tells them from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// Shape `[h, w, c]` that the pictures were reduced to.
    pub input: [u16; 3],
    /// Whether any number of broken files was passed over.
    pub skip_broken: bool,
    /// Where more pictures of none of the classes came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<NoneSource>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Pictures of each class: to train, validate and test with.
    pub pictures: [Vec<usize>; 3],
    /// What was found in the folder; runs of earlier versions do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// SHA-256 of shape, classes, labels and reduced pictures, in hexadecimal.
    pub sha256: String,
}

impl DataRecord {
    /// Of a data set that was read from `folder` alone, without the findings.
    pub fn new(dataset: &Dataset, folder: PathBuf, skip_broken: bool) -> Self {
        let none = LabelledImages::default();
        let parts = [&dataset.train, dataset.validation.as_ref().unwrap_or(&none), &dataset.test];
        let description = &dataset.description;
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&description.nameless()).expect("it is plain data"));
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
            none: None,
            labels: description.labels.clone(),
            pictures: dataset.images_per_class(),
            findings: None,
            sha256: hexadecimal(&hash),
        }
    }

    /// What differs from the pictures of `now`, in words; nothing if they are the same, wherever they lie.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        if self.sha256 == now.sha256 {
            return Vec::new();
        }
        if self.input != now.input {
            return vec![format!("--input was {} and is {}", format::input(self.input), format::input(now.input))];
        }
        let without = |these: &Self, those: &Self| -> Vec<String> {
            these.labels.iter().filter(|label| !those.labels.contains(label)).cloned().collect()
        };
        let changes = [("gone", without(self, now)), ("new", without(now, self))];
        let changes = changes.iter().filter(|(_, classes)| !classes.is_empty());
        let changes: Vec<String> = changes.map(|(how, classes)| format!("{how} classes: {}", few(classes))).collect();
        if !changes.is_empty() {
            return changes;
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
