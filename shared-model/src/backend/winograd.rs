//! 3×3 convolutions with Winograd's F(4×4, 3×3) in integers: 36 products for 16 outputs instead of 144.

use super::inner_loops::{CHUNK_PAIRS, InnerLoops, OutputChannel, POSITIONS, Patch, STREAM, TileRun};
use crate::{
    kernels::{Costs, Job, Kernel, Need, Place, Places, Turn, Words, convolution_turn, pair, parts},
    ops::OperationKind,
    rows::Rows,
    step::Step,
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
        fits(step)
    }

    fn need(&self, step: &Step, height: usize) -> Need {
        let tiling = Tiling::of(step);
        let rows = tiling.rows.min(height);
        Need {
            rows_out: rows * TILE / step.pool_side(),
            sizes: (rows * tiling.columns).div_ceil(TILES_AT_ONCE),
            scratch: Words { fixed: 0, each: POSITIONS * tiling.channels * TILES_AT_ONCE / 2 },
            overlay: Words { fixed: filters_len(step), each: ACCUMULATORS + POSITIONS * TILES_AT_ONCE },
            ..Need::rows(TILE + 2)
        }
    }

    fn weight_fetches(&self, step: &Step, size: usize, height: usize) -> usize {
        Tiling::of(step).batches(size, height)
    }

    fn instructions(&self, step: &Step, size: usize, height: usize, costs: &Costs) -> u64 {
        let tiling = Tiling::of(step);
        let tiles = tiling.rows * tiling.columns;
        let (inputs, outputs) = (tiling.channels as u64, step.biases.len() as u64);
        let multiplied = (TILES_AT_ONCE * tiling.batches(1, height)) as u64;
        let products = multiplied * outputs.next_multiple_of(2) * inputs * costs.winograd_products;
        let per_channel = if step.transformed.is_empty() { costs.winograd_filter } else { 0 };
        let per_filter = inputs * per_channel + tiling.chunks().count() as u64 * costs.winograd_filter_chunk;
        let filters = self.weight_fetches(step, size, height) as u64 * outputs * per_filter;
        let per_tile = inputs * costs.winograd_input + outputs * costs.winograd_output + costs.winograd_tile;
        filters + products + tiles as u64 * per_tile
    }

    fn turn(&self, step: &Step, turn: usize, height: usize) -> Option<Turn> {
        tiled_turn(step, turn, height)
    }

    fn run(&self, job: Job<'_, '_>) {
        let tiling = Tiling::of(job.step);
        let all = tiling.tiles(&job);
        let size = job.size * TILES_AT_ONCE;
        let (places, step) = (job.places, job.step);
        let (input_rows, output_rows) = (job.input_rows, job.output_rows);
        for start in all.clone().step_by(size) {
            let tiles = start..all.end.min(start + size);
            let (input, v) = pair(job.arena, places.input, places.scratch);
            let input = (&input_rows, &*input);
            transform_tiles(self.0, &tiling, tiles.clone(), input, v);
            let regions = [places.scratch, places.overlay, job.output, Place::EMPTY];
            let [v, scratch, output, _] = parts(job.arena, regions);
            let mut output = Output { rows: output_rows, pool: step.pool, map: bytemuck::cast_slice_mut(output) };
            multiply_tiles(self.0, step, &tiling, tiles, v, scratch, &mut output);
        }
    }
}

/// The same with fewer words: four tiles at a time, whose accumulators for some output channels stay, while the input is transformed and
/// multiplied four channels after four. Of size n: the input is transformed again for every `2 * n` output channels.
pub(super) struct WinogradInPieces<L>(pub L);

