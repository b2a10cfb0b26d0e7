//! 3×3 convolutions with few input channels: the nine pixels under the kernel become one row of a matrix (im2col), two pixels at a
//! time, and the filters are kept in memory as int16.

use super::{CHUNK_PAIRS, native};
use crate::{LayerView, graph::LayerKind};

/// int16 lanes of a row of two patches.
const PATCH_LANES: usize = CHUNK_PAIRS * 2 * 2;

/// Whether a layer can be computed so: a patch must fit a chunk, output channels come in fours and pixels in twos.
pub(crate) fn is_possible(view: &LayerView) -> bool {
    let [_, width, channels] = view.input_shape.map(usize::from);
    let no_pool = matches!(view.layer.kind, LayerKind::Convolution { pool: false, .. });
    let outputs = view.biases.len();
    no_pool
        && 9 * channels <= 2 * CHUNK_PAIRS
        && width.is_multiple_of(2)
        && outputs.is_multiple_of(4)
}

/// Pairs of taps.
fn pairs(view: &LayerView) -> usize {
    view.layer.kind.weights_per_channel().div_ceil(2)
}

/// Bytes of the filters, `[out / 4][pair][4]` pairs of int16.
pub(crate) fn filters_len(view: &LayerView) -> usize {
    4 * pairs(view) * view.biases.len()
}

/// Bytes that a row needs besides its lines and the filters.
pub(crate) fn scratch_len(view: &LayerView) -> usize {
    2 * PATCH_LANES + 8 * view.biases.len()
}

/// Widens the filters.
pub(crate) fn widen_filters(view: &LayerView, filters: &mut [i16]) {
    let taps = view.layer.kind.weights_per_channel();
    let quads = filters.chunks_exact_mut(8 * pairs(view));
    for (quad, weights) in quads.zip(view.weights.chunks_exact(4 * taps)) {
        quad.fill(0);
        for (output, weights) in weights.chunks_exact(taps).enumerate() {
            for (tap, &weight) in weights.iter().enumerate() {
                quad[tap / 2 * 8 + 2 * output + tap % 2] = weight.into();
            }
        }
    }
}

/// One row of outputs, `[w, out]`, from its three lines.
pub(crate) fn row(
    view: &LayerView,
    lines: &[i8],
    filters: &[i16],
    scratch: &mut [u32],
    output: &mut [i8],
) {
    let [_, width, channels] = view.input_shape.map(usize::from);
    let line = (width + 2) * channels;
    let outputs = view.biases.len();
    let (patches, accumulators) = scratch.split_at_mut(PATCH_LANES / 2);
    let patches: &mut [i16] = bytemuck::cast_slice_mut(patches);
    let accumulators: &mut [i32] = bytemuck::cast_slice_mut(accumulators);
    patches.fill(0);
    for (pair, output) in output.chunks_exact_mut(2 * outputs).enumerate() {
        for pixel in 0..2 {
            let rows = lines
                .chunks_exact(line)
                .map(|line| &line[(2 * pair + pixel) * channels..]);
            for (tap, &value) in rows.flat_map(|row| &row[..3 * channels]).enumerate() {
                patches[tap / 2 * 4 + 2 * pixel + tap % 2] = value.into();
            }
        }
        let biases = view.biases.as_chunks::<4>().0;
        for (tile, biases) in accumulators.as_chunks_mut::<8>().0.iter_mut().zip(biases) {
            tile[..4].copy_from_slice(biases);
            tile[4..].copy_from_slice(biases);
        }
        let accumulators = &mut accumulators[..2 * outputs];
        native::products(patches, filters, accumulators, pairs(view), 0);
        let (multipliers, offsets) = (view.multipliers, view.offsets);
        native::requantize_pairs(accumulators, output, multipliers, offsets, view.layer.relu);
    }
}
