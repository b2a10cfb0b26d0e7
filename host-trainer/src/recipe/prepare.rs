//! What a recipe takes of a data set.

use super::{Augmentation, Recipe};
use shared_model::graph::MAX_ELEMENTS;

use crate::dataset::{Dataset, Description, LabelledImages, SPLIT_SEED, VALIDATION_FRACTION, split_indices};

impl Recipe {
    /// What this recipe trains on and is judged by, of `dataset`: validation images are split off unless it trains on all,
    /// and there are only the classes and as many images as it asks for. A recipe for a camera is chosen, calibrated and given its
    /// threshold by validation images as that camera gives them.
    ///
    /// # Errors
    /// A sentence, if it names a class that is not there, its shifts are too large, or images of that size do not suit its network.
    pub fn prepare(&self, dataset: &Dataset) -> Result<Dataset, String> {
        let [height, width, _] = dataset.description.shape;
        let Augmentation { shift, cutout, .. } = self.augmentation;
        for (pixels, what) in [(shift, "a shift"), (cutout, "a cutout")] {
            if pixels >= usize::from(height.min(width)) {
                return Err(format!("{what} of {pixels} pixels leaves nothing of an image of {height}×{width}"));
            }
        }
        let description = dataset.description.of_classes(self.classes.as_deref())?;
        self.check_shape(&description)?;
        let (train, validation) = match (&dataset.validation, self.all_images) {
            (None, true) => (dataset.train.clone(), None),
            (Some(validation), true) => (dataset.train.joined(validation), None),
            (Some(validation), false) => (dataset.train.clone(), Some(validation.clone())),
            (None, false) => {
                let indices = split_indices(&dataset.train.labels, VALIDATION_FRACTION, SPLIT_SEED);
                (dataset.train.select(&indices.training), Some(dataset.train.select(&indices.validation)))
            }
        };
        let chosen = |images: &LabelledImages| images.relabelled(&dataset.description.labels, &description.labels);
        let limited = |images| {
            let mut images = chosen(images);
            images.truncate(self.image_limit.unwrap_or(usize::MAX));
            images
        };
        let mut validation = validation.as_ref().map(limited);
        if let (Some(camera), Some(validation)) = (self.augmentation.camera, &mut validation) {
            camera.photograph_all(&mut validation.images, description.shape(), SPLIT_SEED);
        }
        Ok(Dataset {
            train: limited(&train),
            validation,
            test: chosen(&dataset.test),
            description,
            record: dataset.record.clone(),
        })
    }

    /// Says how the sides of images do not suit the network's layers, if they do not.
    fn check_shape(&self, description: &Description) -> Result<(), String> {
        let input = description.shape();
        let (pools, unit) = (self.filters.len(), 1 << self.filters.len());
        if [input.height, input.width].iter().any(|side| *side < unit || side % unit != 0) {
            let near = |side: u16| (side / unit).max(1) * unit;
            let (height, width) = (near(input.height), near(input.width));
            return Err(format!(
                "an input of {input} does not suit a network with {pools} pools, each of which halves it: sides must be multiples of {unit}, as in {height}x{width}x{}",
                input.channels
            ));
        }
        let mut shape = input;
        for layer in self.layers(description.labels.len()) {
            shape = layer.output(shape);
            if shape.elements() > MAX_ELEMENTS {
                return Err(format!(
                    "an input of {input} is too large for this network: {} numbers stand between two layers, and a blob has at most {MAX_ELEMENTS}; take shorter sides",
                    shape.elements()
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Camera;
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
        assert_eq!(chosen.description.none, None);
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
    }

    #[test]
    fn a_split_that_is_there_is_kept() {
        let mut split = dataset();
        split.description.none = Some(2);
        split.validation = Some(split.test.clone());
        let kept = recipe(&["wasp", "bee"]).prepare(&split).unwrap();
        assert_eq!((kept.train.len(), kept.validation.unwrap().len(), kept.description.none), (40, 6, Some(0)));
        let all = Recipe { all_images: true, ..recipe(&["ant", "bee"]) }.prepare(&split).unwrap();
        assert_eq!((all.train.len(), all.validation, all.description.none), (46, None, None));
    }

    #[test]
    fn a_recipe_for_a_camera_is_chosen_by_what_that_camera_gives() {
        let mut for_camera = recipe(&["ant", "bee"]);
        let plain = for_camera.prepare(&dataset()).unwrap();
        for_camera.augmentation.camera = Some(Camera::Ov2640);
        let [once, again] = [0, 1].map(|_| for_camera.prepare(&dataset()).unwrap());
        assert_ne!(once.validation, plain.validation);
        assert_eq!(once.validation, again.validation);
        assert_eq!((once.train, once.test), (plain.train, plain.test));
    }

    #[test]
    fn images_that_do_not_suit_the_network_are_refused() {
        let deep = Recipe { classes: None, ..recipe(&[]) };
        for (filters, shape, expected) in [
            (vec![8, 8], [2, 4, 1], "multiples of 4, as in 4x4x1"),
            (vec![8, 8], [12, 30, 3], "multiples of 4, as in 12x28x3"),
            (vec![32], [256, 256, 3], "2097152 numbers stand between two layers"),
        ] {
            let mut data = dataset();
            data.description.shape = shape;
            let error = Recipe { filters, block_dropout: vec![0.0; 2], ..deep.clone() }.prepare(&data).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
