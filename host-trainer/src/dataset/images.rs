//! Labelled images in memory.

use std::sync::Arc;

/// One image, `[h, w, c]`.
pub type Image = Arc<[u8]>;

/// Images and their labels, in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledImages {
    /// The images.
    pub images: Vec<Image>,
    /// As many labels, positions in the data set's classes.
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
            images: indices.iter().map(|&index| self.images[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
        }
    }

    /// These images and then the `others`.
    pub fn joined(&self, others: &Self) -> Self {
        Self {
            images: [&self.images[..], &others.images].concat(),
            labels: [&self.labels[..], &others.labels].concat(),
        }
    }

    /// The images of the classes `kept` of `classes`, labelled with positions in `kept`.
    pub fn relabelled(&self, classes: &[String], kept: &[String]) -> Self {
        let position = |&label: &u8| kept.iter().position(|class| *class == classes[usize::from(label)]);
        let pairs = self.images.iter().zip(&self.labels);
        let kept = pairs.filter_map(|(image, label)| Some((image.clone(), position(label)? as u8)));
        let (images, labels) = kept.unzip();
        Self { images, labels }
    }

    /// How many images there are of each of so many classes.
    pub fn images_per_class(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}
