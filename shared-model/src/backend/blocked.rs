//! 3×3 convolutions for processors with vectors: a matrix product of pixels and of filters that were packed for it.
//!
//! A lane of a vector is an output channel. A word of the input, a few taps of one pixel's window, is multiplied with all lanes at
//! once, and a block of output channels is computed for up to six pixels whose sums stay in registers. Nothing is summed up across
//! lanes.
//!
//! ```text
//!   a row of the input, bordered             filters of a block, packed in the first turn
//!
//!   | p | p | p | p | …                       lane0 lane1 lane2 …  (output channels)
//!   +-----------+                            +-----+-----+-----+
//!   | 3 · in taps under one kernel row |     |     |     |     |  a box is a word
//!   | in words, one after the other    |---> |     |     |     |
//!                                            |     |     |     |  3 kernel rows of words
//!                                            +-----+-----+-----+
//! ```

use super::vector_loops::{Block, Finish, TILE, VectorLoops, Words, pack};
use crate::{
    kernels::{self, Costs, Job, Kernel, Need, Place, Places, Turn, convolution_turn, pair, parts},
    ops::OperationKind,
    rows::Rows,
    step::Step,
};

/// Pixels of a turn, about: so many that the filters, which may be larger than the caches, are fetched seldom.
const PIXELS: usize = 32;

/// Words of a cache line. Vectors that lie across two lines take twice the time to load.
const LINE: usize = 16;

/// A few rows of output at a time.
pub(super) struct Blocked<W, L>(pub W, pub L);

impl<W: Words, L: VectorLoops<W>> Kernel for Blocked<W, L> {
    fn name(&self) -> &'static str {
        "blocked"
    }

    fn fits(&self, step: &Step) -> bool {
        step.kind == OperationKind::Convolution
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        let sizes = Sizes::of::<W>(step);
        Need {
            rows_out: sizes.rows / step.pool_side(),
            kept: sizes.blocks * (sizes.filters + W::LANES) + LINE - 1,
            scratch: kernels::Words { fixed: sizes.lines.div_ceil(4) + sizes.sums, each: 0 },
            ..Need::rows(sizes.rows + 2)
        }
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: usize) -> usize {
        1
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, costs: &Costs) -> u64 {
        step.multiply_accumulates() * costs.blocked / 4 + step.weights.len() as u64 * costs.blocked_filter
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        convolution_turn(step, Sizes::of::<W>(step).rows, turn)
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, rows) = (job.step, job.rows);
        let sizes = Sizes::of::<W>(step);
        let Places { input, kept, scratch, .. } = job.places;
        let side = step.pool_side();
        let (map, lines) = pair(job.arena, input, scratch);
        let lines = &mut bytemuck::cast_slice_mut(lines)[..sizes.lines];
        let map = (&job.input_rows, bytemuck::cast_slice(map));
        widen_lines::<W>(map, rows.start * side, &sizes, lines);

        let [kept, scratch, output, _] = parts(job.arena, [kept, scratch, job.output, Place::EMPTY]);
        let skipped = kept.as_ptr().align_offset(size_of::<[u32; LINE]>()).min(LINE - 1);
        let (filters, starts) = kept[skipped..].split_at_mut(sizes.blocks * sizes.filters);
        let starts: &mut [i32] = bytemuck::cast_slice_mut(&mut starts[..sizes.blocks * W::LANES]);
        if job.turn == 0 {
            self.pack(step, &sizes, filters, starts);
        }
        let (lines, sums) = scratch.split_at_mut(sizes.lines.div_ceil(4));
        let lines = &bytemuck::cast_slice(lines)[..sizes.lines];
        let sums: &mut [i32] = bytemuck::cast_slice_mut(sums);
        let output: &mut [i8] = bytemuck::cast_slice_mut(output);
        let finish = Finish { multipliers: step.multipliers, offsets: step.offsets, relu: step.relu, pool: step.pool };
        let sums = &mut sums[..rows.len() * side * sizes.width * W::LANES];
        let blocks = filters.chunks_exact(sizes.filters).zip(starts.chunks_exact(W::LANES)).enumerate();
        for (block, (filters, starts)) in blocks {
            self.multiply(&sizes, lines, Block { filters, starts }, sums);
            let channels = block * W::LANES..step.biases.len().min((block + 1) * W::LANES);
            for (row, sums) in rows.clone().zip(sums.chunks_exact(side * sizes.width * W::LANES)) {
                let output = &mut output[job.output_rows.row(row)];
                self.1.finish(sums, output, channels.clone(), finish);
            }
        }
    }
}

