//! The forward pass of one image, and with adjoint filters the gradient of its input.

use super::{OUTPUTS, Plane, Sums, TAPS, multiply_add};
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
///
/// The shape of a pass decides how fast it is; every sum is the same.
pub fn apply(
    image: &[f32],
    filters: &[Filters],
    bias: Option<&[f32]>,
    plane: Plane,
    result: &mut [f32],
) {
    // AVX-512 has 32 registers, twice as wide: three quarters of the time of the shape for AVX2 (Zen 4).
    let pass = match (cfg!(target_feature = "avx512f"), plane.width % 16) {
        (true, 0) => apply_by::<16, 2>,
        (true, _) => apply_by::<8, 4>,
        (false, _) => apply_by::<8, 3>,
    };
    pass(image, filters, bias, plane, result);
}

/// [`apply`], `VECTORS` vectors of `LANES` pixels at a time.
fn apply_by<const LANES: usize, const VECTORS: usize>(
    image: &[f32],
    filters: &[Filters],
    bias: Option<&[f32]>,
    plane: Plane,
    result: &mut [f32],
) {
    thread_local!(static PADDED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    let inputs = image.len() / plane.len();
    let positions = positions(plane, LANES);
    PADDED.with_borrow_mut(|padded| {
        let stride = stride(plane, LANES);
        pad(image, plane, stride, padded);
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
                    y * stride + x
                });
                let sums = correlate::<LANES, VECTORS>(
                    padded,
                    filters,
                    [plane.height + 2, stride],
                    offsets,
                );
                store(&sums, group, bias, plane, result);
            }
        }
    });
}

/// Row and column of the first pixel of every vector.
fn positions(plane: Plane, lanes: usize) -> Vec<(usize, usize)> {
    let row = |y| (0..plane.width).step_by(lanes).map(move |x| (y, x));
    (0..plane.height).flat_map(row).collect()
}

/// Elements of a padded row: whole vectors, and a zero before and after.
fn stride(plane: Plane, lanes: usize) -> usize {
    plane.width.next_multiple_of(lanes) + 2
}

/// Surrounds each channel of the image `[in, h, w]` by zeros: `[in, h + 2, stride]`.
fn pad(image: &[f32], plane: Plane, stride: usize, padded: &mut Vec<f32>) {
    let padded_len = (plane.height + 2) * stride;
    padded.clear();
    padded.resize(image.len() / plane.len() * padded_len, 0.0);
    let targets = padded.chunks_exact_mut(padded_len);
    for (source, target) in image.chunks_exact(plane.len()).zip(targets) {
        let rows = target.chunks_exact_mut(stride).skip(1);
        for (source, target) in source.chunks_exact(plane.width).zip(rows) {
            target[1..=plane.width].copy_from_slice(source);
        }
    }
}

/// The sums over all taps and input channels for the vectors that begin at `offsets` of a padded plane.
#[inline(never)]
fn correlate<const LANES: usize, const VECTORS: usize>(
    padded: &[f32],
    filters: &[Filters],
    [rows, stride]: [usize; 2],
    offsets: [usize; VECTORS],
) -> Sums<LANES, VECTORS> {
    let starts: [[usize; VECTORS]; 3] = from_fn(|ky| offsets.map(|offset| offset + ky * stride));
    let mut sums = [[[0.0; LANES]; VECTORS]; OUTPUTS];
    for (padded, taps) in padded.chunks_exact(rows * stride).zip(filters) {
        for (taps, starts) in taps.as_chunks::<3>().0.iter().zip(&starts) {
            let rows: [&[f32]; VECTORS] = from_fn(|vector| &padded[starts[vector]..][..LANES + 2]);
            for (kx, taps) in taps.iter().enumerate() {
                let vectors: [[f32; LANES]; VECTORS] = from_fn(|vector| {
                    *rows[vector][kx..]
                        .first_chunk()
                        .expect("padding ends every row")
                });
                multiply_add(&mut sums, &vectors, taps);
            }
        }
    }
    sums
}

/// Writes the sums at `positions`, without the lanes beyond the end of a row.
fn store<const LANES: usize, const VECTORS: usize>(
    sums: &Sums<LANES, VECTORS>,
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
