//! The gradient of the weights, summed over images.

use super::{OUTPUTS, Plane, TAPS, multiply_add};
use std::array::from_fn;
use std::cell::RefCell;

/// Input channels side by side: 256 bits.
const LANES: usize = 8;

/// One vector.
type Lanes = [f32; LANES];

/// The sums of one row of a filter: a vector a tap.
type Sums = super::Sums<LANES, 3>;

const ZERO: Sums = [[[0.0; LANES]; 3]; OUTPUTS];

/// Pixels of a channel that are multiplied before the next channel: few enough to stay in the first-level cache.
const GROUP: usize = 1024;

/// Copies of a group of images in the order in which the kernel reads them.
#[derive(Default)]
struct Scratch {
    /// `[in / 8][image][h + 2, w + 2][8]`, surrounded by zeros.
    inputs: Vec<Lanes>,
    /// `[out / 4][image][h, w][4]`.
    gradients: Vec<[f32; OUTPUTS]>,
}

/// The gradient for images `[count][in, h, w]` and their outputs' gradients `[count][out, h, w]`, with
/// `channels` = `[in, out]`: packed as `[out / 4][in / 8][ky]`, of which each is `[out][kx][in]`.
pub fn sum(images: &[f32], gradients: &[f32], plane: Plane, channels: [usize; 2]) -> Vec<Sums> {
    thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
    let [inputs, outputs] = channels;
    let count = (GROUP / plane.len()).max(1);
    let mut sums = vec![ZERO; outputs.div_ceil(OUTPUTS) * inputs.div_ceil(LANES) * 3];
    SCRATCH.with_borrow_mut(|scratch| {
        let images = images.chunks(count * inputs * plane.len());
        for (images, gradients) in images.zip(gradients.chunks(count * outputs * plane.len())) {
            interleave_inputs(images, plane, inputs, &mut scratch.inputs);
            interleave_gradients(gradients, plane, outputs, &mut scratch.gradients);
            accumulate(
                scratch,
                plane,
                images.len() / (inputs * plane.len()),
                &mut sums,
            );
        }
    });
    sums
}

/// Adds packed gradients in order; the result is `[out, in, 3, 3]`.
pub fn unpack(terms: &[Vec<Sums>], channels: [usize; 2]) -> Vec<f32> {
    let [inputs, outputs] = channels;
    let mut result = Vec::with_capacity(outputs * inputs * TAPS);
    for output in 0..outputs {
        for input in 0..inputs {
            let block = output / OUTPUTS * inputs.div_ceil(LANES) + input / LANES;
            for tap in 0..TAPS {
                let packed = terms.iter().map(|sums| {
                    sums[block * 3 + tap / 3][output % OUTPUTS][tap % 3][input % LANES]
                });
                result.push(packed.sum());
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

fn padded_len(plane: Plane) -> usize {
    (plane.height + 2) * (plane.width + 2)
}

fn interleave_inputs(images: &[f32], plane: Plane, inputs: usize, interleaved: &mut Vec<Lanes>) {
    let count = images.len() / (inputs * plane.len());
    interleaved.clear();
    interleaved.resize(
        inputs.div_ceil(LANES) * count * padded_len(plane),
        [0.0; LANES],
    );
    let mut targets = interleaved.chunks_exact_mut(padded_len(plane));
    for first in (0..inputs).step_by(LANES) {
        for (image, target) in images.chunks_exact(inputs * plane.len()).zip(&mut targets) {
            let channels = image.chunks_exact(plane.len()).skip(first).take(LANES);
            for (lane, channel) in channels.enumerate() {
                let rows = target.chunks_exact_mut(plane.width + 2).skip(1);
                for (source, target) in channel.chunks_exact(plane.width).zip(rows) {
                    for (source, target) in source.iter().zip(&mut target[1..]) {
                        target[lane] = *source;
                    }
                }
            }
        }
    }
}

fn interleave_gradients(
    gradients: &[f32],
    plane: Plane,
    outputs: usize,
    interleaved: &mut Vec<[f32; OUTPUTS]>,
) {
    interleaved.clear();
    for first in (0..outputs).step_by(OUTPUTS) {
        for image in gradients.chunks_exact(outputs * plane.len()) {
            let last = outputs.min(first + OUTPUTS);
            let channels = &image[first * plane.len()..last * plane.len()];
            interleaved.extend((0..plane.len()).map(|pixel| -> [f32; OUTPUTS] {
                from_fn(|output| {
                    let index = output * plane.len() + pixel;
                    channels.get(index).copied().unwrap_or_default()
                })
            }));
        }
    }
}

/// Adds the products of `count` images.
fn accumulate(scratch: &Scratch, plane: Plane, count: usize, sums: &mut [Sums]) {
    let mut sums = sums.iter_mut();
    for gradients in scratch.gradients.chunks_exact(count * plane.len()) {
        for inputs in scratch.inputs.chunks_exact(count * padded_len(plane)) {
            for (ky, sums) in (0..3).zip(&mut sums) {
                *sums = correlate(*sums, inputs, gradients, plane, ky);
            }
        }
    }
}

/// Adds the products of one row of the filters for 8 input channels and 4 output channels.
#[inline(never)]
fn correlate(
    mut sums: Sums,
    inputs: &[Lanes],
    gradients: &[[f32; OUTPUTS]],
    plane: Plane,
    ky: usize,
) -> Sums {
    let stride = plane.width + 2;
    let images = inputs.chunks_exact(padded_len(plane));
    for (inputs, gradients) in images.zip(gradients.chunks_exact(plane.len())) {
        let rows = inputs.chunks_exact(stride).skip(ky);
        for (inputs, gradients) in rows.zip(gradients.chunks_exact(plane.width)) {
            for (vectors, gradients) in inputs.array_windows().zip(gradients) {
                multiply_add(&mut sums, vectors, gradients);
            }
        }
    }
    sums
}
