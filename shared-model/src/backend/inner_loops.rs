//! The inner loops of the kernels that assembly is written for, in portable Rust. Backends replace some of them by assembly, which gives
//! the same bits.

use crate::{
    arithmetic::requantize,
    kernels::dot_four,
    step::{Epilogue, Step},
};
use core::{num::Wrapping, ops::Range};

/// Pairs of channels that are transformed and multiplied at once.
pub(crate) const CHUNK_PAIRS: usize = 16;

/// Positions of a transformed tile, 6×6.
pub(crate) const POSITIONS: usize = 36;

/// Words of a pair of channels in a stream.
const STREAM_PAIR: usize = 6;

/// Words of a position in a stream.
const STREAM_POSITION: usize = 2 * STREAM_PAIR;

/// Words of a *stream*, `[position][2 pairs][6]`: four channels of two transformed filters and of four transformed tiles, in the order in
/// which they are multiplied.
pub(crate) const STREAM: usize = POSITIONS * STREAM_POSITION;

/// Added to every weight before its transform, so that the lower lane of a word never borrows from the upper one.
const FILTER_OFFSET: i16 = 1143;

/// What is left of [`FILTER_OFFSET`] in row or column `i` of a transformed filter: the sum of the coefficients of that row.
const OFFSET_SUMS: [i16; 6] = [1, 3, 1, 7, 3, 1];

/// For each position the two lanes by which an input is multiplied to take the filter's offset away, as the int16 lane of a
/// transformed filter holds it: only the largest wraps around.
pub(crate) static OFFSET_FACTORS: [[i16; 2]; POSITIONS] = {
    let mut factors = [[0; 2]; POSITIONS];
    let mut position = 0;
    while position < POSITIONS {
        let offset = FILTER_OFFSET.wrapping_mul(OFFSET_SUMS[position / 6] * OFFSET_SUMS[position % 6]);
        factors[position] = [-offset; 2];
        position += 1;
    }
    factors
};

/// Where the 6×6 pixels of a tile's patch start in a map.
pub(crate) struct Patch {
    /// Of bytes, multiples of four, `[column][row]`.
    offsets: [u32; POSITIONS],
    /// None is larger.
    #[cfg(arm_v7m)]
    last: u32,
}

impl Patch {
    /// Of pixels that are all at the start.
    pub const fn new() -> Self {
        Self {
            offsets: [0; POSITIONS],
            #[cfg(arm_v7m)]
            last: 0,
        }
    }

    /// Puts all pixels at `offset`.
    pub fn fill(&mut self, offset: u32) {
        self.offsets.fill(offset);
        #[cfg(arm_v7m)]
        {
            self.last = offset;
        }
    }

    /// Puts the pixels of some columns of a row at `offset` and behind it, `step` bytes from one to the next.
    pub fn set(&mut self, row: usize, columns: Range<usize>, offset: usize, step: usize) {
        #[cfg(arm_v7m)]
        {
            let end = offset as u64 + columns.len() as u64 * step as u64;
            self.last = self.last.max(u32::try_from(end).expect("a map has fewer bytes"));
        }
        let mut offset = offset as u32;
        for column in columns {
            self.offsets[6 * column + row] = offset;
            offset = offset.wrapping_add(step as u32);
        }
    }

    /// The offsets, if `4 * quads` channels of all pixels lie in `map`.
    #[cfg(arm_v7m)]
    pub fn within(&self, map: &[u32], quads: usize) -> Option<&[u32; POSITIONS]> {
        (self.last as usize + 4 * quads <= size_of_val(map)).then_some(&self.offsets)
    }
}

/// What turns a channel's accumulators into its outputs, at the offsets that the assembly knows.
#[repr(C)]
pub(crate) struct OutputChannel {
    offset: i64,
    /// Of 9 modulo 2^32, negated for a pool that takes the smallest.
    inverse: Wrapping<i32>,
    bias: i32,
    multiplier: i32,
    /// All ones with a ReLU.
    relu_mask: i32,
    /// Of the pool.
    sign: i32,
}

