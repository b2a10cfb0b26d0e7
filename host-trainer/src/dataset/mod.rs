//! Labelled images: CIFAR-10, its split and its summary.

mod cifar10;
mod error;
mod split;
mod summary;

use std::path::{Path, PathBuf};

pub use cifar10::{CLASSES, SHAPE, fetch, write_samples};
pub use error::DatasetError;
pub use split::{
    SPLIT_SEED, Split, SplitIndices, VALIDATION_IMAGES_PER_CLASS, split, split_indices,
};
pub use summary::summary;

/// Height and width of an image in pixels.
pub const IMAGE_SIDE: usize = SHAPE.height as usize;

/// Colour channels of an image.
pub const IMAGE_CHANNELS: usize = SHAPE.channels as usize;

/// One image, `[h, w, c]`.
pub type Image = [u8; SHAPE.elements()];

/// The data set as published.
#[derive(Debug, Clone)]
pub struct Cifar10 {
    /// 50,000 images.
    pub train: LabelledImages,
    /// 10,000 images, for final figures only.
    pub test: LabelledImages,
}

impl Cifar10 {
    /// Reads and verifies the six official files in `directory`.
    ///
    /// # Errors
    /// [`DatasetError::Unusable`] with the file that is missing or altered, and the remedy; [`DatasetError::Io`].
    pub fn load(directory: &Path) -> Result<Self, DatasetError> {
        let (train, test) = cifar10::load(directory)?;
        Ok(Self { train, test })
    }

    /// Reads the data set in `directory` after [`fetch`]ing what is missing.
    ///
    /// # Errors
    /// As [`fetch`] and [`Cifar10::load`].
    pub fn fetch_and_load(directory: &Path) -> Result<Self, DatasetError> {
        fetch(directory)?;
        Self::load(directory)
    }
}

/// Images and their labels, in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledImages {
    /// The images.
    pub images: Vec<Image>,
    /// As many labels, 0 to 9: positions in [`CLASSES`].
    pub labels: Vec<u8>,
}

impl LabelledImages {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Keeps the first `count` images, all if there are fewer.
    pub fn truncate(&mut self, count: usize) {
        self.images.truncate(count);
        self.labels.truncate(count);
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is not below [`LabelledImages::len`].
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            images: indices.iter().map(|&index| self.images[index]).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
        }
    }

    /// The images of the given classes, labelled with the classes' positions in `classes`.
    pub fn of_classes(&self, classes: &[u8]) -> Self {
        let position = |label: u8| classes.iter().position(|&class| class == label);
        let (images, labels) = self
            .images
            .iter()
            .zip(&self.labels)
            .filter_map(|(image, &label)| Some((*image, position(label)? as u8)))
            .unzip();
        Self { images, labels }
    }

    /// How many images there are of each class.
    pub fn images_per_class(&self) -> [usize; CLASSES.len()] {
        let mut counts = [0; CLASSES.len()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}

/// `data/cifar-10` of this repository, wherever the program is started from.
pub fn default_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    workspace
        .expect("the crate lies in a folder of the workspace")
        .join("data/cifar-10")
}
