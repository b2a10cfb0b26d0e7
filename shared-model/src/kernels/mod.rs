//! What a kernel is, and the kernels in portable Rust that serve every backend.
//!
//! A kernel computes steps of some kind, a few rows at a time. What it needs for a step is a pure function of the step's shapes, so
//! that plans for any core can be made on any host; all kernels give the same bits.

pub(crate) mod average_pool;
pub(crate) mod dense;
pub(crate) mod direct;
pub(crate) mod max_pool;

use crate::{graph::MAX_LABELS, rows::Rows, step::Step};
use core::ops::Range;
use heapless::Vec;

/// As a height: the whole output may be computed in one turn.
pub(crate) const ALL_ROWS: usize = usize::MAX;

/// One way to compute steps. Turns are counted from zero; sizes, of which a kernel may have several, from one.
///
/// `height` says how many times the rows of its lowest turn a turn may compute: one, unless the step's input is there before its first
/// turn; [`ALL_ROWS`], if that leaves it the choice.
pub(crate) trait Kernel: Sync {
    /// For a person.
    fn name(&self) -> &'static str;

    /// Whether it can compute the step at all.
    fn fits(&self, step: &Step) -> bool;

    /// Memory and rows that it needs.
    fn need(&self, step: &Step, height: usize) -> Need;

    /// How often an inference fetches each weight from the blob.
    fn weight_fetches(&self, step: &Step, size: usize, height: usize) -> usize;

    /// An estimate of the instructions of an inference, to compare plans on one backend: no more in a larger size.
    fn instructions(&self, step: &Step, size: usize, height: usize, costs: &Costs) -> u64;

    /// A turn; `None` after the last one.
    fn turn(&self, step: &Step, turn: usize, height: usize) -> Option<Turn>;

    /// Computes a turn whose rows of input are there. The output of a convolution may lie over rows of its input that neither this turn
    /// nor a later one reads.
    fn run(&self, job: Job<'_, '_>);
}

/// What a kernel needs for a step besides the step's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Rows of input that a turn reads, those of the border included.
    pub rows_in: usize,
    /// Rows of output that a turn gives at most.
    pub rows_out: usize,
    /// Words that keep their content from the first turn to the last.
    pub kept: usize,
    /// The largest size.
    pub sizes: usize,
    /// Words of scratch memory.
    pub scratch: Words,
    /// Further scratch memory. Where all rows are computed in one turn and the size is the largest, the input is no longer read when this
    /// is written, and it may lie there.
    pub overlay: Words,
}

impl Need {
    /// That of a kernel which gives a row a turn, in one size and without other memory.
    pub const fn rows(rows_in: usize) -> Self {
        let nothing = Words { fixed: 0, each: 0 };
        Self { rows_in, rows_out: 1, kept: 0, sizes: 1, scratch: nothing, overlay: nothing }
    }
}

/// Words of memory as a function of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub fixed: usize,
    /// For each unit of the size.
    pub each: usize,
}

impl Words {
    pub fn at(self, size: usize) -> usize {
        self.fixed + self.each * size
    }
}

/// Instructions that kernels take on a family of cores.
pub(crate) struct Costs {
    /// To take in a byte of the picture.
    pub input: u64,
    /// For four multiplications of a dense layer.
    pub dense: u64,
    /// Beside them, for an output.
    pub dense_output: u64,
    /// For four multiplications by definition.
    pub direct: u64,
    /// Beside them, for four pixels, an output channel and a row of its filter.
    pub direct_row: u64,
    /// For four multiplications with vectors, by definition.
    pub blocked: u64,
    /// To pack a weight for them.
    pub blocked_filter: u64,
    /// For a pair of taps of two pixels, to multiply it by four filters, or to widen it.
    pub im2col: u64,
    /// Beside that, for an output channel of two pixels.
    pub im2col_output: u64,
    /// Beside them, for two pixels.
    pub im2col_pixels: u64,
    /// For two channels of a window and a kernel row, that is 24 multiplications.
    pub row_pair: u64,
    /// To widen a channel of a filter.
    pub row_filter: u64,
    /// For the 36 multiplications of a tile, an input channel and an output channel.
    pub winograd_products: u64,
    /// To transform a channel of a filter.
    pub winograd_filter: u64,
    /// Beside that, for the part of a filter that is transformed and multiplied at once.
    pub winograd_filter_chunk: u64,
    /// For the multiplications of four tiles, four input channels and two output channels, and to transform these filters.
    pub winograd_piece: u64,
    /// To transform a channel of a tile of input.
    pub winograd_input: u64,
    /// To transform a channel of a tile of output.
    pub winograd_output: u64,
    /// Beside them, for a tile.
    pub winograd_tile: u64,
    /// For the multiplications of 16 bytes of four patches with two filters.
    pub patch_block: u64,
    /// Beside them, for four patches and two filters, what becomes of the accumulators included.
    pub patch_pair: u64,
    /// To gather 16 bytes, or what is left of them, of the three rows of four patches, where a row does not end with a block.
    pub patch_rows: u64,
    /// Beside them, for four patches.
    pub patch: u64,
    /// Beside them, for a row of output.
    pub patch_line: u64,
}

