//! The forward pass of one image, and with adjoint filters the gradient of its input.

use super::{LANES, Lanes, OUTPUTS, Plane, Sums, TAPS, VECTORS, ZERO, multiply_add};
use std::array::from_fn;
use std::cell::RefCell;

/// For one input channel, the weights of [`OUTPUTS`] filters, `[ky · 3 + kx][output]`.
pub type Filters = [[f32; OUTPUTS]; TAPS];

/// Packs weights `[out, in, 3, 3]` as `[out / 4][in]`; missing filters of the last block are zero.
pub fn pack(weights: &[f32], inputs: usize) -> Vec<Filters> {
    weights
        .chunks(OUTPUTS * inputs * TAPS)
        .flat_map(|block| {
            (0..inputs).map(|input| {
                from_fn(|tap| {
                    from_fn(|output| {
                        let index = (output * inputs + input) * TAPS + tap;
                        block.get(index).copied().unwrap_or_default()
                    })
                })
            })
        })
        .collect()
}

/// Packs the filters that turn the output's gradient into the input's: input and output channels change places, and
/// each filter is turned by 180°.
pub fn pack_adjoint(weights: &[f32], inputs: usize) -> Vec<Filters> {
    let outputs = weights.len() / (inputs * TAPS);
    let mut adjoint = Vec::with_capacity(weights.len());
    for input in 0..inputs {
        for output in 0..outputs {
            let filter = &weights[(output * inputs + input) * TAPS..][..TAPS];
            adjoint.extend(filter.iter().rev());
        }
    }
    pack(&adjoint, outputs)
}

/// Writes to `result` `[out, h, w]` the image `[in, h, w]` seen through the filters, plus the bias.
pub fn apply(
    image: &[f32],
    filters: &[Filters],
    bias: Option<&[f32]>,
    plane: Plane,
    result: &mut [f32],
) {
    thread_local!(static PADDED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    let inputs = image.len() / plane.len();
    let positions = positions(plane);
    PADDED.with_borrow_mut(|padded| {
        pad(image, plane, padded);
        let blocks = result.chunks_mut(OUTPUTS * plane.len());
        for (index, (result, filters)) in blocks.zip(filters.chunks_exact(inputs)).enumerate() {
            let bias: [f32; OUTPUTS] = from_fn(|output| {
                bias.and_then(|bias| bias.get(index * OUTPUTS + output))
                    .copied()
                    .unwrap_or_default()
            });
            for group in positions.chunks(VECTORS) {
                let offsets = from_fn(|vector| {
                    let (y, x) = group[vector.min(group.len() - 1)];
                    y * stride(plane) + x
                });
                let sums = correlate(padded, filters, plane, offsets);
                store(&sums, group, bias, plane, result);
            }
        }
    });
}

/// Row and column of the first pixel of every vector.
fn positions(plane: Plane) -> Vec<(usize, usize)> {
    let row = |y| (0..plane.width).step_by(LANES).map(move |x| (y, x));
    (0..plane.height).flat_map(row).collect()
}

/// Elements of a padded row: whole vectors, and a zero before and after.
fn stride(plane: Plane) -> usize {
    plane.width.next_multiple_of(LANES) + 2
}

fn padded_len(plane: Plane) -> usize {
    (plane.height + 2) * stride(plane)
}

/// Surrounds each channel of the image `[in, h, w]` by zeros: `[in, h + 2, stride]`.
fn pad(image: &[f32], plane: Plane, padded: &mut Vec<f32>) {
    padded.clear();
    padded.resize(image.len() / plane.len() * padded_len(plane), 0.0);
    let targets = padded.chunks_exact_mut(padded_len(plane));
    for (source, target) in image.chunks_exact(plane.len()).zip(targets) {
        let rows = target.chunks_exact_mut(stride(plane)).skip(1);
        for (source, target) in source.chunks_exact(plane.width).zip(rows) {
            target[1..=plane.width].copy_from_slice(source);
        }
    }
}

/// The sums over all taps and input channels for the vectors that begin at `offsets` of a padded plane.
#[inline(never)]
fn correlate(padded: &[f32], filters: &[Filters], plane: Plane, offsets: [usize; VECTORS]) -> Sums {
    let starts: [[usize; VECTORS]; 3] =
        from_fn(|ky| offsets.map(|offset| offset + ky * stride(plane)));
    let mut sums = ZERO;
    for (padded, taps) in padded.chunks_exact(padded_len(plane)).zip(filters) {
        for (taps, starts) in taps.as_chunks::<3>().0.iter().zip(&starts) {
            let rows: [&[f32; LANES + 2]; VECTORS] = from_fn(|vector| {
                padded[starts[vector]..]
                    .first_chunk()
                    .expect("padding ends every row")
            });
            for (kx, taps) in taps.iter().enumerate() {
                let vectors: [Lanes; VECTORS] = from_fn(|vector| {
                    rows[vector][kx..kx + LANES]
                        .try_into()
                        .expect("as many as lanes")
                });
                multiply_add(&mut sums, &vectors, taps);
            }
        }
    }
    sums
}

/// Writes the sums at `positions`, without the lanes beyond the end of a row.
fn store(
    sums: &Sums,
    positions: &[(usize, usize)],
    bias: [f32; OUTPUTS],
    plane: Plane,
    result: &mut [f32],
) {
    for ((result, sums), bias) in result.chunks_exact_mut(plane.len()).zip(sums).zip(bias) {
        for (&(y, x), sums) in positions.iter().zip(sums) {
            let row = &mut result[y * plane.width..][..plane.width];
            let sums = sums.map(|sum| sum + bias);
            match row[x..].first_chunk_mut() {
                Some(result) => *result = sums,
                None => row[x..].copy_from_slice(&sums[..plane.width - x]),
            }
        }
    }
}
