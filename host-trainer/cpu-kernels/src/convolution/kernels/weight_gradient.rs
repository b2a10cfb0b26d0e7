//! The gradient of the weights, summed over images.

use super::winograd::{self, PRODUCTS, ROWS, Vector};
use super::{OUTPUTS, Plane, TAPS, multiply_add};
use std::array::from_fn;
use std::cell::RefCell;

/// Input channels side by side: 256 bits.
const LANES: usize = 8;

/// The sums of one product: a vector a tap of a row.
type Sums = super::Sums<LANES, 3>;

const ZERO: Sums = [[[0.0; LANES]; 3]; OUTPUTS];

/// Pixels of a channel that are multiplied before the next channel: few enough to stay in the first-level cache.
const GROUP: usize = 1024;

/// Transformed copies of a group of images in the order in which the kernel reads them.
#[derive(Default)]
struct Scratch {
    /// `[in / 8][product][image][tile, w + 2][8]`, surrounded by zeros.
    inputs: Vec<[f32; LANES]>,
    /// `[out / 4][product][image][tile, w][4]`.
    gradients: Vec<[f32; OUTPUTS]>,
}

/// The gradient for images `[count][in, h, w]` and their outputs' gradients `[count][out, h, w]`, with
/// `channels` = `[in, out]`: packed as `[out / 4][in / 8][product]`, of which each is `[out][kx][in]`.
pub fn sum(images: &[f32], gradients: &[f32], plane: Plane, channels: [usize; 2]) -> Vec<Sums> {
    thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
    let [inputs, outputs] = channels;
    let count = plane.images_of(GROUP);
    let mut sums = vec![ZERO; outputs.div_ceil(OUTPUTS) * inputs.div_ceil(LANES) * PRODUCTS];
    SCRATCH.with_borrow_mut(|scratch| {
        let images = images.chunks(count * inputs * plane.len());
        for (images, gradients) in images.zip(gradients.chunks(count * outputs * plane.len())) {
            transform(images, plane, inputs, 1, winograd::image, &mut scratch.inputs);
            transform(gradients, plane, outputs, 0, winograd::gradient, &mut scratch.gradients);
            let rows = images.len() / (inputs * plane.len()) * plane.tiles();
            accumulate(scratch, rows, plane.width, &mut sums);
        }
    });
    sums
}

/// Adds packed gradients in order; the result is `[out, in, 3, 3]`.
pub fn unpack(terms: &[Vec<Sums>], channels: [usize; 2]) -> Vec<f32> {
    let [inputs, outputs] = channels;
    let mut result = vec![0.0; outputs * inputs * TAPS];
    for (index, filter) in result.as_chunks_mut::<TAPS>().0.iter_mut().enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let block = output / OUTPUTS * inputs.div_ceil(LANES) + input / LANES;
        for kx in 0..3 {
            let column = winograd::taps_gradient(from_fn(|product| {
                let term = |sums: &Vec<Sums>| sums[block * PRODUCTS + product][output % OUTPUTS][kx][input % LANES];
                terms.iter().map(term).sum()
            }));
            for (ky, value) in column.into_iter().enumerate() {
                filter[ky * 3 + kx] = value;
            }
        }
    }
    result
}