impl OutputChannel {
    /// Of a step.
    #[inline(never)]
    pub fn of(step: &Step, channel: usize) -> Self {
        Self::new(&step.epilogue(channel), step.pool)
    }

    /// Of a step with a 2×2 pool or without one.
    pub fn new(epilogue: &Epilogue, pool: bool) -> Self {
        const INVERSE_OF_9: i32 = 0x38E3_8E39;
        let sign = if pool && epilogue.multiplier < 0 { -1 } else { 1 };
        Self {
            offset: epilogue.offset,
            inverse: Wrapping(sign * INVERSE_OF_9),
            bias: epilogue.bias,
            multiplier: epilogue.multiplier,
            relu_mask: -i32::from(epilogue.relu),
            sign,
        }
    }

    #[inline]
    fn activation(&self, accumulator: i32) -> i8 {
        let floor = if self.relu_mask != 0 { 0 } else { i32::MIN };
        requantize((accumulator + self.bias).max(floor), self.multiplier, self.offset)
    }
}

/// Tiles side by side, and where their outputs go.
pub(crate) struct TileRun {
    /// How many: 1 … 4.
    pub tiles: usize,
    /// Whether four accumulators are pooled to one output.
    pub pool: bool,
    /// Bytes between rows of outputs.
    pub row_step: usize,
    /// Bytes between pixels.
    pub pixel_step: usize,
}

impl TileRun {
    /// Rows and columns of outputs of a tile.
    pub fn side(&self) -> usize {
        if self.pool { 2 } else { 4 }
    }

    /// Bytes between tiles.
    pub fn tile_step(&self) -> usize {
        self.side() * self.pixel_step
    }
}

/// Bytes of a patch that lie in succession, a vector: the same of three other patches lie between them and the next ones.
pub(crate) const BLOCK: usize = 16;

/// Words of such a block of four patches.
pub(crate) const BLOCK_WORDS: usize = 4 * BLOCK / 4;

/// What turns the accumulators of all channels of a step into its outputs: as many biases, multipliers and offsets as it has channels.
pub(crate) struct Channels<'a> {
    biases: &'a [i32],
    multipliers: &'a [i32],
    offsets: &'a [i64],
    relu: bool,
}

impl<'a> Channels<'a> {
    /// Takes the same of each, as many as there are biases and no more.
    pub fn new(biases: &'a [i32], multipliers: &'a [i32], offsets: &'a [i64], relu: bool) -> Self {
        let count = biases.len();
        Self { biases, multipliers: &multipliers[..count], offsets: &offsets[..count], relu }
    }

    /// Of a convolution.
    pub fn of(step: &Step<'a>) -> Self {
        Self::new(step.biases, step.multipliers, step.offsets, step.relu)
    }

    /// The biases, the multipliers and the offsets, of one length, and whether a negative accumulator becomes zero.
    #[cfg(arm_mve)]
    pub fn parts(&self) -> (&[i32], &[i32], &[i64], bool) {
        (self.biases, self.multipliers, self.offsets, self.relu)
    }

    /// Of one channel.
    fn epilogue(&self, channel: usize) -> Epilogue {
        Epilogue {
            bias: self.biases[channel],
            multiplier: self.multipliers[channel],
            offset: self.offsets[channel],
            relu: self.relu,
        }
    }
}