impl<W: Words, L: VectorLoops<W>> Blocked<W, L> {
    /// Packs the filters of all blocks.
    fn pack(&self, step: &Step, sizes: &Sizes, filters: &mut [u32], starts: &mut [i32]) {
        let row = 3 * usize::from(step.input.channels);
        let weights = step.weights.chunks(3 * row * W::LANES).zip(step.biases.chunks(W::LANES));
        let blocks = filters.chunks_exact_mut(sizes.filters).zip(starts.chunks_exact_mut(W::LANES));
        for ((weights, biases), (filters, starts)) in weights.zip(blocks) {
            pack(&self.1, weights, biases, row, filters, starts);
        }
    }

    /// The sums of a block for all pixels of a turn, `[row][column][LANES]`.
    fn multiply(&self, sizes: &Sizes, lines: &[u8], block: Block<'_>, sums: &mut [i32]) {
        let pixels = sums.len() / W::LANES;
        // As many tiles as are needed, of equal sizes or nearly so.
        let tiles = pixels.div_ceil(TILE);
        let (mut start, mut column) = (0, 0);
        let mut rest = sums;
        for tile in 0..tiles {
            let tile = tile * pixels / tiles..(tile + 1) * pixels / tiles;
            let mut windows = [0; TILE];
            for window in &mut windows[..tile.len()] {
                *window = start + column * sizes.pixel;
                column += 1;
                if column == sizes.width {
                    (start, column) = (start + sizes.line, 0);
                }
            }
            let (sums, behind) = rest.split_at_mut(tile.len() * W::LANES);
            self.1.multiply(lines, sizes.line, &windows[..tile.len()], block, sums);
            rest = behind;
        }
    }
}

/// Writes the lines around row `top` of accumulators, each with a pixel of padding at either end.
fn widen_lines<W: Words>((rows, map): (&Rows, &[i8]), top: usize, sizes: &Sizes, lines: &mut [u8]) {
    let pixel = rows.channels * size_of::<W::Weight>();
    let padding = &map[rows.padding()];
    let bordered = lines.chunks_exact_mut(sizes.line).take(sizes.rows + 2);
    for (row, line) in (top..).zip(bordered) {
        if (1..=rows.height).contains(&row) {
            let (first, line) = line.split_at_mut(pixel);
            let (line, last) = line.split_at_mut(rows.line() * size_of::<W::Weight>());
            W::widen(padding, first);
            W::widen(&map[rows.row(row - 1)], line);
            W::widen(padding, last);
        } else {
            for pixel in line.chunks_exact_mut(pixel) {
                W::widen(padding, pixel);
            }
        }
    }
}

/// The sizes of a step.
struct Sizes {
    /// Rows of accumulators of a turn.
    rows: usize,
    /// Columns of accumulators.
    width: usize,
    /// Blocks of output channels.
    blocks: usize,
    /// Words of a block's filters.
    filters: usize,
    /// Bytes of a pixel.
    pixel: usize,
    /// Bytes of a bordered line.
    line: usize,
    /// Bytes of all lines of a turn, and of what the last word may have too much.
    lines: usize,
    /// Words of the sums of a block.
    sums: usize,
}

impl Sizes {
    fn of<W: Words>(step: &Step) -> Self {
        let [height, width] = step.computed_size();
        let channels = usize::from(step.input.channels);
        let side = step.pool_side();
        let rows = PIXELS.div_ceil(side * width) * side;
        let rows = rows.min(height);
        let pixel = channels * size_of::<W::Weight>();
        let line = (usize::from(step.input.width) + 2) * pixel;
        Self {
            rows,
            width,
            blocks: step.biases.len().div_ceil(W::LANES),
            filters: 3 * (3 * channels).div_ceil(W::TAPS) * W::LANES,
            pixel,
            line,
            lines: ((rows + 2) * line + size_of::<u32>() - 1).next_multiple_of(size_of::<u32>()),
            sums: rows * width * W::LANES,
        }
    }
}