impl<L: InnerLoops + Copy> Kernel for WinogradInPieces<L> {
    fn name(&self) -> &'static str {
        "winograd-pieces"
    }

    fn fits(&self, step: &Step) -> bool {
        fits(step)
    }

    fn need(&self, step: &Step, height: usize) -> Need {
        Need {
            rows_out: Tiling::of(step).rows.min(height) * TILE / step.pool_side(),
            sizes: step.biases.len().div_ceil(2),
            scratch: Words { fixed: STREAM + POSITIONS * TILES_AT_ONCE, each: ACCUMULATORS },
            ..Need::rows(TILE + 2)
        }
    }

    fn weight_fetches(&self, step: &Step, _: usize, height: usize) -> usize {
        Tiling::of(step).batches(1, height)
    }

    fn instructions(&self, step: &Step, size: usize, height: usize, costs: &Costs) -> u64 {
        let tiling = Tiling::of(step);
        let tiles = (tiling.rows * tiling.columns) as u64;
        let (inputs, outputs) = (tiling.channels as u64, step.biases.len());
        let pieces = (tiling.batches(1, height) * outputs.div_ceil(2)) as u64 * inputs / 4;
        let transformed = tiles * inputs * outputs.div_ceil(2 * size) as u64;
        // The first factor is fitted: a tile is taken in by a call for each four of its channels, in place of one for up to 32.
        let per_tile = 3 * costs.winograd_tile + outputs as u64 * costs.winograd_output;
        pieces * costs.winograd_piece + transformed * costs.winograd_input + tiles * per_tile
    }

    fn turn(&self, step: &Step, turn: usize, height: usize) -> Option<Turn> {
        tiled_turn(step, turn, height)
    }

    fn run(&self, mut job: Job<'_, '_>) {
        let tiling = Tiling::of(job.step);
        let all = tiling.tiles(&job);
        for start in all.clone().step_by(TILES_AT_ONCE) {
            self.compute(&mut job, &tiling, start..all.end.min(start + TILES_AT_ONCE));
        }
    }
}

impl<L: InnerLoops + Copy> WinogradInPieces<L> {
    /// Computes the outputs of at most four tiles.
    fn compute(&self, job: &mut Job<'_, '_>, tiling: &Tiling, tiles: Range<usize>) {
        let (loops, step) = (self.0, job.step);
        let Places { input, scratch, .. } = job.places;
        let (outputs, filter) = (step.biases.len(), 9 * tiling.channels / 4);
        let mut patches = [const { Patch::new() }; TILES_AT_ONCE];
        for (patch, tile) in patches.iter_mut().zip(tiles.clone()) {
            tiling.place(patch, tile, &job.input_rows);
        }
        for first in (0..outputs).step_by(2 * job.size) {
            let channels = first..outputs.min(first + 2 * job.size);
            let weights = &bytemuck::cast_slice(step.weights)[filter * first..filter * channels.end];
            let (map, words) = pair(job.arena, input, scratch);
            let (stream, corrections, m) = piece_scratch(words);
            let m = &mut m[..channels.len().div_ceil(2)];
            if first == 0 {
                corrections.fill([0; TILES_AT_ONCE]);
            }
            // Accumulators start with what takes the filters' offset away, once that is known.
            for m in m.iter_mut() {
                loops.spread(corrections, m.as_chunks_mut().0.as_chunks_mut().0);
            }
            for start in (0..tiling.channels).step_by(4) {
                for (slot, patch) in patches[..tiles.len()].iter().enumerate() {
                    loops.stream_input(&map[start / 4..], patch, stream, slot);
                }
                if first == 0 {
                    loops.stream_corrections(stream, corrections);
                }
                loops.stream_filters(&weights[start / 4..], tiling.channels / 4, stream, m.as_flattened_mut());
            }
            if first == 0 {
                for m in m.iter_mut() {
                    let halves = m.as_chunks_mut().0.as_chunks_mut::<2>().0.iter_mut();
                    for (halves, correction) in halves.zip(&*corrections) {
                        for [a, b, c, d] in halves {
                            *a = a.wrapping_add(correction[0]);
                            *b = b.wrapping_add(correction[1]);
                            *c = c.wrapping_add(correction[2]);
                            *d = d.wrapping_add(correction[3]);
                        }
                    }
                }
            }
            let (words, output) = pair(job.arena, scratch, job.output);
            let (.., m) = piece_scratch(words);
            let mut output = Output { rows: job.output_rows, pool: step.pool, map: bytemuck::cast_slice_mut(output) };
            for (pair, m) in channels.clone().step_by(2).zip(m.iter()) {
                write_tiles(loops, step, tiling, tiles.clone(), pair..channels.end.min(pair + 2), m, &mut output);
            }
        }
    }
}