/// The inner loops.
///
/// A word holds two int16 *lanes*, of two channels: channels 0 and 2, then 1 and 3, of each four. Winograd's transforms are those of
/// `NUMERICS.md`.
pub(crate) trait InnerLoops: Sync + 'static {
    /// Adds products to `accumulators`, `[position][2][4]`: `accumulators[p][j][i] += Σ v[p][pair][i] · u[p][pair][j]`, both lanes of
    /// each pair, modulo 2^32.
    ///
    /// `v` is `[position][pair][4]` and `u` `[position][pair][2]`, where one position of `u` starts `u_step` words behind the one
    /// before it. With `u_step` 0 all positions share one.
    fn products(&self, u: &[u32], v: &[u32], accumulators: &mut [[[i32; 4]; 2]], pairs: usize, u_step: usize) {
        let tiles = accumulators.as_flattened_mut().as_flattened_mut().as_chunks_mut().0;
        for (position, (tile, v)) in tiles.iter_mut().zip(v.chunks_exact(4 * pairs)).enumerate() {
            let u = &u[position * u_step..][..2 * pairs];
            let pairs = lanes(v).as_chunks().0.iter().zip(lanes(u).as_chunks().0);
            *tile = pairs.fold(*tile, |sums, (v, [a, b])| multiply_tile(sums, v, a, b));
        }
    }

    /// The same of a stream, of which it writes the filters, two at a time: those of one output channel after the other, `weights` of
    /// `[channel][9][stride]` words from their first input channel on, the last one perhaps cut off. `accumulators` are
    /// `[channel / 2][position][2][4]`.
    fn stream_filters(&self, weights: &[u32], stride: usize, stream: &mut [u32], accumulators: &mut [i32]) {
        let pairs = accumulators.as_chunks_mut::<{ 8 * POSITIONS }>().0;
        for (weights, accumulators) in weights.chunks(18 * stride).zip(pairs) {
            for (slot, weights) in weights.chunks(9 * stride).enumerate() {
                transform_filter_apart::<STREAM_PAIR, STREAM_POSITION>(weights, stride, &mut stream[slot..], 2);
            }
            let positions = lanes(stream).as_chunks::<STREAM_POSITION>().0;
            for (tile, position) in accumulators.as_chunks_mut().0.iter_mut().zip(positions) {
                let pairs = position.as_chunks::<STREAM_PAIR>().0.iter();
                *tile = pairs.fold(*tile, |sums, [a, b, v @ ..]| multiply_tile(sums, v, a, b));
            }
        }
    }

    /// Adds to `corrections`, `[position][4]`, what takes the offset of transformed filters away again: `v`,
    /// `[position][pair][4]`, summed over the lanes, times [`OFFSET_FACTORS`]. `pairs` is even.
    fn offset_corrections(&self, v: &[u32], corrections: &mut [[i32; 4]; POSITIONS], pairs: usize) {
        let positions = v.chunks_exact(4 * pairs).zip(&OFFSET_FACTORS);
        for (correction, (v, &[factor, _])) in corrections.iter_mut().zip(positions) {
            let [mut a, mut b, mut c, mut d] = [0; 4];
            for v in lanes(v).as_chunks::<4>().0 {
                a += i32::from(v[0][0]) + i32::from(v[0][1]);
                b += i32::from(v[1][0]) + i32::from(v[1][1]);
                c += i32::from(v[2][0]) + i32::from(v[2][1]);
                d += i32::from(v[3][0]) + i32::from(v[3][1]);
            }
            for (correction, sum) in correction.iter_mut().zip([a, b, c, d]) {
                *correction = correction.wrapping_add(sum.wrapping_mul(factor.into()));
            }
        }
    }

    /// The same of a stream.
    fn stream_corrections(&self, stream: &[u32], corrections: &mut [[i32; 4]; POSITIONS]) {
        let positions = lanes(stream).as_chunks::<STREAM_POSITION>().0.iter().zip(&OFFSET_FACTORS);
        for (correction, (&[_, _, a, b, c, d, _, _, e, f, g, h], &[factor, _])) in corrections.iter_mut().zip(positions)
        {
            for (correction, pairs) in correction.iter_mut().zip([[a, e], [b, f], [c, g], [d, h]]) {
                let sum: i32 = pairs.as_flattened().iter().map(|&lane| i32::from(lane)).sum();
                *correction = correction.wrapping_add(sum.wrapping_mul(factor.into()));
            }
        }
    }

    /// Transforms the 3×3 filters of one output channel, `weights` of `[9][stride]` words from its first channel on: `G g Gᵀ` with an
    /// offset, for `4 * quads` channels. Slot `slot` (0 or 1) of `u`, `[position][16 pairs][2]`, takes them.
    fn transform_filter(&self, weights: &[u32], stride: usize, u: &mut [u32], slot: usize, quads: usize) {
        transform_filter_apart::<2, { 2 * CHUNK_PAIRS }>(weights, stride, &mut u[slot..], 2 * quads);
    }

    /// Transforms a patch of 6×6 pixels, `Bᵀ d B`, for the first `4 * quads` channels in `map`. Slot `slot` (0 … 3) of `v`,
    /// `[position][pair][4]`, takes it.
    fn transform_input(&self, map: &[u32], patch: &Patch, v: &mut [u32], slot: usize, quads: usize) {
        transform_input::<4>(map, patch, &mut v[slot..], 2 * quads, 8 * quads);
    }

    /// The same for four channels, to a stream.
    fn stream_input(&self, map: &[u32], patch: &Patch, stream: &mut [u32], slot: usize) {
        transform_input::<STREAM_PAIR>(map, patch, &mut stream[2 + slot..], 2, STREAM_POSITION);
    }

    /// Writes the 4×4 outputs of one or two neighbouring channels of some tiles: `Aᵀ m A`, then the epilogue; with a 2×2 pool, the 2×2
    /// outputs. `m` is `[position][2][4]` from the first of the tiles on.
    fn transform_outputs(&self, m: &[i32], run: &TileRun, channels: &[OutputChannel], output: &mut [i8]) {
        for (slot, channel) in channels.iter().enumerate() {
            for tile in 0..run.tiles {
                transform_output(&m[4 * slot + tile..], run, channel, &mut output[slot + tile * run.tile_step()..]);
            }
        }
    }

    /// ReLU and requantization of two pixels' accumulators, `[channel / 4][2][4]`, to `output`, `[2][channels]`.
    fn requantize_pairs(
        &self,
        accumulators: &[i32],
        output: &mut [i8],
        multipliers: &[i32],
        offsets: &[i64],
        relu: bool,
    ) {
        let floor = if relu { 0 } else { i32::MIN };
        let channels = multipliers.len();
        for (channel, (&multiplier, &offset)) in multipliers.iter().zip(offsets).enumerate() {
            for pixel in 0..2 {
                let accumulator = accumulators[channel / 4 * 8 + 4 * pixel + channel % 4];
                output[pixel * channels + channel] = requantize(accumulator.max(floor), multiplier, offset);
            }
        }
    }

    /// `[n][4]` to `[n][2][4]`: each four twice.
    fn spread(&self, quads: &[[i32; 4]], tiles: &mut [[[i32; 4]; 2]]) {
        for (tile, &quad) in tiles.iter_mut().zip(quads) {
            *tile = [quad; 2];
        }
    }

    /// Widens six pixels, which start at `offsets` bytes, multiples of four, for the first `4 * quads` channels in `map`. `window` is
    /// `[pair][6]`.
    fn widen_pixels(&self, map: &[u32], offsets: &[u32; 6], window: &mut [u32], quads: usize) {
        for (column, &offset) in offsets.iter().enumerate() {
            let pixel = &map[offset as usize / 4..][..quads];
            for (&word, places) in pixel.iter().zip(window.as_chunks_mut::<12>().0) {
                [places[column], places[6 + column]] = [signed_lanes(word, 0), signed_lanes(word, 1)];
            }
        }
    }

    /// Widens two patches or filters, of three rows of `row` taps, `line` from one to the next; the second one starts `step` behind the
    /// first. `pairs` is `[pair][2]`, with the taps of one row after the other, of each four the first and the third, then the other two;
    /// then, of an odd number, the last tap of the third row with a zero, and those of the first two rows.
    fn widen_taps(&self, taps: &[i8], [line, row, step]: [usize; 3], pairs: &mut [u32]) {
        let pairs: &mut [[i16; 2]] = bytemuck::cast_slice_mut(pairs);
        let pairs: &mut [[[i16; 2]; 2]] = pairs.as_chunks_mut().0;
        let twos = row / 2;
        for kernel_row in 0..3 {
            for index in 0..2 {
                let taps = &taps[line * kernel_row + step * index..][..row];
                let rows = &mut pairs[twos * kernel_row..];
                for (&[a, b, c, d], [even, odd]) in taps.as_chunks().0.iter().zip(rows.as_chunks_mut().0) {
                    even[index] = [a.into(), c.into()];
                    odd[index] = [b.into(), d.into()];
                }
                for (tap, &value) in taps.iter().enumerate().skip(row & !3) {
                    let (pair, lane) = match tap {
                        _ if tap < 2 * twos => (twos * kernel_row + tap / 2, tap % 2),
                        _ if kernel_row < 2 => (3 * twos + 1, kernel_row),
                        _ => (3 * twos, 0),
                    };
                    let lanes = &mut pairs[pair][index];
                    // The first of a pair is written first; it may stand alone.
                    if lane == 0 {
                        lanes[1] = 0;
                    }
                    lanes[lane] = value.into();
                }
            }
        }
    }

    /// Widens one kernel row, `[3][stride]` words from its first channel on, for `4 * quads` channels. `filter` is `[pair][3]`.
    fn widen_filter_row(&self, weights: &[u32], stride: usize, filter: &mut [u32], quads: usize) {
        for (quad, places) in filter.as_chunks_mut::<6>().0[..quads].iter_mut().enumerate() {
            let [a, b, c] = [weights[quad], weights[stride + quad], weights[2 * stride + quad]];
            [places[0], places[1], places[2]] = [signed_lanes(a, 0), signed_lanes(b, 0), signed_lanes(c, 0)];
            [places[3], places[4], places[5]] = [signed_lanes(a, 1), signed_lanes(b, 1), signed_lanes(c, 1)];
        }
    }

    /// Adds to four accumulators for each of `windows`, `[window][pair][6]`, what one kernel row gives: `filter` is `[pair][3]`. The
    /// number of pairs is even.
    fn row_products(&self, filter: &[u32], windows: &[u32], accumulators: &mut [[i32; 4]], pairs: usize) {
        for (window, accumulators) in windows.chunks_exact(6 * pairs).zip(accumulators) {
            let [mut a, mut b, mut c, mut d] = *accumulators;
            for (x, w) in lanes(window).as_chunks::<6>().0.iter().zip(lanes(filter).as_chunks::<3>().0) {
                a = multiply_add(multiply_add(multiply_add(a, &x[0], &w[0]), &x[1], &w[1]), &x[2], &w[2]);
                b = multiply_add(multiply_add(multiply_add(b, &x[1], &w[0]), &x[2], &w[1]), &x[3], &w[2]);
                c = multiply_add(multiply_add(multiply_add(c, &x[2], &w[0]), &x[3], &w[1]), &x[4], &w[2]);
                d = multiply_add(multiply_add(multiply_add(d, &x[3], &w[0]), &x[4], &w[1]), &x[5], &w[2]);
            }
            *accumulators = [a, b, c, d];
        }
    }

    /// Four dot products of `input` with rows of weights, `[4][input.len()]`. The length is a multiple of four.
    fn dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        dot_four(input, [0, 1, 2, 3].map(|row| &weights[row * input.len()..][..input.len()]))
    }

    /// The same as [`Self::dot_products`], with vectors of int8.
    fn vector_dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        self.dot_products(weights, input)
    }

    /// Copies bytes; both slices have the same length.
    fn copy(&self, to: &mut [i8], from: &[i8]) {
        to.copy_from_slice(from);
    }

    /// Copies four patches of three rows of `row` bytes each, that begin at `starts` of `lines`, bytes, and `line` bytes behind one
    /// another. `patches` is `[block][4][16]`, and the last bytes that no patch fills keep what they are.
    fn gather_patches(&self, lines: &[i8], line: usize, starts: &[usize; 4], row: usize, patches: &mut [u32]) {
        let blocks = bytemuck::cast_slice_mut::<_, i8>(patches).as_chunks_mut::<BLOCK>().0;
        for (patch, &start) in starts.iter().enumerate() {
            for kernel_row in 0..3 {
                let pixels = &lines[start + kernel_row * line..][..row];
                for (byte, &pixel) in (kernel_row * row..).zip(pixels) {
                    blocks[byte / BLOCK * 4 + patch][byte % BLOCK] = pixel;
                }
            }
        }
    }

    /// Products of four patches, `[block][4][16]`, with all of `weights`, `[channel][tap]`: four sums a channel. The number of channels
    /// is even, and `accumulators` has as many.
    fn patch_products(&self, patches: &[u32], weights: &[i8], accumulators: &mut [[i32; 4]]) {
        let taps = weights.len() / accumulators.len();
        let tiles = bytemuck::cast_slice::<_, i8>(patches).as_chunks::<BLOCK>().0.as_chunks::<4>().0;
        for (sums, weights) in accumulators.iter_mut().zip(weights.chunks_exact(taps)) {
            *sums = [0; 4];
            for (weights, [a, b, c, d]) in weights.chunks(BLOCK).zip(tiles) {
                let products = dot_four(weights, [a, b, c, d]);
                sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
            }
        }
    }

    /// Bias, ReLU and requantization of four pixels, whose accumulators are `[channel][4]`, to `output`, `[4][channel]`. The number of
    /// channels is a multiple of four.
    fn requantize_fours(&self, accumulators: &[[i32; 4]], output: &mut [i8], channels: &Channels) {
        for (channel, accumulators) in accumulators.iter().enumerate() {
            let epilogue = channels.epilogue(channel);
            let pixels = output[channel..].iter_mut().step_by(channels.biases.len());
            for (pixel, &accumulator) in pixels.zip(accumulators) {
                *pixel = epilogue.activation(accumulator);
            }
        }
    }

    /// The same with a pool, which makes one pixel of the four: `output` is `[channel]`.
    fn requantize_pooled(&self, accumulators: &[[i32; 4]], output: &mut [i8], channels: &Channels) {
        for (channel, (&accumulators, pixel)) in accumulators.iter().zip(output).enumerate() {
            let epilogue = channels.epilogue(channel);
            *pixel = epilogue.activation(epilogue.pool(accumulators));
        }
    }
}