/// A turn of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Rows of input that must be there, counted from the top.
    pub input_rows: usize,
    /// Rows of output that it gives; none where it only takes in rows.
    pub output: Range<usize>,
}

/// Where the memory of a step is, in words of the arena. Only input and overlay may overlap, and a convolution's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub input: Place,
    pub kept: Place,
    pub scratch: Place,
    pub overlay: Place,
}

/// A range of words; smaller than `core::ops::Range`, and can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub start: u32,
    pub len: u32,
}

impl Place {
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// A turn at work.
pub(crate) struct Job<'j, 'a> {
    pub step: &'j Step<'a>,
    pub size: usize,
    pub turn: usize,
    /// Rows of output that are computed.
    pub rows: Range<usize>,
    pub arena: &'j mut [u32],
    pub places: Places,
    /// How the input is kept.
    pub input_rows: Rows,
    /// Where the rows of output go, and how they are kept there; nowhere if the step gives logits.
    pub output: Place,
    pub output_rows: Rows,
    pub logits: &'j mut Vec<i32, MAX_LABELS>,
}

/// Two regions of the arena.
#[inline(never)]
pub(crate) fn pair(arena: &mut [u32], a: Place, b: Place) -> (&mut [u32], &mut [u32]) {
    let [a, b, ..] = parts(arena, [a, b, Place::EMPTY, Place::EMPTY]);
    (a, b)
}

/// Regions of the arena; empty places are empty regions.
#[inline(never)]
pub(crate) fn parts(arena: &mut [u32], places: [Place; 4]) -> [&mut [u32]; 4] {
    let Ok([a, b, c, d]) = arena.get_disjoint_mut(places.map(Place::range)) else {
        panic!("a plan keeps what is used together apart, and an arena has its plan's length");
    };
    // Taken apart, since the whole would be copied, byte by byte.
    [a, b, c, d]
}

/// The turns of a convolution that computes `rows` rows of accumulators at a time.
pub(crate) fn convolution_turn(step: &Step, rows: usize, turn: usize) -> Option<Turn> {
    let side = step.pool_side();
    let height = usize::from(step.output.height);
    let rows = (rows / side).max(1);
    let start = turn * rows;
    (start < height).then(|| {
        let end = height.min(start + rows);
        Turn { input_rows: (end * side + 1).min(step.input.height.into()), output: start..end }
    })
}

/// Dot product; the longer of the two is cut off.
#[inline]
pub(crate) fn dot(weights: &[i8], input: &[i8]) -> i32 {
    weights.iter().zip(input).map(|(&weight, &value)| i32::from(weight) * i32::from(value)).sum()
}

/// Dot products of the same weights with four inputs. A weight that is loaded and widened once serves all four, which is worth
/// the second function.
#[inline]
pub(crate) fn dot_four(weights: &[i8], [a, b, c, d]: [&[i8]; 4]) -> [i32; 4] {
    let mut sums = [0; 4];
    for ((((&weight, &a), &b), &c), &d) in weights.iter().zip(a).zip(b).zip(c).zip(d) {
        let weight = i32::from(weight);
        sums[0] += weight * i32::from(a);
        sums[1] += weight * i32::from(b);
        sums[2] += weight * i32::from(c);
        sums[3] += weight * i32::from(d);
    }
    sums
}
