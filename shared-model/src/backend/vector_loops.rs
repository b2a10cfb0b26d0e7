//! The inner loops of the kernel for processors with vectors, in portable Rust. `x86` replaces some of them by instructions, which give
//! the same bits.

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512Vnni, AvxVnni};
use crate::arithmetic::requantize;
use core::ops::Range;

/// The most pixels that are multiplied at once.
pub(crate) const TILE: usize = 6;

/// The inner loops of [`Blocked`](super::blocked::Blocked).
///
/// A *word* holds [`Self::TAPS`] taps of a kernel row. A kernel row is a whole number of words; the weights of the taps that it does not
/// have are zero, so that it does not matter what lies under them. A *block* is [`Self::LANES`] output channels; those that a step does
/// not have are computed and dropped.
pub(crate) trait VectorLoops: Sync + 'static {
    /// Taps of a word.
    const TAPS: usize;

    /// Bytes of a tap.
    const BYTES: usize = size_of::<u32>() / Self::TAPS;

    /// Output channels of a block, a multiple of eight.
    const LANES: usize;

    /// Writes pixels as they stand in words, `BYTES` for each value.
    fn widen(&self, values: &[i8], line: &mut [u8]);

    /// Writes the filters of a block as words, `[3][words of a kernel row][LANES]`, and what their sums start with. `weights` are
    /// `[channel][3][row]` of at most `LANES` channels, and so are `biases`.
    fn pack(&self, weights: &[i8], biases: &[i32], row: usize, filters: &mut [u32], starts: &mut [i32]);

    /// The sums of a block for at most [`TILE`] pixels, `[pixel][LANES]`. The windows of the pixels begin at `windows` of `lines`, in
    /// bytes; their rows lie `line` bytes behind one another.
    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]);

    /// ReLU and requantization of a row of outputs. `sums` are `[rows][columns][LANES]`, of one row or of the two of a 2×2 pool; `output`
    /// is `[column][out]`, of which `channels` are written.
    fn finish(&self, sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return avx2.finish(sums, output, channels, finish, Self::LANES);
        }
        finish_from(0, sums, output, channels, finish, Self::LANES);
    }
}

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

/// Two int16 in a word, 16 output channels in a block: for AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Pairs;

impl VectorLoops for Pairs {
    const TAPS: usize = 2;
    const LANES: usize = 16;

    fn widen(&self, values: &[i8], line: &mut [u8]) {
        for (&value, place) in values.iter().zip(line.as_chunks_mut().0) {
            *place = i16::from(value).to_le_bytes();
        }
    }

    fn pack(&self, weights: &[i8], biases: &[i32], row: usize, filters: &mut [u32], starts: &mut [i32]) {
        pack::<i16, Self>(weights, row, bytemuck::cast_slice_mut(filters), |weights, filters| {
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = Avx2::detect() {
                return avx2.transpose_pairs(weights, row, filters);
            }
            0
        });
        let (starts, others) = starts.split_at_mut(biases.len());
        starts.copy_from_slice(biases);
        others.fill(0);
    }

    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return avx2.multiply(lines, line, windows, block, sums);
        }
        multiply::<Self>(lines, line, windows, block, sums, |[a, b, c, d], [e, f, g, h]| {
            let product = |pixel, weight| i32::from(i16::from_le_bytes(pixel)) * i32::from(i16::from_le_bytes(weight));
            product([a, b], [e, f]) + product([c, d], [g, h])
        });
    }
}

/// Four bytes in a word, 32 output channels in a block: for VNNI, which multiplies bytes without a sign with others that have one. So
/// 128 is added to pixels, and the sums start with as much less.
#[derive(Clone, Copy)]
pub(crate) struct Quads;

impl VectorLoops for Quads {
    const TAPS: usize = 4;
    const LANES: usize = 32;

    fn widen(&self, values: &[i8], line: &mut [u8]) {
        for (&value, place) in values.iter().zip(line) {
            *place = value as u8 ^ 0x80;
        }
    }

