//! Images and labels become batches: shuffled, augmented, scaled, with the dropout masks that belong to them.
//!
//! Everything random here comes from (seed, epoch), so an epoch is the same whether the run was interrupted before it
//! or not.

use std::ops::Range;
use std::sync::mpsc;
use std::thread::Scope;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use shared_model::Shape;

use crate::camera;
use crate::dataset::{ChannelStatistics, Dataset, Image};
use crate::network::{DropoutMasks, to_tensor};
use crate::recipe::{Augmentation, Border, LayerConfig, Recipe};

/// One training step's input.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, channels, height, width]`, normalized.
    pub images: Tensor<4>,
    /// `[batch]`.
    pub labels: Tensor<1, Int>,
    /// What dropout keeps.
    pub masks: DropoutMasks,
}

impl Batch {
    /// Images of the batch.
    pub fn len(&self) -> usize {
        self.labels.dims()[0]
    }

    /// Whether it has no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cuts the batch into at most `parts` parts of equal size (the last may be smaller).
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let size = self.len().div_ceil(parts);
        (0..self.len()).step_by(size).map(|start| self.slice(start..(start + size).min(self.len()))).collect()
    }

    /// The same batch for a network on an autodiff device.
    pub fn on_autodiff(self) -> Self {
        Self {
            images: Tensor::from_inner(self.images),
            labels: Tensor::from_inner(self.labels),
            masks: self.masks.into_iter().map(Tensor::from_inner).collect(),
        }
    }

    fn slice(&self, range: Range<usize>) -> Self {
        Self {
            images: self.images.clone().slice(range.clone()),
            labels: self.labels.clone().slice(range.clone()),
            masks: self.masks.iter().map(|mask| mask.clone().slice(range.clone())).collect(),
        }
    }
}

/// The training batches of one epoch. An incomplete last batch is left out: its images come up in other epochs.
pub struct EpochBatches<'a> {
    recipe: &'a Recipe,
    dataset: &'a Dataset,
    statistics: ChannelStatistics,
    layers: Vec<LayerConfig>,
    device: &'a Device,
    order: Vec<usize>,
    random: ChaCha8Rng,
    next: usize,
}

impl<'a> EpochBatches<'a> {
    /// The batches of epoch `epoch`, counted from 1, on `device`, which is without autodiff.
    pub fn new(recipe: &'a Recipe, dataset: &'a Dataset, epoch: usize, device: &'a Device) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(recipe.seed);
        random.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..dataset.train.len()).collect();
        order.shuffle(&mut random);
        let statistics = recipe.normalization.statistics(&dataset.description.statistics);
        let layers = recipe.layers(dataset.description.labels.len());
        Self { recipe, dataset, statistics, layers, device, order, random, next: 0 }
    }

    /// The same batches, each of which a thread of `scope` makes while the one before is trained on.
    pub fn ahead<'scope>(self, scope: &'scope Scope<'scope, '_>) -> impl Iterator<Item = Batch>
    where
        Self: 'scope,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        scope.spawn(move || {
            for batch in self {
                // Without a receiver the epoch was given up.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        receiver.into_iter()
    }

    /// Batches in one epoch of `images` images: at least one.
    pub fn count(images: usize, batch_size: usize) -> usize {
        (images / batch_size).max(1)
    }
}

impl Iterator for EpochBatches<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let size = self.recipe.batch_size.min(self.order.len());
        let indices = self.order.get(self.next..self.next + size)?;
        self.next += size;
        let shape = self.dataset.description.shape();
        let train = &self.dataset.train;
        let augmented = indices
            .iter()
            .map(|&index| augment(&train.images[index], shape, self.recipe.augmentation, &mut self.random));
        let augmented: Vec<Image> = augmented.collect();
        let labels: Vec<u8> = indices.iter().map(|&index| train.labels[index]).collect();
        Some(Batch {
            images: to_tensor(&augmented, shape, &self.statistics, self.device),
            labels: labels_to_tensor(&labels, self.device),
            masks: draw_masks(&self.layers, shape, size, &mut self.random, self.device),
        })
    }
}

/// Labels as a tensor, `[batch]`.
pub fn labels_to_tensor(labels: &[u8], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| i32::from(label)).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), device)
}

fn augment(image: &Image, shape: Shape, augmentation: Augmentation, random: &mut impl Rng) -> Image {
    let [height, width, _] = shape.dimensions();
    let mut result = if augmentation.shift > 0 || augmentation.flip {
        let reach = augmentation.shift as i32;
        let offset = [random.random_range(-reach..=reach), random.random_range(-reach..=reach)];
        let flip = augmentation.flip && random.random();
        shift_and_flip(image, shape, offset, flip, augmentation.border)
    } else {
        image.to_vec()
    };
    if augmentation.zoom > 0 {
        let reach = f32::from(augmentation.zoom) / 100.0;
        let scale = (1.0 + reach).powf(random.random_range(-1.0..=1.0));
        result = camera::sampled(&result, shape, [scale; 2]);
    }
    if let Some(camera) = augmentation.camera {
        camera.augment(&mut result, shape, random);
    }
    if augmentation.cutout > 0 {
        let centre = [random.random_range(0..height), random.random_range(0..width)];
        cut_out(&mut result, shape, centre, augmentation.cutout);
    }
    result.into()
}