/// The inner loops in portable Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl InnerLoops for Portable {}

/// Pairs of taps of three kernel rows of `row` taps: with an odd number of them, the last ones of the first two rows are a pair, and that of
/// the third stands alone.
pub(crate) fn tap_pairs(row: usize) -> usize {
    3 * (row / 2) + 2 * (row % 2)
}

fn lanes(words: &[u32]) -> &[[i16; 2]] {
    bytemuck::cast_slice(words)
}

/// [`transform_filter`] by itself: inlined, its loops would get fewer registers.
#[inline(never)]
fn transform_filter_apart<const PAIR: usize, const POSITION: usize>(
    weights: &[u32],
    stride: usize,
    u: &mut [u32],
    pairs: usize,
) {
    transform_filter::<PAIR, POSITION>(weights, stride, u, pairs);
}

/// Transforms filters, two channels at a time: pairs of channels lie `PAIR` words behind one another, and positions `POSITION` words.
#[inline(always)]
pub(crate) fn transform_filter<const PAIR: usize, const POSITION: usize>(
    weights: &[u32],
    stride: usize,
    u: &mut [u32],
    pairs: usize,
) {
    // The transformed columns, by rows.
    let mut rows = [[Wrapping(0); 3]; 6];
    for pair in 0..pairs {
        for x in 0..3 {
            let tap = |y: usize| {
                // The bytes have an offset of 128 already.
                unsigned_lanes(weights[(3 * y + x) * stride + pair / 2], pair) + both_lanes(FILTER_OFFSET as u32 - 128)
            };
            let values = filter_vector(&[tap(0), tap(1), tap(2)]);
            [rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x], rows[5][x]] = values;
        }
        let u = &mut u[PAIR * pair..][..(POSITIONS - 1) * POSITION + 1];
        for (row, places) in rows.iter().zip(u.chunks_mut(6 * POSITION)) {
            let [a, b, c, d, e, f] = filter_vector(row);
            let places = &mut places[..5 * POSITION + 1];
            [places[0], places[POSITION], places[2 * POSITION]] = [a.0, b.0, c.0];
            [places[3 * POSITION], places[4 * POSITION], places[5 * POSITION]] = [d.0, e.0, f.0];
        }
    }
}

