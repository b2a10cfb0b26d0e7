//! What a network is trained on and measured with: [`Dataset`], made from CIFAR-10 or from a folder of pictures.
//!
//! The six official `.bin` files of CIFAR-10 lie in one folder ([`default_directory`]). Every load compares them with the
//! published hashes: what [`Dataset::cifar10`] returns is the data set, bit for bit. [`Dataset::folder`] takes pictures of one's own.

mod cifar10;
mod error;
mod folder;
mod images;
mod record;
mod split;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared_model::Shape;

use crate::output::{columns, padded};
use crate::{files, format, pictures};
use cifar10::{CLASSES, SHAPE};
pub use cifar10::{SHAPE as CIFAR10_SHAPE, fetch, is_cifar10, write_samples};
pub use error::DatasetError;
pub use folder::{FolderReport, FolderSettings, NONE_FOLDER, NONE_LABEL, NoneSource};
pub use images::{Image, LabelledImages};
pub use record::{DataRecord, Findings};
pub use split::{SPLIT_SEED, SplitIndices, VALIDATION_FRACTION, split_indices};

/// Labelled images in the parts that a classifier is trained, chosen and measured with.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What all images have in common.
    pub description: Description,
    /// For the weights.
    pub train: LabelledImages,
    /// For every choice; `None` if nothing was split off.
    pub validation: Option<LabelledImages>,
    /// For final figures only.
    pub test: LabelledImages,
    /// Where the images are from, if they are a folder of pictures.
    pub record: Option<DataRecord>,
}

/// What is kept of a data set with a run and a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name of the data set.
    pub name: String,
    /// Shape `[h, w, c]` of an image.
    pub shape: [u16; 3],
    /// Names of the classes: an image's label is a position in them.
    pub labels: Vec<String>,
    /// The class of pictures that show none of the others, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<u16>,
    /// Of the training images, those for validation included.
    pub statistics: ChannelStatistics,
}

/// Mean and standard deviation of each channel, of pixels scaled to 0…1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// One a channel.
    pub mean: Vec<f32>,
    /// One a channel.
    pub deviation: Vec<f32>,
}

impl Dataset {
    /// A data set whose statistics are computed from `train`.
    pub fn new(name: &str, shape: Shape, labels: Vec<String>, train: LabelledImages, test: LabelledImages) -> Self {
        let statistics = ChannelStatistics::of(&train.images, shape.channels.into());
        let description = Description {
            name: name.to_owned(),
            shape: [shape.height, shape.width, shape.channels],
            labels,
            none: None,
            statistics,
        };
        Self { description, train, validation: None, test, record: None }
    }

    /// Reads CIFAR-10 in `directory`, and verifies it, after [`fetch`]ing what is missing.
    ///
    /// # Errors
    /// As [`fetch`]; [`DatasetError::Unusable`] with the file that is altered, and the remedy.
    pub fn cifar10(directory: &Path) -> Result<Self, DatasetError> {
        // A load verifies every byte: what is complete need not be verified twice.
        let (train, test) = cifar10::load(directory).or_else(|_| {
            fetch(directory)?;
            cifar10::load(directory)
        })?;
        Ok(Self::new("CIFAR-10", SHAPE, CLASSES.map(str::to_owned).to_vec(), train, test))
    }

    /// The same images as a network with such an input sees them: see [`pictures::reduce`]. A picture that is smaller
    /// than the input is enlarged.
    ///
    /// # Panics
    /// If `shape` is none of a network's input.
    #[must_use]
    pub fn with_input(self, shape: Shape) -> Self {
        let before = self.description.shape();
        if shape == before {
            return self;
        }
        let part = |part: LabelledImages| LabelledImages { images: resized(&part.images, before, shape), ..part };
        let (train, test) = (part(self.train), part(self.test));
        let mut dataset = Self::new(&self.description.name, shape, self.description.labels, train, test);
        dataset.description.none = self.description.none;
        dataset.validation = self.validation.map(part);
        dataset
    }

    /// Images of each class: to train, validate and test with.
    pub fn images_per_class(&self) -> [Vec<usize>; 3] {
        let classes = self.description.labels.len();
        let validation =
            self.validation.as_ref().map_or_else(|| vec![0; classes], |part| part.images_per_class(classes));
        [self.train.images_per_class(classes), validation, self.test.images_per_class(classes)]
    }

    /// Shapes, and the images of each class in each part, as a table in plain text.
    pub fn summary(&self) -> String {
        let description = &self.description;
        let parts =
            [("training", Some(&self.train)), ("validation", self.validation.as_ref()), ("test", Some(&self.test))];
        let parts: Vec<_> = parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect();
        let mut text = format!("{}, shapes [images, height, width, channels] of u8:\n", description.name);
        let [height, width, channels] = description.shape;
        for (name, part) in &parts {
            let _ = writeln!(text, "  {name:<11}[{}, {height}, {width}, {channels}]", part.len());
        }
        let width = description.labels.iter().map(|label| columns(label) + 4).max().unwrap_or(0).max(14);
        let mut row = |name: &str, cells: Vec<String>| {
            let _ = write!(text, "\n{}", padded(name, width));
            for cell in cells {
                let _ = write!(text, "{cell:>12}");
            }
        };
        row("class", parts.iter().map(|(name, _)| (*name).to_owned()).collect());
        let classes = description.labels.len();
        let counts: Vec<Vec<usize>> = parts.iter().map(|(_, part)| part.images_per_class(classes)).collect();
        for (class, label) in description.labels.iter().enumerate() {
            row(&format!("{class} {label}"), counts.iter().map(|counts| counts[class].to_string()).collect());
        }
        row("all", parts.iter().map(|(_, part)| part.len().to_string()).collect());
        text + "\n"
    }
}

