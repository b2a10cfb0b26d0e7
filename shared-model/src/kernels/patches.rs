//! 3×3 convolutions with few input channels: the nine pixels under the kernel become one row of a matrix (im2col), two pixels at a
//! time, and the filters are kept in memory as int16.

use super::{CHUNK_PAIRS, native};
use crate::{LayerView, graph::LayerKind};

/// int16 lanes of a row of two patches.
const PATCH_LANES: usize = CHUNK_PAIRS * 2 * 2;

/// Whether a layer can be computed so: a patch must fit a chunk, output channels come in fours and pixels in twos.
pub(crate) fn is_possible(view: &LayerView) -> bool {
    let [_, width, _] = view.input_shape;
    let no_pool = matches!(view.layer.kind, LayerKind::Convolution { pool: false, .. });
    let outputs = view.biases.len();
    no_pool && pairs(view) <= CHUNK_PAIRS && width.is_multiple_of(2) && outputs.is_multiple_of(4)
}

/// Pairs of taps: each kernel row begins with a new one.
fn pairs(view: &LayerView) -> usize {
    3 * row_pairs(view)
}

/// Pairs of taps of a kernel row.
fn row_pairs(view: &LayerView) -> usize {
    let [_, _, channels] = view.input_shape.map(usize::from);
    (3 * channels).div_ceil(2)
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
            let rows = quad.chunks_exact_mut(8 * row_pairs(view));
            for (row, weights) in rows.zip(weights.chunks_exact(taps / 3)) {
                for (tap, &weight) in weights.iter().enumerate() {
                    row[tap / 2 * 8 + 2 * output + tap % 2] = weight.into();
                }
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
    for (pair, output) in output.chunks_exact_mut(2 * outputs).enumerate() {
        let rows = patches.chunks_exact_mut(4 * row_pairs(view));
        for (line, patches) in lines.chunks_exact(line).zip(rows) {
            for pixel in 0..2 {
                let taps = &line[(2 * pair + pixel) * channels..][..3 * channels];
                for (taps, lanes) in taps.chunks(2).zip(patches.as_chunks_mut::<4>().0) {
                    lanes[2 * pixel] = taps[0].into();
                    lanes[2 * pixel + 1] = taps.get(1).copied().unwrap_or_default().into();
                }
            }
        }
        let biases = view.biases.as_chunks().0;
        let tiles = accumulators.as_chunks_mut().0.as_chunks_mut().0;
        native::spread(biases, tiles);
        let accumulators = &mut accumulators[..2 * outputs];
        native::products(patches, filters, accumulators, pairs(view), 0);
        let (multipliers, offsets) = (view.multipliers, view.offsets);
        native::requantize_pairs(accumulators, output, multipliers, offsets, view.layer.relu);
    }
}