/// The stream, the corrections, and the accumulators of each two output channels, `[position][2][4]`.
fn piece_scratch(
    scratch: &mut [u32],
) -> (&mut [u32], &mut [[i32; TILES_AT_ONCE]; POSITIONS], &mut [[i32; ACCUMULATORS]]) {
    let (stream, scratch) = scratch.split_at_mut(STREAM);
    let (corrections, m) = scratch.split_at_mut(POSITIONS * TILES_AT_ONCE);
    let corrections: &mut [i32] = bytemuck::cast_slice_mut(corrections);
    let corrections = &mut corrections.as_chunks_mut().0.as_chunks_mut().0[0];
    let m: &mut [i32] = bytemuck::cast_slice_mut(m);
    (stream, corrections, m.as_chunks_mut().0)
}

/// Words for the filters of two output channels and a chunk of input channels; none, if they were transformed ahead of time.
fn filters_len(step: &Step) -> usize {
    if step.transformed.is_empty() { FILTERS } else { 0 }
}

/// Whether a step can be computed this way, and exactly.
pub(super) fn fits(step: &Step) -> bool {
    // Transforms take four channels at a time.
    step.kind == OperationKind::Convolution
        && step.input.channels.is_multiple_of(4)
        && step.weight_sum < WEIGHT_SUM_LIMIT
}

