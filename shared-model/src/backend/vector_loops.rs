//! The inner loops of the kernel for processors with vectors, in portable Rust. `x86` replaces some of them by instructions, which give
//! the same bits.

use super::inner_loops::Portable;
use crate::arithmetic::requantize;
use bytemuck::Pod;
use core::ops::Range;

/// The most pixels that are multiplied at once.
pub(crate) const TILE: usize = 6;

/// Output channels whose filters are packed at once.
const GROUP: usize = 8;

/// How taps are multiplied.
///
/// A *word* holds [`Self::TAPS`] taps of a kernel row. A kernel row is a whole number of words; the weights of the taps that it does not
/// have are zero, so that it does not matter what lies under them. A *block* is [`Self::LANES`] output channels; those that a step does
/// not have are computed and dropped.
pub(crate) trait Words: Sync + 'static {
    /// Taps of a word.
    const TAPS: usize = size_of::<u32>() / size_of::<Self::Weight>();

    /// Output channels of a block, a multiple of [`GROUP`].
    const LANES: usize;

    /// A weight in a word.
    type Weight: Pod + From<i8>;

    /// Writes pixels as they stand in words.
    fn widen(values: &[i8], line: &mut [u8]);

    /// What a sum starts with, of the bias and the filter of an output channel.
    fn start(bias: i32, filter: &[i8]) -> i32;

    /// The product of a word of pixels and one of weights.
    fn product(pixels: [u8; 4], weights: [u8; 4]) -> i32;
}

/// Two int16 in a word: for AVX2.
pub(crate) struct Pairs;

impl Words for Pairs {
    const LANES: usize = 16;

    type Weight = i16;

    fn widen(values: &[i8], line: &mut [u8]) {
        for (&value, place) in values.iter().zip(line.as_chunks_mut().0) {
            *place = i16::from(value).to_le_bytes();
        }
    }

    fn start(bias: i32, _: &[i8]) -> i32 {
        bias
    }

    #[inline(always)]
    fn product([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> i32 {
        let product = |pixel, weight| i32::from(i16::from_le_bytes(pixel)) * i32::from(i16::from_le_bytes(weight));
        product([a, b], [e, f]) + product([c, d], [g, h])
    }
}

/// Four bytes in a word: for VNNI, which multiplies bytes without a sign with bytes that have one. So 128 is added to pixels, and the
/// sums start with as much less.
pub(crate) struct Quads;

impl Words for Quads {
    const LANES: usize = 32;

    type Weight = i8;

    fn widen(values: &[i8], line: &mut [u8]) {
        for (&value, place) in values.iter().zip(line) {
            *place = value as u8 ^ 0x80;
        }
    }

    fn start(bias: i32, filter: &[i8]) -> i32 {
        let sum: i32 = filter.iter().map(|&weight| i32::from(weight)).sum();
        bias.wrapping_sub(sum.wrapping_mul(128))
    }

    #[inline(always)]
    fn product(pixels: [u8; 4], weights: [u8; 4]) -> i32 {
        let product = |place: usize| i32::from(pixels[place]) * i32::from(weights[place] as i8);
        product(0) + product(1) + product(2) + product(3)
    }
}

/// The inner loops of [`Blocked`](super::blocked::Blocked).
pub(crate) trait VectorLoops<W: Words>: Sync + 'static {
    /// Writes the first words of a kernel row of [`GROUP`] filters, as many as it likes, and says how many. The filters are `weights`, each
    /// `filter` behind the one before it, and `row` of them are a kernel row; `words` are `[word][LANES][TAPS]` from the first filter's
    /// lane on.
    fn transpose(&self, weights: &[i8], filter: usize, row: usize, words: &mut [W::Weight]) -> usize {
        let _ = (weights, filter, row, words);
        0
    }

    /// The sums of a block for at most [`TILE`] pixels, `[pixel][LANES]`, modulo 2^32. The windows of the pixels begin at `windows` of
    /// `lines`, in bytes; their rows lie `line` bytes behind one another.
    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        let row_words = block.filters.len() / 3;
        for (&window, sums) in windows.iter().zip(sums.chunks_exact_mut(W::LANES)) {
            sums.copy_from_slice(block.starts);
            for (row, filters) in block.filters.chunks_exact(row_words).enumerate() {
                let words = lines[window + row * line..].as_chunks().0;
                for (&word, filters) in words.iter().zip(filters.chunks_exact(W::LANES)) {
                    for (sum, filter) in sums.iter_mut().zip(filters) {
                        *sum = sum.wrapping_add(W::product(word, filter.to_le_bytes()));
                    }
                }
            }
        }
    }

