//! The forward pass of some images, and with adjoint filters the gradient of their inputs.

use super::winograd::{self, PRODUCTS, ROWS, Vector};
use super::{OUTPUTS, Plane, Sums, TAPS, multiply_add};
use std::array::from_fn;
use std::cell::RefCell;

/// For one product and one input channel, the transformed weights of [`OUTPUTS`] filters, `[kx][output]`.
pub type Filters = [[f32; OUTPUTS]; 3];

/// Transforms weights `[out, in, 3, 3]` and packs them as `[out / 4][product][in]`; missing filters of the last block
/// are zero.
pub fn pack(weights: &[f32], inputs: usize) -> Vec<Filters> {
    let mut packed = Vec::with_capacity(weights.len().div_ceil(OUTPUTS * inputs * TAPS) * PRODUCTS * inputs);
    for block in weights.chunks(OUTPUTS * inputs * TAPS) {
        let first = packed.len();
        packed.resize(first + PRODUCTS * inputs, [[0.0; OUTPUTS]; 3]);
        for (index, filter) in block.as_chunks::<TAPS>().0.iter().enumerate() {
            let (output, input) = (index / inputs, index % inputs);
            for kx in 0..3 {
                let column = winograd::taps([filter[kx], filter[3 + kx], filter[6 + kx]]);
                for (product, value) in column.into_iter().enumerate() {
                    packed[first + product * inputs + input][kx][output] = value;
                }
            }
        }
    }
    packed
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

/// Images that [`apply`] should get at once: so many that small images fill vectors and use a filter that is in the
/// cache more than once, so few that what is read stays in the second-level cache.
pub fn images_at_once(plane: Plane) -> usize {
    plane.images_of(256)
}

/// Writes to `result` `[count][out, h, w]` the images `[count][in, h, w]` seen through the filters, plus the bias;
/// `channels` = `[in, out]`.
///
/// The shape of a pass decides how fast it is; every sum is the same.
pub fn apply(
    images: &[f32],
    filters: &[Filters],
    bias: Option<&[f32]>,
    plane: Plane,
    channels: [usize; 2],
    result: &mut [f32],
) {
    // AVX-512 has 32 registers, twice as wide. For AVX2, three vectors would need one register more than there are:
    // two are a tenth faster (Zen 3).
    let pass = match (cfg!(target_feature = "avx512f"), plane.width % 16) {
        (true, 0) => apply_by::<16, 2>,
        (true, _) => apply_by::<8, 4>,
        (false, _) => apply_by::<8, 2>,
    };
    pass(images, filters, bias, plane, channels, result);
}

/// [`apply`], `VECTORS` vectors of `LANES` pixels at a time.
fn apply_by<const LANES: usize, const VECTORS: usize>(
    images: &[f32],
    filters: &[Filters],
    bias: Option<&[f32]>,
    plane: Plane,
    [inputs, outputs]: [usize; 2],
    result: &mut [f32],
) {
    thread_local!(static TRANSFORMED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    let rows = images.len() / (inputs * plane.len()) * plane.tiles();
    let positions = positions(rows, plane.width, LANES);
    let stride = stride(plane.width, LANES);
    TRANSFORMED.with_borrow_mut(|transformed| {
        transform::<LANES>(images, plane, inputs, transformed);
        for (block, filters) in filters.chunks_exact(PRODUCTS * inputs).enumerate() {
            let mut sums = [[[[0.0; LANES]; VECTORS]; OUTPUTS]; PRODUCTS];
            for group in positions.chunks(VECTORS) {
                let offsets = from_fn(|vector| {
                    let (row, x) = group[vector.min(group.len() - 1)];
                    row * inputs * stride + x
                });
                let products = transformed.chunks_exact(inputs * rows * stride);
                for ((sums, transformed), filters) in sums.iter_mut().zip(products).zip(filters.chunks_exact(inputs)) {
                    correlate(transformed, filters, stride, offsets, sums);
                }
                store(&sums, group, bias, plane, [block * OUTPUTS, outputs], result);
            }
        }
    });
}

/// Row of tiles and column of the first pixel of every vector.
fn positions(rows: usize, width: usize, lanes: usize) -> Vec<(usize, usize)> {
    let row = |row| (0..width).step_by(lanes).map(move |x| (row, x));
    (0..rows).flat_map(row).collect()
}

/// Elements of a padded row: whole vectors, and a zero before and after.
fn stride(width: usize, lanes: usize) -> usize {
    width.next_multiple_of(lanes) + 2
}

/// Transforms images `[count][in, h, w]` and surrounds their rows by zeros: `[product][count][tile][in][stride]`.
fn transform<const LANES: usize>(images: &[f32], plane: Plane, inputs: usize, transformed: &mut Vec<f32>) {
    let stride = stride(plane.width, LANES);
    let product_len = images.len() / plane.len() * plane.tiles() * stride;
    transformed.clear();
    transformed.resize(PRODUCTS * product_len, 0.0);
    for (index, source) in images.chunks_exact(plane.len()).enumerate() {
        let (image, channel) = (index / inputs, index % inputs);
        for tile in 0..plane.tiles() {
            let start = ((image * plane.tiles() + tile) * inputs + channel) * stride + 1;
            let rows: [&[f32]; PRODUCTS] = from_fn(|row| {
                (tile * ROWS + row)
                    .checked_sub(1)
                    .filter(|&y| y < plane.height)
                    .map_or(&[][..], |y| &source[y * plane.width..][..plane.width])
            });
            for x in (0..plane.width).step_by(LANES) {
                let products = winograd::image(from_fn(|row| load::<LANES>(rows[row], x)));
                for (product, Vector(lanes)) in products.into_iter().enumerate() {
                    transformed[product * product_len + start + x..][..LANES].copy_from_slice(&lanes);
                }
            }
        }
    }
}

/// A vector of a row, from column `x`; zeros beyond its end.
#[inline(always)]
fn load<const LANES: usize>(row: &[f32], x: usize) -> Vector<LANES> {
    let rest = row.get(x..).unwrap_or_default();
    Vector(match rest.first_chunk() {
        Some(lanes) => *lanes,
        None => from_fn(|lane| rest.get(lane).copied().unwrap_or_default()),
    })
}

/// The sums over the taps of a row and all input channels for the vectors that begin at `offsets` in the
/// first channel.
#[inline(never)]
fn correlate<const LANES: usize, const VECTORS: usize>(
    transformed: &[f32],
    filters: &[Filters],
    stride: usize,
    offsets: [usize; VECTORS],
    result: &mut Sums<LANES, VECTORS>,
) {
    let mut sums = [[[0.0; LANES]; VECTORS]; OUTPUTS];
    for (channel, taps) in filters.iter().enumerate() {
        let rows: [&[f32]; VECTORS] = from_fn(|vector| &transformed[offsets[vector] + channel * stride..][..LANES + 2]);
        for (kx, taps) in taps.iter().enumerate() {
            let vectors: [[f32; LANES]; VECTORS] =
                from_fn(|vector| *rows[vector][kx..].first_chunk().expect("padding ends every row"));
            multiply_add(&mut sums, &vectors, taps);
        }
    }
    *result = sums;
}

/// Writes the results at `positions` for the output channels from `first` on, without what lies beyond the last column
/// and row.
fn store<const LANES: usize, const VECTORS: usize>(
    sums: &[Sums<LANES, VECTORS>; PRODUCTS],
    positions: &[(usize, usize)],
    bias: Option<&[f32]>,
    plane: Plane,
    [first, outputs]: [usize; 2],
    result: &mut [f32],
) {
    for output in 0..OUTPUTS.min(outputs - first) {
        let bias = Vector([bias.map_or(0.0, |bias| bias[first + output]); LANES]);
        for (vector, &(row, x)) in positions.iter().enumerate() {
            let (image, tile) = (row / plane.tiles(), row % plane.tiles());
            let rows = winograd::result(from_fn(|product| Vector(sums[product][output][vector])));
            let result = &mut result[(image * outputs + first + output) * plane.len()..][..plane.len()];
            for (result, lanes) in result.chunks_exact_mut(plane.width).skip(tile * ROWS).zip(rows) {
                let Vector(lanes) = lanes + bias;
                match result[x..].first_chunk_mut() {
                    Some(result) => *result = lanes,
                    None => result[x..].copy_from_slice(&lanes[..plane.width - x]),
                }
            }
        }
    }
}