/// So many rows of tiles, or all of them.
fn tiled_turn(step: &Step, turn: usize, height: usize) -> Option<Turn> {
    convolution_turn(step, Tiling::of(step).rows.min(height) * TILE, turn)
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

    /// Rows and columns of outputs of a tile.
    fn output_side(&self) -> usize {
        if self.pool { TILE / 2 } else { TILE }
    }

    /// Chunks of channels: the first one, and how many there are.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let channels = self.channels;
        (0..channels).step_by(CHUNK).map(move |first| (first, CHUNK.min(channels - first)))
    }

    /// In how many batches of `size` times four tiles the tiles are taken, `height` rows of them a turn.
    fn batches(&self, size: usize, height: usize) -> usize {
        let height = self.rows.min(height);
        let batches = |rows: usize| (rows * self.columns).div_ceil(size * TILES_AT_ONCE);
        self.rows / height * batches(height) + batches(self.rows % height)
    }

    /// The tiles of a turn.
    fn tiles(&self, job: &Job) -> Range<usize> {
        let side = job.step.pool_side();
        let [first, end] = [job.rows.start * side / TILE, (job.rows.end * side).div_ceil(TILE)];
        first * self.columns..end * self.columns
    }

    /// Says where the 6×6 pixels of a tile's patch are.
    fn place(&self, patch: &mut Patch, tile: usize, input: &Rows) {
        let [top, left] = [tile / self.columns * TILE, tile % self.columns * TILE];
        // Counted from the border of padding, which is one pixel wide.
        let rows = top.max(1)..(top + 6).min(input.height + 1);
        let columns = left.max(1)..(left + 6).min(input.width + 1);
        patch.fill(input.padding().start as u32);
        for row in rows {
            let start = input.row(row - 1).start + (columns.start - 1) * input.channels;
            patch.set(row - top, columns.start - left..columns.end - left, start, input.channels);
        }
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
    let mut patch = Patch::new();
    for (tile, place) in tiles.enumerate() {
        tiling.place(&mut patch, place, input);
        for (start, channels) in tiling.chunks() {
            let block = POSITIONS * channels / 2 * TILES_AT_ONCE;
            let chunk = POSITIONS * start / 2 * TILES_AT_ONCE * quads;
            let v = &mut v[chunk + tile / TILES_AT_ONCE * block..][..block];
            let slot = tile % TILES_AT_ONCE;
            loops.transform_input(&map[start / 4..], &patch, v, slot, channels / 4);
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
    let (u, scratch) = scratch.split_at_mut(filters_len(step));
    let (m, corrections) = scratch.split_at_mut(quads * ACCUMULATORS);
    let weights: &[u32] = bytemuck::cast_slice(step.weights);
    let m: &mut [i32] = bytemuck::cast_slice_mut(m);
    // `[tile / 4][position][2][4]`.
    let m = m.as_chunks_mut().0.as_chunks_mut().0;
    // `[tile / 4][position][4]`.
    let corrections = &mut corrections[..quads * POSITIONS * TILES_AT_ONCE];
    let corrections: &mut [i32] = bytemuck::cast_slice_mut(corrections);
    correct_offsets(loops, tiling, v, corrections);
    for channel in (0..step.biases.len()).step_by(2) {
        // Accumulators start with what takes the filters' offset away.
        loops.spread(corrections.as_chunks().0, m);
        let channels = channel..step.biases.len().min(channel + 2);
        let mut rest = v;
        for (start, chunk) in tiling.chunks() {
            let (u, u_step) = if u.is_empty() {
                (&step.transformed[POSITIONS * (channel / 2 * tiling.channels + start)..], chunk)
            } else {
                for (slot, channel) in channels.clone().enumerate() {
                    let weights = &weights[(9 * tiling.channels * channel + start) / 4..];
                    loops.transform_filter(weights, tiling.channels / 4, u, slot, chunk / 4);
                }
                (&*u, 2 * CHUNK_PAIRS)
            };
            let block = POSITIONS * chunk / 2 * TILES_AT_ONCE;
            let (blocks, behind) = rest.split_at(block * quads);
            rest = behind;
            for (v, m) in blocks.chunks_exact(block).zip(m.chunks_exact_mut(POSITIONS)) {
                loops.products(u, v, m, chunk / 2, u_step);
            }
        }
        let m = m.as_flattened().as_flattened();
        write_tiles(loops, step, tiling, tiles.clone(), channels, m, output);
    }
}

/// Writes the outputs of tiles for two output channels or one. The accumulators are `[tile / 4][position][2][4]`.
fn write_tiles(
    loops: impl InnerLoops + Copy,
    step: &Step,
    tiling: &Tiling,
    tiles: Range<usize>,
    channels: Range<usize>,
    m: &[i32],
    output: &mut Output<'_>,
) {
    // Of a single channel, twice.
    let [first, last] = [channels.start, channels.end - 1];
    let both = [OutputChannel::of(step, first), OutputChannel::of(step, last)];
    let both = &both[..channels.len()];
    let (side, columns) = (tiling.output_side(), tiling.columns);
    let (mut row, mut column) = (tiles.start / columns, tiles.start % columns);
    let mut tile = 0;
    while tile < tiles.len() {
        // Those of one row of tiles at once.
        let slot = tile % TILES_AT_ONCE;
        let run = (TILES_AT_ONCE - slot).min(columns - column).min(tiles.len() - tile);
        let m = &m[tile / TILES_AT_ONCE * ACCUMULATORS + slot..];
        output.write(loops, [row * side, column * side], run, m, channels.start, both);
        tile += run;
        column += run;
        if column == columns {
            (row, column) = (row + 1, 0);
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
    pool: bool,
    map: &'o mut [i8],
}

impl Output<'_> {
    /// Transforms and writes some `channels`, from `first` on, of tiles side by side, the first of which begins at this row and column; they
    /// may hang over the right and the lower edge.
    fn write(
        &mut self,
        loops: impl InnerLoops + Copy,
        [row, column]: [usize; 2],
        tiles: usize,
        m: &[i32],
        first: usize,
        channels: &[OutputChannel],
    ) {
        let Rows { height, width, channels: pixel_step, kept } = self.rows;
        let line = width * pixel_step;
        let run = TileRun { tiles, pool: self.pool, row_step: line, pixel_step };
        let (slot, side) = (row % kept, run.side());
        if row + side <= height && slot + side <= kept && column + tiles * side <= width {
            let output = &mut self.map[slot * line + column * pixel_step + first..];
            return loops.transform_outputs(m, &run, channels, output);
        }
        for tile in 0..tiles {
            let mut outputs = [[[0; 2]; TILE]; TILE];
            let run = TileRun { tiles: 1, row_step: 2 * TILE, pixel_step: 2, ..run };
            loops.transform_outputs(&m[tile..], &run, channels, outputs.as_flattened_mut().as_flattened_mut());
            let left = column + tile * side;
            for (row, outputs) in (row..height).zip(&outputs[..side]) {
                let mut place = self.rows.row(row).start + left * pixel_step + first;
                for &[one, other] in &outputs[..side.min(width - left)] {
                    self.map[place] = one;
                    if channels.len() == 2 {
                        self.map[place + 1] = other;
                    }
                    place += pixel_step;
                }
            }
        }
    }
}