impl Description {
    /// CIFAR-10's, with the statistics that [`Dataset::new`] finds.
    pub fn cifar10() -> Self {
        Self {
            name: "CIFAR-10".to_owned(),
            shape: [SHAPE.height, SHAPE.width, SHAPE.channels],
            labels: CLASSES.map(str::to_owned).to_vec(),
            none: None,
            statistics: ChannelStatistics {
                mean: vec![0.49140, 0.48216, 0.44653],
                deviation: vec![0.24703, 0.24349, 0.26159],
            },
        }
    }

    /// What tells it from others: a folder may get another name.
    pub fn nameless(&self) -> Self {
        Self { name: String::new(), ..self.clone() }
    }

    /// Shape of an image.
    pub fn shape(&self) -> Shape {
        let [height, width, channels] = self.shape;
        Shape::new(height, width, channels)
    }

    /// Shape of an image as `--input` takes it.
    pub fn input_flag(&self) -> String {
        format::input(self.shape)
    }

    /// The same where the images have another shape than CIFAR-10's.
    pub fn other_input_flag(&self) -> Option<String> {
        (self.shape() != CIFAR10_SHAPE).then(|| self.input_flag())
    }

    /// The same with the classes given only, in their order; with all for `None`.
    ///
    /// # Errors
    /// A sentence, if one is not there or is given twice, or if there are fewer than two.
    pub fn of_classes(&self, classes: Option<&[String]>) -> Result<Self, String> {
        let Some(classes) = classes else {
            return Ok(self.clone());
        };
        for (index, class) in classes.iter().enumerate() {
            if !self.labels.contains(class) {
                return Err(format!("there is no class {class}: the classes are {}", self.labels.join(", ")));
            }
            if classes[..index].contains(class) {
                return Err(format!("the class {class} is given twice"));
            }
        }
        if classes.len() < 2 {
            return Err("a network tells at least two classes apart".to_owned());
        }
        let none = self.none.and_then(|none| self.labels.get(usize::from(none)));
        let none = none.and_then(|none| classes.iter().position(|class| class == none));
        Ok(Self { labels: classes.to_vec(), none: none.map(|none| none as u16), ..self.clone() })
    }
}

impl ChannelStatistics {
    /// Of `images` with so many channels, to five decimals: as they are published for well-known data sets, and the same
    /// however they were added up. Of a channel that is the same everywhere the deviation is 1, because it is to be divided by.
    pub fn of(images: &[Image], channels: usize) -> Self {
        let mut sums = vec![[0_u64; 2]; channels];
        for image in images {
            for pixel in image.chunks_exact(channels) {
                for ([sum, squares], &value) in sums.iter_mut().zip(pixel) {
                    *sum += u64::from(value);
                    *squares += u64::from(value) * u64::from(value);
                }
            }
        }
        let pixels = images.iter().map(|image| image.len() / channels).sum::<usize>().max(1) as f64;
        let rounded = |value: f64| ((value * 1e5).round() / 1e5) as f32;
        let moments = sums.iter().map(|[sum, squares]| {
            let mean = *sum as f64 / pixels / 255.0;
            let variance = *squares as f64 / pixels / (255.0 * 255.0) - mean * mean;
            let deviation = rounded(variance.max(0.0).sqrt());
            (rounded(mean), if deviation > 0.0 { deviation } else { 1.0 })
        });
        let (mean, deviation) = moments.unzip();
        Self { mean, deviation }
    }
}

/// Coloured images of one shape in another.
fn resized(images: &[Image], from: Shape, to: Shape) -> Vec<Image> {
    images.par_iter().map(|image| pictures::reduce_rgb(image, [from.width, from.height], to)).collect()
}

/// `data/cifar-10` of this repository, wherever the program is started from.
pub fn default_directory() -> PathBuf {
    files::in_repository("data/cifar-10")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_pixels() {
        let images = [[0, 255].into(), [255, 255].into()];
        let statistics = ChannelStatistics::of(&images, 1);
        assert_eq!((statistics.mean, statistics.deviation), (vec![0.75], vec![0.43301]));
        let black = ChannelStatistics::of(&[[0, 0].into()], 1);
        assert_eq!((black.mean, black.deviation), (vec![0.0], vec![1.0]));
    }

    #[test]
    fn another_input_is_what_a_network_then_sees() {
        let [red, blue] = [[255, 0, 0], [0, 0, 255]].map(|pixel: [u8; 3]| Image::from(pixel.repeat(8 * 8)));
        let images = |images: &[Image]| LabelledImages { images: images.to_vec(), labels: vec![0; images.len()] };
        let labels = || vec!["ant".to_owned(), "bee".to_owned()];
        let dataset = Dataset::new("two", Shape::new(8, 8, 3), labels(), images(&[red, blue.clone()]), images(&[blue]));
        let same = dataset.clone().with_input(Shape::new(8, 8, 3));
        assert_eq!((same.description, same.train), (dataset.description.clone(), dataset.train.clone()));
        let grey = dataset.with_input(Shape::new(16, 24, 1));
        assert_eq!(grey.description.shape, [16, 24, 1]);
        assert_eq!(grey.description.statistics.mean.len(), 1);
        // ITU-R BT.601: 0.299 red, 0.114 blue.
        let sizes =
            [&grey.train.images[0], &grey.train.images[1], &grey.test.images[0]].map(|image| (image.len(), image[0]));
        assert_eq!(sizes, [(384, 77), (384, 29), (384, 29)]);
        assert_eq!(grey.train.labels, [0, 0]);
    }
}