    fn pack(&self, weights: &[i8], biases: &[i32], row: usize, filters: &mut [u32], starts: &mut [i32]) {
        pack::<i8, Self>(weights, row, bytemuck::cast_slice_mut(filters), |weights, filters| {
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = Avx2::detect() {
                return avx2.transpose_quads(weights, row, filters);
            }
            0
        });
        starts.fill(0);
        for ((start, &bias), weights) in starts.iter_mut().zip(biases).zip(weights.chunks_exact(3 * row)) {
            let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
            *start = bias.wrapping_sub(sum.wrapping_mul(128));
        }
    }

    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(vnni) = Avx512Vnni::detect() {
            return vnni.multiply(lines, line, windows, block, sums);
        } else if let Some(vnni) = AvxVnni::detect() {
            return vnni.multiply(lines, line, windows, block, sums);
        }
        multiply::<Self>(lines, line, windows, block, sums, |pixels, weights| {
            let product = |place: usize| i32::from(pixels[place]) * i32::from(weights[place] as i8);
            product(0) + product(1) + product(2) + product(3)
        });
    }
}

/// Writes filters, `[3][words of a kernel row][LANES][TAPS]`. For `GROUP` lanes and a kernel row, `transpose` writes the first so many
/// words as it likes, from the weights of these lanes, `3 * row` behind one another.
fn pack<T: From<i8> + Copy, L: VectorLoops>(
    weights: &[i8],
    row: usize,
    filters: &mut [T],
    transpose: impl Fn(&[i8], &mut [T]) -> usize,
) {
    const GROUP: usize = 8;
    let channels = weights.len() / (3 * row);
    if channels < L::LANES || !row.is_multiple_of(L::TAPS) {
        filters.fill(0.into());
    }
    let words = row.div_ceil(L::TAPS);
    for lanes in (0..channels).step_by(GROUP) {
        let lanes = lanes..channels.min(lanes + GROUP);
        for (kernel_row, filters) in filters.chunks_exact_mut(words * L::LANES * L::TAPS).enumerate() {
            let filters = &mut filters[lanes.start * L::TAPS..];
            let weights = &weights[(3 * lanes.start + kernel_row) * row..];
            let first = if lanes.len() == GROUP { transpose(weights, filters) } else { 0 };
            for (lane, weights) in weights.chunks(3 * row).take(lanes.len()).enumerate() {
                let weights = weights[first * L::TAPS..row].chunks(L::TAPS);
                for (word, weights) in filters.chunks_mut(L::LANES * L::TAPS).skip(first).zip(weights) {
                    for (place, &weight) in word[lane * L::TAPS..].iter_mut().zip(weights) {
                        *place = weight.into();
                    }
                }
            }
        }
    }
}

/// The sums, modulo 2^32, where `product` is that of a word of pixels and one of weights.
#[inline(always)]
fn multiply<L: VectorLoops>(
    lines: &[u8],
    line: usize,
    windows: &[usize],
    block: Block<'_>,
    sums: &mut [i32],
    product: impl Fn([u8; 4], [u8; 4]) -> i32,
) {
    let row_words = block.filters.len() / 3;
    for (&window, sums) in windows.iter().zip(sums.chunks_exact_mut(L::LANES)) {
        sums.copy_from_slice(block.starts);
        for (row, filters) in block.filters.chunks_exact(row_words).enumerate() {
            let words = lines[window + row * line..].as_chunks().0;
            for (&word, filters) in words.iter().zip(filters.chunks_exact(L::LANES)) {
                for (sum, filter) in sums.iter_mut().zip(filters) {
                    *sum = sum.wrapping_add(product(word, filter.to_le_bytes()));
                }
            }
        }
    }
}

/// [`VectorLoops::finish`] of a block's lanes from `first` on.
pub(super) fn finish_from(
    first: usize,
    sums: &[i32],
    output: &mut [i8],
    channels: Range<usize>,
    finish: Finish<'_>,
    lanes: usize,
) {
    let floor = if finish.relu { 0 } else { i32::MIN };
    let (top, bottom) = sums.split_at(if finish.pool { sums.len() / 2 } else { sums.len() });
    for (lane, channel) in channels.enumerate().skip(first) {
        let (multiplier, offset) = (finish.multipliers[channel], finish.offsets[channel]);
        for (column, pixel) in output.chunks_exact_mut(finish.multipliers.len()).enumerate() {
            let sum = if finish.pool {
                let [left, right] = [0, 1].map(|side| (2 * column + side) * lanes + lane);
                let [a, b, c, d] = [top[left], top[right], bottom[left], bottom[right]];
                if multiplier >= 0 { a.max(b).max(c).max(d) } else { a.min(b).min(c).min(d) }
            } else {
                top[column * lanes + lane]
            };
            pixel[channel] = requantize(sum.max(floor), multiplier, offset);
        }
    }
}