    /// ReLU and requantization of a row of outputs. `sums` are `[rows][columns][LANES]`, of one row or of the two of a 2×2 pool; `output`
    /// is `[column][out]`, of which `channels` are written.
    fn finish(&self, sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>) {
        finish_from::<W>(0, sums, output, channels, finish);
    }
}

impl<W: Words> VectorLoops<W> for Portable {}

/// A block, packed.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    /// `[3][words of a kernel row][LANES]`.
    pub filters: &'a [u32],
    /// `[LANES]`.
    pub starts: &'a [i32],
}

/// What turns sums into outputs.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// One an output channel.
    pub multipliers: &'a [i32],
    /// One an output channel.
    pub offsets: &'a [i64],
    pub relu: bool,
    /// Whether the sums are those of a 2×2 pool.
    pub pool: bool,
}

/// Writes the filters of a block as words, `[3][words of a kernel row][LANES]`, and what its sums start with. `weights` are
/// `[channel][3][row]` of at most `LANES` channels, and so are `biases`.
pub(crate) fn pack<W: Words>(
    loops: &impl VectorLoops<W>,
    weights: &[i8],
    biases: &[i32],
    row: usize,
    filters: &mut [u32],
    starts: &mut [i32],
) {
    let (filter, word) = (3 * row, W::LANES * W::TAPS);
    let filters: &mut [W::Weight] = bytemuck::cast_slice_mut(filters);
    if biases.len() < W::LANES || !row.is_multiple_of(W::TAPS) {
        filters.fill(0.into());
        starts.fill(0);
    }
    for ((start, &bias), filter) in starts.iter_mut().zip(biases).zip(weights.chunks_exact(filter)) {
        *start = W::start(bias, filter);
    }
    for (group, weights) in weights.chunks(GROUP * filter).enumerate() {
        for (kernel_row, filters) in filters.chunks_exact_mut(row.div_ceil(W::TAPS) * word).enumerate() {
            let (words, weights) = (&mut filters[group * GROUP * W::TAPS..], &weights[kernel_row * row..]);
            let is_whole = weights.len() > (GROUP - 1) * filter;
            let first = if is_whole { loops.transpose(weights, filter, row, words) } else { 0 };
            for (lane, weights) in weights.chunks(filter).enumerate() {
                let taps = weights[..row].chunks(W::TAPS).skip(first);
                for (word, taps) in words.chunks_mut(word).skip(first).zip(taps) {
                    for (place, &weight) in word[lane * W::TAPS..].iter_mut().zip(taps) {
                        *place = weight.into();
                    }
                }
            }
        }
    }
}

/// [`VectorLoops::finish`] of a block's lanes from `first` on.
pub(super) fn finish_from<W: Words>(
    first: usize,
    sums: &[i32],
    output: &mut [i8],
    channels: Range<usize>,
    finish: Finish<'_>,
) {
    let floor = if finish.relu { 0 } else { i32::MIN };
    let (top, bottom) = sums.split_at(if finish.pool { sums.len() / 2 } else { sums.len() });
    for (lane, channel) in channels.enumerate().skip(first) {
        let (multiplier, offset) = (finish.multipliers[channel], finish.offsets[channel]);
        for (column, pixel) in output.chunks_exact_mut(finish.multipliers.len()).enumerate() {
            let sum = if finish.pool {
                let [left, right] = [0, 1].map(|side| (2 * column + side) * W::LANES + lane);
                let [a, b, c, d] = [top[left], top[right], bottom[left], bottom[right]];
                if multiplier >= 0 { a.max(b).max(c).max(d) } else { a.min(b).min(c).min(d) }
            } else {
                top[column * W::LANES + lane]
            };
            pixel[channel] = requantize(sum.max(floor), multiplier, offset);
        }
    }
}
