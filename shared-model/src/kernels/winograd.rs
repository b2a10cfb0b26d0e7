//! 3×3 convolutions with Winograd's F(4×4, 3×3) in integers: 36 products for 16 outputs instead of 144.

use super::{CHUNK_PAIRS, Finish, POSITIONS, native};
use crate::{LayerView, graph::LayerKind, rows::Rows};
use core::ops::Range;

/// Height and width of a tile of outputs, before its pool.
pub(crate) const TILE: usize = 4;

/// Tiles that are multiplied at once.
pub(crate) const TILES_AT_ONCE: usize = 4;

/// Channels of a chunk.
const CHUNK: usize = 2 * CHUNK_PAIRS;

/// int16 lanes of two transformed filters: one chunk.
const FILTER_LANES: usize = POSITIONS * CHUNK_PAIRS * 2 * 2;

/// Accumulators of four tiles and two output channels.
const ACCUMULATORS: usize = POSITIONS * 2 * TILES_AT_ONCE;

/// Whether a layer can be computed so: transforms take four channels at a time, and 64 times an accumulator without its bias must
/// fit an int32.
pub(crate) fn is_possible(view: &LayerView) -> bool {
    let [_, _, channels] = view.input_shape.map(usize::from);
    let mut filters = view.weights.chunks_exact(9 * channels);
    let is_small = |filter: &[i8]| {
        let magnitude = filter.iter().map(|weight| u32::from(weight.unsigned_abs()));
        magnitude.sum::<u32>() < 1 << 18
    };
    channels.is_multiple_of(4) && (9 * 127 * channels < 1 << 18 || filters.all(is_small))
}

/// Bytes of `tiles` transformed tiles, a multiple of four.
pub(crate) fn tiles_len(channels: usize, tiles: usize) -> usize {
    2 * POSITIONS * channels * tiles
}

/// Bytes that the products of `tiles` tiles need besides.
pub(crate) fn products_len(tiles: usize) -> usize {
    let quads = tiles / TILES_AT_ONCE;
    2 * FILTER_LANES + 4 * quads * (ACCUMULATORS + POSITIONS * TILES_AT_ONCE)
}

/// Rows and columns of tiles.
pub(crate) fn grid(view: &LayerView) -> (usize, usize) {
    let tiling = Tiling::of(view);
    (tiling.rows(), tiling.columns())
}

/// The geometry of a layer.
#[derive(Clone, Copy)]
pub(crate) struct Tiling {
    height: usize,
    width: usize,
    channels: usize,
    pool: bool,
}

impl Tiling {
    pub fn of(view: &LayerView) -> Self {
        let [height, width, channels] = view.input_shape.map(usize::from);
        let pool = matches!(view.layer.kind, LayerKind::Convolution { pool: true, .. });
        Self {
            height,
            width,
            channels,
            pool,
        }
    }

    pub fn rows(&self) -> usize {
        self.height.div_ceil(TILE)
    }

    pub fn columns(&self) -> usize {
        self.width.div_ceil(TILE)
    }

    /// Outputs of a tile, in each direction.
    fn outputs(&self) -> usize {
        if self.pool { TILE / 2 } else { TILE }
    }

    /// Chunks of channels: the first one, and how many there are.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let channels = self.channels;
        (0..channels)
            .step_by(CHUNK)
            .map(move |first| (first, CHUNK.min(channels - first)))
    }

    /// Where the 6×6 pixels of a tile's patch are, `[column][row]`.
    fn patch(&self, tile: usize, input: &Rows) -> [u32; POSITIONS] {
        let top = tile / self.columns() * TILE;
        let left = tile % self.columns() * TILE;
        let mut offsets = [0; POSITIONS];
        for (column, offsets) in offsets.as_chunks_mut::<6>().0.iter_mut().enumerate() {
            for (row, offset) in offsets.iter_mut().enumerate() {
                *offset = input.bordered_pixel(top + row, left + column) as u32;
            }
        }
        offsets
    }
}

/// Transforms some tiles. `v` is `[chunk][tile / 4][position][pair][tile % 4]` pairs of lanes.
pub(crate) fn transform_tiles(
    tiling: &Tiling,
    tiles: Range<usize>,
    (input, map): (&Rows, &[i8]),
    v: &mut [i16],
) {
    let quads = tiles.len().div_ceil(TILES_AT_ONCE);
    for (tile, place) in tiles.enumerate() {
        let offsets = tiling.patch(place, input);
        for (start, channels) in tiling.chunks() {
            let block = POSITIONS * channels * TILES_AT_ONCE;
            let chunk = POSITIONS * start * TILES_AT_ONCE * quads;
            let v = &mut v[chunk + tile / TILES_AT_ONCE * block..][..block];
            let slot = tile % TILES_AT_ONCE;
            native::transform_input(&map[start..], &offsets, v, slot, channels / 4);
        }
    }
}