/// Transforms a patch, two channels at a time: pairs of channels lie `PAIR` words behind one another, and positions `position` words.
#[inline(always)]
fn transform_input<const PAIR: usize>(map: &[u32], patch: &Patch, v: &mut [u32], pairs: usize, position: usize) {
    // The transformed columns, by rows.
    let mut rows = [[Wrapping(0); 6]; 6];
    for pair in 0..pairs {
        for (x, offsets) in patch.offsets.as_chunks::<6>().0.iter().enumerate() {
            let pixel = |offset: u32| unsigned_lanes(map[offset as usize / 4 + pair / 2], pair);
            let [a, b, c, d, e, f] = *offsets;
            let values = input_vector(&[pixel(a), pixel(b), pixel(c), pixel(d), pixel(e), pixel(f)]);
            [rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x], rows[5][x]] = values;
            // The bytes' offset of 128: the coefficients of the second row of Bᵀ sum to -6, of all others to zero.
            rows[1][x] += both_lanes(6 * 128);
        }
        for (row, places) in rows.iter().zip(v[PAIR * pair..].chunks_mut(6 * position)) {
            let [a, b, c, d, e, f] = input_vector(row);
            let places = &mut places[..5 * position + 1];
            [places[0], places[position], places[2 * position]] = [whole(a), whole(b), whole(c)];
            [places[3 * position], places[4 * position], places[5 * position]] = [whole(d), whole(e), whole(f)];
        }
    }
}