/// The sum of one plane, as [`LANES`] sums side by side.
pub fn plane_sum(plane: &[f32]) -> f32 {
    let (vectors, rest) = plane.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for vector in vectors {
        for (sum, lane) in sums.iter_mut().zip(vector) {
            *sum += lane;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// Interleaves and transforms images `[count][channels, h, w]` with zeros of that width around them:
/// `[channels / LANES][product][count][tile, w + 2 · padding]`. The channels that the last block has too many hold
/// anything; [`unpack`] leaves them out.
fn transform<const LANES: usize, const TILE: usize>(
    images: &[f32],
    plane: Plane,
    channels: usize,
    padding: usize,
    function: impl Fn([Vector<LANES>; TILE]) -> [Vector<LANES>; PRODUCTS] + Copy,
    transformed: &mut Vec<[f32; LANES]>,
) {
    let stride = plane.width + 2 * padding;
    let image_len = plane.tiles() * stride;
    let product_len = images.len() / (channels * plane.len()) * image_len;
    let mut padded = vec![[0.0; LANES]; (plane.tiles() * ROWS + 2 * padding) * stride];
    let blocks = channels.div_ceil(LANES);
    transformed.resize(blocks * PRODUCTS * product_len, [0.0; LANES]);
    let targets = transformed.chunks_exact_mut(PRODUCTS * product_len);
    for (block, target) in targets.enumerate() {
        let images = images.chunks_exact(channels * plane.len());
        for (image, start) in images.zip((0..).step_by(image_len)) {
            let planes = from_fn(|lane| {
                let channel = (block * LANES + lane).min(channels - 1);
                &image[channel * plane.len()..][..plane.len()]
            });
            interleave(planes, plane, padding, &mut padded);
            transform_tiles(&padded, stride, function, &mut target[start..], product_len);
        }
    }
}

/// Transforms one padded image: `[product][tile, stride]`, of which the products are `product_len` apart.
fn transform_tiles<const LANES: usize, const TILE: usize>(
    padded: &[[f32; LANES]],
    stride: usize,
    function: impl Fn([Vector<LANES>; TILE]) -> [Vector<LANES>; PRODUCTS] + Copy,
    transformed: &mut [[f32; LANES]],
    product_len: usize,
) {
    let tiles = padded.windows(TILE * stride).step_by(ROWS * stride);
    for (tile, rows) in tiles.enumerate() {
        let rows: [_; TILE] = from_fn(|row| &rows[row * stride..][..stride]);
        for x in 0..stride {
            let products = function(from_fn(|row| Vector(rows[row][x])));
            for (product, Vector(lanes)) in products.into_iter().enumerate() {
                transformed[product * product_len + tile * stride + x] = lanes;
            }
        }
    }
}

/// Writes channels side by side into an image that has zeros of that width around it.
fn interleave<const LANES: usize>(
    planes: [&[f32]; LANES],
    plane: Plane,
    padding: usize,
    interleaved: &mut [[f32; LANES]],
) {
    let stride = plane.width + 2 * padding;
    let targets = interleaved.chunks_exact_mut(stride).skip(padding);
    for (y, target) in targets.take(plane.height).enumerate() {
        let rows = planes.map(|source| &source[y * plane.width..][..plane.width]);
        let (blocks, rest) = target[padding..][..plane.width].as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for (block, target) in blocks.iter_mut().enumerate() {
            *target = transpose(
                rows.map(|row| *row[block * LANES..].first_chunk().expect("rows have a value for every target")),
            );
        }
        for (x, target) in (done..).zip(rest) {
            *target = rows.map(|row| row[x]);
        }
    }
}

/// A scatter of values into a strided target would be several times slower.
#[inline(always)]
fn transpose<const SIDE: usize>(block: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    from_fn(|column| from_fn(|row| block[row][column]))
}

/// Adds the products of so many rows of tiles.
fn accumulate(scratch: &Scratch, rows: usize, width: usize, sums: &mut [Sums]) {
    let mut sums = sums.iter_mut();
    for gradients in scratch.gradients.chunks_exact(PRODUCTS * rows * width) {
        for inputs in scratch.inputs.chunks_exact(PRODUCTS * rows * (width + 2)) {
            let products = inputs.chunks_exact(rows * (width + 2)).zip(gradients.chunks_exact(rows * width));
            for ((inputs, gradients), sums) in products.zip(&mut sums) {
                correlate(inputs, gradients, width, sums);
            }
        }
    }
}

/// Adds one product's terms for 8 input channels and 4 output channels.
#[inline(never)]
fn correlate(inputs: &[[f32; LANES]], gradients: &[[f32; OUTPUTS]], width: usize, result: &mut Sums) {
    let mut sums = *result;
    let rows = inputs.chunks_exact(width + 2);
    for (inputs, gradients) in rows.zip(gradients.chunks_exact(width)) {
        for (vectors, gradients) in inputs.array_windows().zip(gradients) {
            multiply_add(&mut sums, vectors, gradients);
        }
    }
    *result = sums;
}
