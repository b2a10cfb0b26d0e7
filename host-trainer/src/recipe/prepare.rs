//! What a recipe takes of a data set.

use super::{Augmentation, Recipe};
use crate::dataset::{Dataset, LabelledImages, SPLIT_SEED, VALIDATION_FRACTION, split_indices};

impl Recipe {
    /// What this recipe trains on and is judged by, of `dataset`: validation images are split off unless it trains on all,
    /// and there are only the classes and as many images as it asks for.
    ///
    /// # Errors
    /// A sentence, if it names a class that is not there, or its shifts are too large.
    pub fn prepare(&self, dataset: &Dataset) -> Result<Dataset, String> {
        let [height, width, _] = dataset.description.shape;
        let Augmentation { shift, cutout, .. } = self.augmentation;
        for (pixels, what) in [(shift, "a shift"), (cutout, "a cutout")] {
            if pixels >= usize::from(height.min(width)) {
                return Err(format!("{what} of {pixels} pixels leaves nothing of an image of {height}×{width}"));
            }
        }
        let description = dataset.description.of_classes(self.classes.as_deref())?;
        let mut shape = description.shape();
        for layer in self.layers(description.labels.len()) {
            shape = layer.output(shape);
            if shape.elements() == 0 {
                let blocks = self.filters.len();
                return Err(format!(
                    "{blocks} blocks, each of which halves it, leave nothing of an image of {height}×{width}"
                ));
            }
        }
        let (train, validation) = if self.all_images {
            (dataset.train.clone(), None)
        } else {
            let indices = split_indices(&dataset.train.labels, VALIDATION_FRACTION, SPLIT_SEED);
            (dataset.train.select(&indices.training), Some(dataset.train.select(&indices.validation)))
        };
        let chosen = |images: &LabelledImages| images.relabelled(&dataset.description.labels, &description.labels);
        let limited = |images| {
            let mut images = chosen(images);
            images.truncate(self.image_limit.unwrap_or(usize::MAX));
            images
        };
        Ok(Dataset {
            train: limited(&train),
            validation: validation.as_ref().map(limited),
            test: chosen(&dataset.test),
            description,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Image;
    use shared_model::Shape;

    fn four_pixels(value: u8) -> Image {
        [value; 4].into()
    }

    fn dataset() -> Dataset {
        let images = |count: u8| LabelledImages {
            images: (0..count).map(four_pixels).collect(),
            labels: (0..count).map(|index| index % 3).collect(),
        };
        let labels = ["ant", "bee", "wasp"].map(str::to_owned).to_vec();
        Dataset::new("insects", Shape::new(2, 2, 1), labels, images(60), images(9))
    }

    fn recipe(classes: &[&str]) -> Recipe {
        Recipe {
            classes: Some(classes.iter().map(|&class| class.to_owned()).collect()),
            augmentation: Augmentation::NONE,
            ..Recipe::preset("vgg1").unwrap()
        }
    }

    #[test]
    fn images_of_chosen_classes_are_labelled_as_the_outputs_are() {
        let chosen = recipe(&["wasp", "ant"]).prepare(&dataset()).unwrap();
        let all = dataset();
        assert_eq!(chosen.description.labels, ["wasp", "ant"]);
        assert_eq!(chosen.description.statistics, all.description.statistics);
        let values: Vec<u8> = chosen.test.images.iter().map(|image| image[0]).collect();
        assert_eq!((values, chosen.test.labels), (vec![0, 2, 3, 5, 6, 8], vec![1, 0, 1, 0, 1, 0]));
        let validation = chosen.validation.unwrap();
        assert_eq!((chosen.train.len(), validation.images_per_class(2)), (36, vec![2, 2]));
    }

    #[test]
    fn classes_and_shifts_that_make_no_sense_are_refused() {
        for (classes, expected) in [
            (&["ant", "ant"][..], "twice"),
            (&["bee"], "two classes"),
            (&["bee", "fly"], "no class fly: the classes are ant"),
        ] {
            let error = recipe(classes).prepare(&dataset()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut shifted = recipe(&["ant", "bee"]);
        shifted.augmentation.shift = 2;
        assert!(shifted.prepare(&dataset()).unwrap_err().contains("a shift of 2 pixels"));
        let deep = Recipe { filters: vec![1; 2], block_dropout: vec![0.0; 2], ..recipe(&["ant", "bee"]) };
        assert!(deep.prepare(&dataset()).unwrap_err().contains("2 blocks, each of which halves it"));
    }
}