/// Writes the outputs of one tile and one channel.
fn transform_output(m: &[i32], run: &TileRun, channel: &OutputChannel, output: &mut [i8]) {
    let m = &m[..8 * (POSITIONS - 1) + 1];
    // The transformed columns, by rows.
    let mut rows = [[Wrapping(0); 6]; 4];
    for x in 0..6 {
        let value = |row: usize| Wrapping(m[8 * (6 * row + x)]);
        let column = [value(0), value(1), value(2), value(3), value(4), value(5)];
        [rows[0][x], rows[1][x], rows[2][x], rows[3][x]] = output_vector(&column);
    }
    let mut accumulators = [[0; 4]; 4];
    for ((row, accumulators), shift) in rows.iter().zip(&mut accumulators).zip([3, 2, 1, 1]) {
        let [a, b, c, d] = output_vector(row);
        let value = |value: Wrapping<i32>, further: u32| (value * channel.inverse).0 >> (shift + further);
        *accumulators = [value(a, 3), value(b, 2), value(c, 1), value(d, 1)];
    }
    if run.pool {
        let (rows, _) = accumulators.as_chunks::<2>();
        for ([top, bottom], output) in rows.iter().zip(output.chunks_mut(run.row_step)) {
            for (x, output) in output.iter_mut().step_by(run.pixel_step).take(2).enumerate() {
                let largest = top[2 * x].max(top[2 * x + 1]).max(bottom[2 * x]).max(bottom[2 * x + 1]);
                *output = channel.activation(channel.sign * largest);
            }
        }
    } else {
        for (accumulators, output) in accumulators.iter().zip(output.chunks_mut(run.row_step)) {
            for (&accumulator, output) in accumulators.iter().zip(output.iter_mut().step_by(run.pixel_step)) {
                *output = channel.activation(accumulator);
            }
        }
    }
}