/// The parts of what [`products_len`] measures.
struct Scratch<'s> {
    u: &'s mut [i16],
    /// `[tile / 4][position][2][4]`.
    m: &'s mut [i32],
    /// `[tile / 4][position][4]`.
    corrections: &'s mut [i32],
}

impl<'s> Scratch<'s> {
    fn new(scratch: &'s mut [u32], quads: usize) -> Self {
        let (u, rest) = scratch.split_at_mut(FILTER_LANES / 2);
        let (m, rest) = rest.split_at_mut(quads * ACCUMULATORS);
        Self {
            u: bytemuck::cast_slice_mut(u),
            m: bytemuck::cast_slice_mut(m),
            corrections: bytemuck::cast_slice_mut(&mut rest[..quads * POSITIONS * TILES_AT_ONCE]),
        }
    }

    /// Accumulators that start with what takes the filters' offset away.
    fn clear(&mut self) {
        let corrections = self.corrections.as_chunks().0;
        native::spread(corrections, self.m.as_chunks_mut().0.as_chunks_mut().0);
    }
}

/// Computes the outputs of transformed tiles.
pub(crate) fn multiply_tiles(
    view: &LayerView,
    tiling: &Tiling,
    tiles: Range<usize>,
    v: &[i16],
    scratch: &mut [u32],
    output: &mut Output<'_>,
) {
    let quads = tiles.len().div_ceil(TILES_AT_ONCE);
    let mut scratch = Scratch::new(scratch, quads);
    correct_offsets(tiling, v, scratch.corrections);
    for channel in (0..view.biases.len()).step_by(2) {
        scratch.clear();
        let channels = channel..view.biases.len().min(channel + 2);
        let mut rest = v;
        for (start, chunk) in tiling.chunks() {
            for (slot, channel) in channels.clone().enumerate() {
                let weights = &view.weights[9 * tiling.channels * channel + start..];
                native::transform_filter(weights, tiling.channels, scratch.u, slot, chunk / 4);
            }
            let block = POSITIONS * chunk * TILES_AT_ONCE;
            let (blocks, behind) = rest.split_at(block * quads);
            rest = behind;
            for (v, m) in blocks
                .chunks_exact(block)
                .zip(scratch.m.chunks_exact_mut(ACCUMULATORS))
            {
                native::products(scratch.u, v, m, chunk / 2, 4 * CHUNK_PAIRS);
            }
        }
        for (slot, channel) in channels.enumerate() {
            let finish = Finish::of(view, channel);
            for (tile, place) in tiles.clone().enumerate() {
                let quad = tile / TILES_AT_ONCE * ACCUMULATORS;
                let m = &scratch.m[quad + slot * TILES_AT_ONCE + tile % TILES_AT_ONCE..];
                output.write(tiling, place, channel, m, &finish);
            }
        }
    }
}

/// Sums up what the filters' offset adds to each accumulator, negated.
fn correct_offsets(tiling: &Tiling, v: &[i16], corrections: &mut [i32]) {
    corrections.fill(0);
    let mut rest = v;
    for (_, chunk) in tiling.chunks() {
        let block = POSITIONS * chunk * TILES_AT_ONCE;
        let tiles = corrections.as_chunks_mut::<TILES_AT_ONCE>().0;
        for correction in tiles.as_chunks_mut::<POSITIONS>().0 {
            native::offset_corrections(rest, correction, chunk / 2);
            rest = &rest[block..];
        }
    }
}

/// The map that takes the outputs.
pub(crate) struct Output<'o> {
    pub rows: Rows,
    pub map: &'o mut [i8],
}

impl Output<'_> {
    /// Transforms and writes one channel of a tile; a tile may hang over the right and the lower edge.
    fn write(&mut self, tiling: &Tiling, tile: usize, channel: usize, m: &[i32], finish: &Finish) {
        let side = tiling.outputs();
        let (row, column) = (
            tile / tiling.columns() * side,
            tile % tiling.columns() * side,
        );
        let Rows {
            height,
            width,
            channels,
            kept,
        } = self.rows;
        let transform = if tiling.pool {
            native::transform_pooled_output
        } else {
            native::transform_output
        };
        let is_whole = row + side <= height && column + side <= width && row % kept + side <= kept;
        if is_whole {
            let start = self.rows.row(row).start + column * channels + channel;
            let line = self.rows.line();
            transform(m, &mut self.map[start..], line, channels, finish);
            return;
        }
        let mut outputs = [0; TILE * TILE];
        transform(m, &mut outputs, TILE, 1, finish);
        for (row, outputs) in (row..height).zip(outputs.chunks_exact(TILE).take(side)) {
            let line = &mut self.map[self.rows.row(row)];
            for (column, &output) in (column..width).zip(&outputs[..side]) {
                line[column * channels + channel] = output;
            }
        }
    }
}
