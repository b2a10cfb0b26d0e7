//! 3×3 convolutions with Winograd's F(4×4, 3×3) in integers: 36 products for 16 outputs instead of 144.

use super::inner_loops::{CHUNK_PAIRS, InnerLoops, POSITIONS};
use crate::{
    kernels::{Costs, Job, Kernel, Need, Place, Turn, Words, convolution_turn, parts},
    ops::OperationKind,
    rows::Rows,
    step::{Epilogue, Step},
};
use core::ops::Range;

/// Height and width of a tile of accumulators.
const TILE: usize = 4;

/// Tiles that are multiplied at once; the unit of the kernel's size.
const TILES_AT_ONCE: usize = 4;

/// Channels of a chunk.
const CHUNK: usize = 2 * CHUNK_PAIRS;

/// Words of two transformed filters: one chunk.
const FILTERS: usize = POSITIONS * CHUNK_PAIRS * 2;

/// Accumulators of four tiles and two output channels.
const ACCUMULATORS: usize = POSITIONS * 2 * TILES_AT_ONCE;

/// Sums of weights' magnitudes below this keep 64 times an accumulator without its bias in an int32 (see `NUMERICS.md`).
const WEIGHT_SUM_LIMIT: u32 = 1 << 18;

/// Of size n: filters are transformed again for every `4 * n` tiles.
pub(super) struct Winograd<L>(pub L);

impl<L: InnerLoops + Copy> Kernel for Winograd<L> {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn fits(&self, step: &Step) -> bool {
        // Transforms take four channels at a time.
        step.kind == OperationKind::Convolution
            && step.input.channels.is_multiple_of(4)
            && step.weight_sum < WEIGHT_SUM_LIMIT
    }

    fn need(&self, step: &Step, whole: bool) -> Need {
        let tiling = Tiling::of(step);
        let tiles = if whole { tiling.rows * tiling.columns } else { tiling.columns };
        Need {
            rows_out: TILE / step.pool_side(),
            sizes: tiles.div_ceil(TILES_AT_ONCE),
            scratch: Words { fixed: 0, each: POSITIONS * tiling.channels * TILES_AT_ONCE / 2 },
            overlay: Words { fixed: FILTERS, each: ACCUMULATORS + POSITIONS * TILES_AT_ONCE },
            ..Need::rows(TILE + 2)
        }
    }

    fn weight_fetches(&self, step: &Step, size: usize, whole: bool) -> usize {
        let Tiling { rows, columns, .. } = Tiling::of(step);
        let size = size * TILES_AT_ONCE;
        if whole { (rows * columns).div_ceil(size) } else { rows * columns.div_ceil(size) }
    }

    fn instructions(&self, step: &Step, size: usize, whole: bool, costs: &Costs) -> u64 {
        let tiling = Tiling::of(step);
        let tiles = tiling.rows * tiling.columns;
        let (inputs, outputs) = (tiling.channels as u64, step.biases.len() as u64);
        let multiplied = tiles.next_multiple_of(TILES_AT_ONCE) as u64;
        let products = multiplied * outputs.next_multiple_of(2) * inputs * costs.winograd_products;
        let filters = self.weight_fetches(step, size, whole) as u64 * inputs * outputs * costs.winograd_filter;
        filters + products + tiles as u64 * (inputs * costs.winograd_input + outputs * costs.winograd_output)
    }

    fn turn(&self, step: &Step, turn: usize, whole: bool) -> Option<Turn> {
        let [height, _] = step.computed_size();
        convolution_turn(step, if whole { height } else { TILE }, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let tiling = Tiling::of(job.step);
        let side = job.step.pool_side();
        let [first, end] =
            [job.rows.start * side / TILE, (job.rows.end * side).div_ceil(TILE)].map(|row| row * tiling.columns);
        let size = job.size * TILES_AT_ONCE;
        let (places, step) = (job.places, job.step);
        let (input_rows, output_rows) = (job.input_rows, job.output_rows);
        for start in (first..end).step_by(size) {
            let tiles = start..end.min(start + size);
            let regions = [places.input, places.scratch, Place::EMPTY, Place::EMPTY];
            let [input, v, ..] = parts(job.arena, regions);
            let input = (&input_rows, &*input);
            transform_tiles(self.0, &tiling, tiles.clone(), input, v);
            let regions = [places.scratch, places.overlay, job.output, Place::EMPTY];
            let [v, scratch, output, _] = parts(job.arena, regions);
            let mut output = Output { rows: output_rows, map: bytemuck::cast_slice_mut(output) };
            multiply_tiles(self.0, step, &tiling, tiles, v, scratch, &mut output);
        }
    }
}

/// The geometry of a step.
#[derive(Clone, Copy)]
struct Tiling {
    /// Rows and columns of tiles.
    rows: usize,
    columns: usize,
    /// Of the input.
    channels: usize,
    pool: bool,
}

impl Tiling {
    fn of(step: &Step) -> Self {
        let [rows, columns] = step.computed_size().map(|side| side.div_ceil(TILE));
        Self { rows, columns, channels: step.input.channels.into(), pool: step.pool }
    }

    /// Chunks of channels: the first one, and how many there are.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let channels = self.channels;
        (0..channels).step_by(CHUNK).map(move |first| (first, CHUNK.min(channels - first)))
    }

    /// Where the 6×6 pixels of a tile's patch are, `[column][row]`.
    fn patch(&self, tile: usize, input: &Rows) -> [u32; POSITIONS] {
        let top = tile / self.columns * TILE;
        let left = tile % self.columns * TILE;
        let mut offsets = [0; POSITIONS];
        for (column, offsets) in offsets.as_chunks_mut::<6>().0.iter_mut().enumerate() {
            for (row, offset) in offsets.iter_mut().enumerate() {
                *offset = input.bordered_pixel(top + row, left + column) as u32;
            }
        }
        offsets
    }
}