fn shift_and_flip(image: &[u8], shape: Shape, [dy, dx]: [i32; 2], flip: bool, border: Border) -> Vec<u8> {
    let [height, width, channels] = shape.dimensions();
    let mut result = vec![0; image.len()];
    for (y, row) in result.chunks_exact_mut(width * channels).enumerate() {
        let source_row = inside(y as i32 + dy, height, border) * width;
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let x = if flip { width - 1 - x } else { x };
            let source = (source_row + inside(x as i32 + dx, width, border)) * channels;
            pixel.copy_from_slice(&image[source..source + channels]);
        }
    }
    result
}

/// The coordinate inside a side of `length` that stands for one up to a side beyond it.
fn inside(coordinate: i32, length: usize, border: Border) -> usize {
    let last = length as i32 - 1;
    let folded = match border {
        Border::Nearest => coordinate.clamp(0, last),
        Border::Reflect if coordinate < 0 => -coordinate,
        Border::Reflect if coordinate > last => 2 * last - coordinate,
        Border::Reflect => coordinate,
    };
    folded.clamp(0, last) as usize
}

/// DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017): a grey square,
/// which may reach over the edge.
fn cut_out(image: &mut [u8], shape: Shape, [y, x]: [usize; 2], side: usize) {
    const GREY: u8 = 120;
    let [height, width, channels] = shape.dimensions();
    let span = |centre: usize, length| centre.saturating_sub(side / 2)..(centre + side.div_ceil(2)).min(length);
    let columns = span(x, width);
    for row in span(y, height) {
        let start = row * width;
        image[(start + columns.start) * channels..(start + columns.end) * channels].fill(GREY);
    }
}

/// A mask for each dropout layer, in order.
fn draw_masks(
    layers: &[LayerConfig],
    input: Shape,
    batch: usize,
    random: &mut impl Rng,
    device: &Device,
) -> DropoutMasks {
    let mut shape = input;
    let mut masks = Vec::new();
    for layer in layers {
        if let LayerConfig::Dropout { rate } = *layer {
            let [height, width, channels] = shape.dimensions();
            masks.push(draw_mask([batch, channels, height, width], rate, random, device));
        }
        shape = layer.output(shape);
    }
    masks
}

fn draw_mask(shape: [usize; 4], rate: f64, random: &mut impl Rng, device: &Device) -> Tensor<4> {
    let mut bytes = vec![0; 2 * shape.iter().product::<usize>()];
    random.fill_bytes(&mut bytes);
    let threshold = (rate * 65536.0) as u16;
    let kept = (1.0 / (1.0 - rate)) as f32;
    let draws = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let values = draws.map(|draw| if draw < threshold { 0.0 } else { kept });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::new(24, 32, 3);

    /// Each pixel says where it is: red the row, green the column.
    fn coordinates() -> Vec<u8> {
        let pixels = (0..24).flat_map(|y| (0..32).map(move |x| [y, x, 0]));
        pixels.flatten().collect()
    }

    fn pixel(image: &[u8], y: usize, x: usize) -> (u8, u8) {
        let start = (y * 32 + x) * 3;
        (image[start], image[start + 1])
    }

    #[test]
    fn shift_takes_the_border_that_the_recipe_names() {
        let nearest = shift_and_flip(&coordinates(), SHAPE, [-2, 3], false, Border::Nearest);
        assert_eq!(pixel(&nearest, 0, 0), (0, 3));
        assert_eq!(pixel(&nearest, 10, 31), (8, 31));
        let reflected = shift_and_flip(&coordinates(), SHAPE, [-2, 3], false, Border::Reflect);
        assert_eq!(pixel(&reflected, 0, 0), (2, 3));
        assert_eq!(pixel(&reflected, 10, 31), (8, 28));
    }

    #[test]
    fn flip_mirrors_columns_only() {
        let flip = |image: &[u8]| shift_and_flip(image, SHAPE, [0, 0], true, Border::Nearest);
        let flipped = flip(&coordinates());
        assert_eq!(pixel(&flipped, 5, 0), (5, 31));
        assert_eq!(flip(&flipped), coordinates());
    }

    #[test]
    fn cutout_blanks_a_square_and_stays_inside() {
        let mut image = vec![0; SHAPE.elements()];
        cut_out(&mut image, SHAPE, [12, 16], 8);
        assert_eq!(image.iter().filter(|&&value| value != 0).count(), 8 * 8 * 3);
        cut_out(&mut image, SHAPE, [0, 31], 8);
        cut_out(&mut image, SHAPE, [23, 0], 80);
        assert!(image.iter().all(|&value| value != 0));
    }

    #[test]
    fn dropout_masks_keep_the_expected_sum() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let layers = [LayerConfig::MaxPool, LayerConfig::Dropout { rate: 0.3 }, LayerConfig::MaxPool];
        let masks = draw_masks(&layers, SHAPE, 100, &mut random, &Device::flex());
        let [mask] = &masks[..] else { panic!("one mask, not {}", masks.len()) };
        assert_eq!(mask.dims(), [100, 3, 12, 16]);
        let mean = mask.clone().mean().into_scalar::<f32>();
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    }
}
