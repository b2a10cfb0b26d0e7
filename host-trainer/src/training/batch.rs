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

use crate::dataset::{IMAGE_CHANNELS, IMAGE_SIDE, Image, LabelledImages};
use crate::network::{DropoutMasks, HIDDEN};
use crate::recipe::{Augmentation, Border, PixelScaling, Recipe};

/// Pixels of one channel.
const PLANE: usize = IMAGE_SIDE * IMAGE_SIDE;

/// One training step's input.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, 3, 32, 32]`, scaled.
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
        (0..self.len())
            .step_by(size)
            .map(|start| self.slice(start..(start + size).min(self.len())))
            .collect()
    }

    /// The same batch for a network on an autodiff device.
    pub fn on_autodiff(self) -> Self {
        let blocks = self.masks.blocks.into_iter();
        Self {
            images: Tensor::from_inner(self.images),
            labels: Tensor::from_inner(self.labels),
            masks: DropoutMasks {
                blocks: blocks.map(|mask| mask.map(Tensor::from_inner)).collect(),
                hidden: self.masks.hidden.map(Tensor::from_inner),
            },
        }
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let masks = &self.masks;
        Self {
            images: self.images.clone().slice(range.clone()),
            labels: self.labels.clone().slice(range.clone()),
            masks: DropoutMasks {
                blocks: masks
                    .blocks
                    .iter()
                    .map(|mask| slice_mask(mask, &range))
                    .collect(),
                hidden: slice_mask(&masks.hidden, &range),
            },
        }
    }
}

fn slice_mask<const D: usize>(mask: &Option<Tensor<D>>, range: &Range<usize>) -> Option<Tensor<D>> {
    mask.as_ref().map(|mask| mask.clone().slice(range.clone()))
}

/// The training batches of one epoch. An incomplete last batch is left out: its images come up in other epochs.
pub struct EpochBatches<'a> {
    recipe: &'a Recipe,
    data: &'a LabelledImages,
    device: &'a Device,
    order: Vec<usize>,
    random: ChaCha8Rng,
    next: usize,
}

impl<'a> EpochBatches<'a> {
    /// The batches of epoch `epoch`, counted from 1, on `device`, which is without autodiff.
    pub fn new(
        recipe: &'a Recipe,
        data: &'a LabelledImages,
        epoch: usize,
        device: &'a Device,
    ) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(recipe.seed);
        random.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..data.len()).collect();
        order.shuffle(&mut random);
        Self {
            recipe,
            data,
            device,
            order,
            random,
            next: 0,
        }
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
        let augmented: Vec<Image> = indices
            .iter()
            .map(|&index| {
                augment(
                    &self.data.images[index],
                    self.recipe.augmentation,
                    &mut self.random,
                )
            })
            .collect();
        let labels: Vec<u8> = indices
            .iter()
            .map(|&index| self.data.labels[index])
            .collect();
        Some(Batch {
            images: to_tensor(&augmented, self.recipe.pixel_scaling, self.device),
            labels: labels_to_tensor(&labels, self.device),
            masks: draw_masks(self.recipe, size, &mut self.random, self.device),
        })
    }
}

/// Images as the network takes them, `[batch, 3, 32, 32]`.
pub fn to_tensor(images: &[Image], scaling: PixelScaling, device: &Device) -> Tensor<4> {
    let (mean, deviation) = scaling.mean_and_deviation();
    let table: Vec<[f32; 256]> = (0..IMAGE_CHANNELS)
        .map(|channel| {
            std::array::from_fn(|pixel| (pixel as f32 / 255.0 - mean[channel]) / deviation[channel])
        })
        .collect();
    let mut values = vec![0.0; images.len() * IMAGE_CHANNELS * PLANE];
    for (image, planes) in images
        .iter()
        .zip(values.chunks_exact_mut(IMAGE_CHANNELS * PLANE))
    {
        for (channel, plane) in planes.chunks_exact_mut(PLANE).enumerate() {
            let pixels = image[channel..].iter().step_by(IMAGE_CHANNELS);
            for (value, &pixel) in plane.iter_mut().zip(pixels) {
                *value = table[channel][usize::from(pixel)];
            }
        }
    }
    let shape = [images.len(), IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Labels as a tensor, `[batch]`.
pub fn labels_to_tensor(labels: &[u8], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| i32::from(label)).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), device)
}

fn augment(image: &Image, augmentation: Augmentation, random: &mut impl Rng) -> Image {
    let mut result = if augmentation.shift > 0 || augmentation.flip {
        let reach = augmentation.shift as i32;
        let offset = [
            random.random_range(-reach..=reach),
            random.random_range(-reach..=reach),
        ];
        let flip = augmentation.flip && random.random();
        shift_and_flip(image, offset, flip, augmentation.border)
    } else {
        *image
    };
    if augmentation.cutout > 0 {
        let centre = [
            random.random_range(0..IMAGE_SIDE),
            random.random_range(0..IMAGE_SIDE),
        ];
        cut_out(&mut result, centre, augmentation.cutout);
    }
    result
}