/// Transforms some tiles. `v` is `[chunk][tile / 4][position][pair][tile % 4]`.
fn transform_tiles(
    loops: impl InnerLoops + Copy,
    tiling: &Tiling,
    tiles: Range<usize>,
    (input, map): (&Rows, &[u32]),
    v: &mut [u32],
) {
    let quads = tiles.len().div_ceil(TILES_AT_ONCE);
    for (tile, place) in tiles.enumerate() {
        let offsets = tiling.patch(place, input);
        for (start, channels) in tiling.chunks() {
            let block = POSITIONS * channels / 2 * TILES_AT_ONCE;
            let chunk = POSITIONS * start / 2 * TILES_AT_ONCE * quads;
            let v = &mut v[chunk + tile / TILES_AT_ONCE * block..][..block];
            let slot = tile % TILES_AT_ONCE;
            loops.transform_input(&map[start / 4..], &offsets, v, slot, channels / 4);
        }
    }
}

/// Computes the outputs of transformed tiles.
fn multiply_tiles(
    loops: impl InnerLoops + Copy,
    step: &Step,
    tiling: &Tiling,
    tiles: Range<usize>,
    v: &[u32],
    scratch: &mut [u32],
    output: &mut Output<'_>,
) {
    let quads = tiles.len().div_ceil(TILES_AT_ONCE);
    let (u, scratch) = scratch.split_at_mut(FILTERS);
    let (m, corrections) = scratch.split_at_mut(quads * ACCUMULATORS);
    let weights: &[u32] = bytemuck::cast_slice(step.weights);
    // `[tile / 4][position][2][4]`.
    let m: &mut [i32] = bytemuck::cast_slice_mut(m);
    // `[tile / 4][position][4]`.
    let corrections = &mut corrections[..quads * POSITIONS * TILES_AT_ONCE];
    let corrections: &mut [i32] = bytemuck::cast_slice_mut(corrections);
    correct_offsets(loops, tiling, v, corrections);
    for channel in (0..step.biases.len()).step_by(2) {
        // Accumulators start with what takes the filters' offset away.
        let sums = m.as_chunks_mut().0.as_chunks_mut().0;
        loops.spread(corrections.as_chunks().0, sums);
        let channels = channel..step.biases.len().min(channel + 2);
        let mut rest = v;
        for (start, chunk) in tiling.chunks() {
            for (slot, channel) in channels.clone().enumerate() {
                let weights = &weights[(9 * tiling.channels * channel + start) / 4..];
                loops.transform_filter(weights, tiling.channels / 4, u, slot, chunk / 4);
            }
            let block = POSITIONS * chunk / 2 * TILES_AT_ONCE;
            let (blocks, behind) = rest.split_at(block * quads);
            rest = behind;
            for (v, m) in blocks.chunks_exact(block).zip(m.chunks_exact_mut(ACCUMULATORS)) {
                loops.products(u, v, m, chunk / 2, 2 * CHUNK_PAIRS);
            }
        }
        for (slot, channel) in channels.enumerate() {
            let epilogue = step.epilogue(channel);
            for (tile, place) in tiles.clone().enumerate() {
                let quad = tile / TILES_AT_ONCE * ACCUMULATORS;
                let m = &m[quad + slot * TILES_AT_ONCE + tile % TILES_AT_ONCE..];
                output.write(loops, tiling, place, channel, m, &epilogue);
            }
        }
    }
}

/// Sums up what the filters' offset adds to each accumulator, negated.
fn correct_offsets(loops: impl InnerLoops + Copy, tiling: &Tiling, v: &[u32], corrections: &mut [i32]) {
    corrections.fill(0);
    let mut rest = v;
    for (_, chunk) in tiling.chunks() {
        let block = POSITIONS * chunk / 2 * TILES_AT_ONCE;
        let tiles = corrections.as_chunks_mut::<TILES_AT_ONCE>().0;
        for correction in tiles.as_chunks_mut::<POSITIONS>().0 {
            loops.offset_corrections(rest, correction, chunk / 2);
            rest = &rest[block..];
        }
    }
}

/// The map that takes the outputs.
struct Output<'o> {
    rows: Rows,
    map: &'o mut [i8],
}

impl Output<'_> {
    /// Transforms and writes one channel of a tile; a tile may hang over the right and the lower edge.
    fn write(
        &mut self,
        loops: impl InnerLoops + Copy,
        tiling: &Tiling,
        tile: usize,
        channel: usize,
        m: &[i32],
        epilogue: &Epilogue,
    ) {
        let side = if tiling.pool { TILE / 2 } else { TILE };
        let (row, column) = (tile / tiling.columns * side, tile % tiling.columns * side);
        let Rows { height, width, channels, kept } = self.rows;
        let is_whole = row + side <= height && column + side <= width && row % kept + side <= kept;
        if is_whole {
            let start = self.rows.row(row).start + column * channels + channel;
            let line = self.rows.line();
            let output = &mut self.map[start..];
            loops.transform_output(m, output, line, channels, epilogue, tiling.pool);
            return;
        }
        let mut outputs = [0; TILE * TILE];
        loops.transform_output(m, &mut outputs, TILE, 1, epilogue, tiling.pool);
        for (row, outputs) in (row..height).zip(outputs.chunks_exact(TILE).take(side)) {
            let line = &mut self.map[self.rows.row(row)];
            for (column, &output) in (column..width).zip(&outputs[..side]) {
                line[column * channels + channel] = output;
            }
        }
    }
}