/// Adds to the accumulators of a 4×2 tile the products of a pair of channels.
#[inline(always)]
fn multiply_tile([a, b, c, d, e, f, g, h]: [i32; 8], v: &[[i16; 2]; 4], u: &[i16; 2], w: &[i16; 2]) -> [i32; 8] {
    [
        multiply_add(a, &v[0], u),
        multiply_add(b, &v[1], u),
        multiply_add(c, &v[2], u),
        multiply_add(d, &v[3], u),
        multiply_add(e, &v[0], w),
        multiply_add(f, &v[1], w),
        multiply_add(g, &v[2], w),
        multiply_add(h, &v[3], w),
    ]
}

/// Adds the products of both lanes, which are read by themselves.
#[inline(always)]
fn multiply_add(sum: i32, a: &[i16; 2], b: &[i16; 2]) -> i32 {
    let (low, high) = (i32::from(a[0]) * i32::from(b[0]), i32::from(a[1]) * i32::from(b[1]));
    sum.wrapping_add(low).wrapping_add(high)
}

/// A number of at most 16 bits in both lanes.
const fn both_lanes(number: u32) -> Wrapping<u32> {
    Wrapping(number << 16 | number)
}

/// Two of four int8, the first and the third or, if `pair` is odd, the others, each plus 128.
#[inline]
fn unsigned_lanes(word: u32, pair: usize) -> Wrapping<u32> {
    Wrapping((word ^ 0x8080_8080) >> (pair % 2 * 8) & 0x00FF_00FF)
}