fn shift_and_flip(image: &Image, [dy, dx]: [i32; 2], flip: bool, border: Border) -> Image {
    let mut result = [0; IMAGE_CHANNELS * PLANE];
    for (y, row) in result
        .chunks_exact_mut(IMAGE_SIDE * IMAGE_CHANNELS)
        .enumerate()
    {
        let source_row = inside(y as i32 + dy, border) * IMAGE_SIDE;
        for (x, pixel) in row.chunks_exact_mut(IMAGE_CHANNELS).enumerate() {
            let x = if flip { IMAGE_SIDE - 1 - x } else { x };
            let source = (source_row + inside(x as i32 + dx, border)) * IMAGE_CHANNELS;
            pixel.copy_from_slice(&image[source..source + IMAGE_CHANNELS]);
        }
    }
    result
}

/// The coordinate inside the image that stands for one up to a side beyond it.
fn inside(coordinate: i32, border: Border) -> usize {
    let last = IMAGE_SIDE as i32 - 1;
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
fn cut_out(image: &mut Image, [y, x]: [usize; 2], side: usize) {
    const GREY: u8 = 120;
    let span = |centre: usize| {
        centre.saturating_sub(side / 2)..(centre + side.div_ceil(2)).min(IMAGE_SIDE)
    };
    for row in span(y) {
        let columns = span(x);
        let start = (row * IMAGE_SIDE + columns.start) * IMAGE_CHANNELS;
        let end = (row * IMAGE_SIDE + columns.end) * IMAGE_CHANNELS;
        image[start..end].fill(GREY);
    }
}

fn draw_masks(
    recipe: &Recipe,
    batch: usize,
    random: &mut impl Rng,
    device: &Device,
) -> DropoutMasks {
    let architecture = recipe.architecture();
    let blocks = recipe
        .block_dropout
        .iter()
        .enumerate()
        .map(|(index, &rate)| {
            let [channels, height, width] = architecture.block_output(index + 1);
            draw_mask([batch, channels, height, width], rate, random, device)
        });
    DropoutMasks {
        blocks: blocks.collect(),
        hidden: draw_mask([batch, HIDDEN], recipe.hidden_dropout, random, device),
    }
}

fn draw_mask<const D: usize>(
    shape: [usize; D],
    rate: f64,
    random: &mut impl Rng,
    device: &Device,
) -> Option<Tensor<D>> {
    if rate == 0.0 {
        return None;
    }
    let mut bytes = vec![0; 2 * shape.iter().product::<usize>()];
    random.fill_bytes(&mut bytes);
    let threshold = (rate * 65536.0) as u16;
    let kept = (1.0 / (1.0 - rate)) as f32;
    let values: Vec<f32> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .map(|value| if value < threshold { 0.0 } else { kept })
        .collect();
    Some(Tensor::from_data(TensorData::new(values, shape), device))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pixel says where it is: red the row, green the column.
    fn coordinates() -> Image {
        let mut image = [0; IMAGE_CHANNELS * PLANE];
        for (index, pixel) in image.chunks_exact_mut(IMAGE_CHANNELS).enumerate() {
            pixel[0] = (index / IMAGE_SIDE) as u8;
            pixel[1] = (index % IMAGE_SIDE) as u8;
        }
        image
    }

    fn pixel(image: &Image, y: usize, x: usize) -> (u8, u8) {
        let start = (y * IMAGE_SIDE + x) * IMAGE_CHANNELS;
        (image[start], image[start + 1])
    }

    #[test]
    fn shift_takes_the_border_that_the_recipe_names() {
        let nearest = shift_and_flip(&coordinates(), [-2, 3], false, Border::Nearest);
        assert_eq!(pixel(&nearest, 0, 0), (0, 3));
        assert_eq!(pixel(&nearest, 10, 31), (8, 31));
        let reflected = shift_and_flip(&coordinates(), [-2, 3], false, Border::Reflect);
        assert_eq!(pixel(&reflected, 0, 0), (2, 3));
        assert_eq!(pixel(&reflected, 10, 31), (8, 28));
    }

    #[test]
    fn flip_mirrors_columns_only() {
        let flipped = shift_and_flip(&coordinates(), [0, 0], true, Border::Nearest);
        assert_eq!(pixel(&flipped, 5, 0), (5, 31));
        assert_eq!(
            shift_and_flip(&flipped, [0, 0], true, Border::Nearest),
            coordinates()
        );
    }

    #[test]
    fn cutout_blanks_a_square_and_stays_inside() {
        let mut image = [0; IMAGE_CHANNELS * PLANE];
        cut_out(&mut image, [16, 16], 8);
        assert_eq!(
            image.iter().filter(|&&value| value != 0).count(),
            8 * 8 * IMAGE_CHANNELS
        );
        cut_out(&mut image, [0, 31], 8);
    }

    #[test]
    fn dropout_masks_keep_the_expected_sum() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mask: Tensor<1> = draw_mask([100_000], 0.3, &mut random, &Device::flex()).unwrap();
        let mean = mask.mean().into_scalar::<f32>();
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
        assert!(draw_mask([8], 0.0, &mut random, &Device::flex()).is_none());
    }
}