/// Two lanes that were computed as one number: where the lower one is negative, it has borrowed from the upper one.
#[inline]
fn whole(lanes: Wrapping<u32>) -> u32 {
    (lanes + ((lanes & Wrapping(0x8000)) << 1)).0
}

/// The same as [`unsigned_lanes`] without an addition.
#[inline]
fn signed_lanes(word: u32, pair: usize) -> u32 {
    whole(unsigned_lanes(word, pair) - both_lanes(128))
}

/// The rows of `G g` for three taps `g`, two lanes at once.
#[inline]
fn filter_vector(&[a, b, c]: &[Wrapping<u32>; 3]) -> [Wrapping<u32>; 6] {
    let (near, far, double) = (a + c, a + (c << 2), b << 1);
    [a, near + b, near - b, far + double, far - double, c]
}

/// `Bᵀ d` for six pixels `d`, two lanes at once.
#[inline]
fn input_vector(&[d0, d1, d2, d3, d4, d5]: &[Wrapping<u32>; 6]) -> [Wrapping<u32>; 6] {
    let (far, near) = (d4 - (d2 << 2), d3 - (d1 << 2));
    let (even, odd) = (d4 - d2, d3 - d1);
    let double = odd << 1;
    [((d0 - d2) << 2) + even, far + near, far - near, even + double, even - double, d5 - d3 - (odd << 2)]
}

/// The rows of `Aᵀ m`, each divided by the power of two that it has too much: the shifts are 3, 2, 1, 1.
#[inline]
fn output_vector(&[m0, m1, m2, m3, m4, m5]: &[Wrapping<i32>; 6]) -> [Wrapping<i32>; 4] {
    let (sum, difference) = (m1 + m2, m1 - m2);
    let (far_sum, far_difference) = (m3 + m4, m3 - m4);
    [
        ((m0 + (m0 << 1)) << 1) + far_sum - (sum << 2),
        far_difference - (difference << 1),
        far_sum - sum,
        ((m5 + (m5 << 1) + far_difference) << 1) - difference,
    ]
}
