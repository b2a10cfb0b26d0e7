//! The inner loops in portable Rust, whose bits the assembly must give.

use super::{CHUNK_PAIRS, InnerLoops, POSITIONS};
use crate::{arithmetic::requantize, kernels::dense, step::Epilogue};

/// int16 lanes of four tiles, or of four output channels, at one pair of channels.
const QUAD: usize = 8;

/// int16 lanes of two output channels, or of two pixels, at one pair of channels.
const PAIR: usize = 4;

/// Added to every weight before its transform, so that the lower lane of a word never borrows from the upper one.
const FILTER_OFFSET: i16 = 1143;

/// What is left of [`FILTER_OFFSET`] in row or column `i` of a transformed filter: the sum of the coefficients of that row.
const OFFSET_SUMS: [i16; 6] = [1, 3, 1, 7, 3, 1];

/// The offset of a transformed filter at a position, as its int16 lane holds it: only the largest wraps around.
const fn transformed_offset(position: usize) -> i16 {
    FILTER_OFFSET.wrapping_mul(OFFSET_SUMS[position / 6] * OFFSET_SUMS[position % 6])
}

/// For each position the two lanes by which an input is multiplied to take the filter's offset away.
pub(crate) static OFFSET_FACTORS: [[i16; 2]; POSITIONS] = {
    let mut factors = [[0; 2]; POSITIONS];
    let mut position = 0;
    while position < POSITIONS {
        factors[position] = [-transformed_offset(position); 2];
        position += 1;
    }
    factors
};

/// The inner loops in portable Rust.
#[derive(Clone, Copy)]
pub(crate) struct Twin;

impl InnerLoops for Twin {
    fn products(&self, u: &[i16], v: &[i16], accumulators: &mut [i32], pairs: usize, u_step: usize) {
        let tiles = accumulators.as_chunks_mut::<8>().0;
        for (position, (tile, v)) in tiles.iter_mut().zip(v.chunks_exact(QUAD * pairs)).enumerate() {
            let u = &u[position * u_step..][..PAIR * pairs];
            let mut sums = *tile;
            for (v, u) in v.as_chunks::<QUAD>().0.iter().zip(u.as_chunks::<PAIR>().0) {
                for (index, sum) in sums.iter_mut().enumerate() {
                    let (i, j) = (2 * (index % 4), 2 * (index / 4));
                    let low = i32::from(v[i]) * i32::from(u[j]);
                    let high = i32::from(v[i + 1]) * i32::from(u[j + 1]);
                    *sum = sum.wrapping_add(low.wrapping_add(high));
                }
            }
            *tile = sums;
        }
    }

    fn offset_corrections(&self, v: &[i16], corrections: &mut [[i32; 4]; POSITIONS], pairs: usize) {
        let positions = v.chunks_exact(QUAD * pairs).zip(OFFSET_FACTORS);
        for (correction, (v, [factor, _])) in corrections.iter_mut().zip(positions) {
            for quad in v.as_chunks::<QUAD>().0 {
                for (sum, lanes) in correction.iter_mut().zip(quad.as_chunks::<2>().0) {
                    let lanes = i32::from(lanes[0]) + i32::from(lanes[1]);
                    *sum = sum.wrapping_add(lanes.wrapping_mul(factor.into()));
                }
            }
        }
    }

    fn transform_filter(&self, weights: &[i8], stride: usize, u: &mut [i16], slot: usize, quads: usize) {
        for channel in 0..4 * quads {
            let tap = |tap: usize| i16::from(weights[tap * stride + channel]);
            // As if it were added to the weights, but without leaving int16.
            let columns = [0, 1, 2].map(|x| filter_vector([0, 3, 6].map(|y| tap(y + x))));
            let [pair, lane] = lane_of(channel);
            for row in 0..6 {
                let values = filter_vector(columns.map(|column| column[row]));
                for (column, value) in values.into_iter().enumerate() {
                    let position = 6 * row + column;
                    u[(position * CHUNK_PAIRS + pair) * PAIR + 2 * slot + lane] =
                        value.wrapping_add(transformed_offset(position));
                }
            }
        }
    }

    fn transform_input(&self, map: &[i8], offsets: &[u32; POSITIONS], v: &mut [i16], slot: usize, quads: usize) {
        let pairs = 2 * quads;
        for channel in 0..4 * quads {
            let [pair, lane] = lane_of(channel);
            let mut columns = [[0; 6]; 6];
            for (column, offsets) in columns.iter_mut().zip(offsets.as_chunks::<6>().0) {
                *column = input_vector(offsets.map(|offset| map[offset as usize + channel].into()));
            }
            for row in 0..6 {
                let values = input_vector(columns.map(|column| column[row]));
                for (column, value) in values.into_iter().enumerate() {
                    let position = 6 * row + column;
                    v[(position * pairs + pair) * QUAD + 2 * slot + lane] = value;
                }
            }
        }
    }

    fn transform_output(
        &self,
        m: &[i32],
        output: &mut [i8],
        row_step: usize,
        pixel_step: usize,
        epilogue: &Epilogue,
        pool: bool,
    ) {
        let accumulators = tile_accumulators(m);
        let side = if pool { 2 } else { 4 };
        for row in 0..side {
            for column in 0..side {
                let accumulator = if pool {
                    let [top, bottom] = [0, 1].map(|y| &accumulators[2 * row + y][2 * column..]);
                    epilogue.pool([top[0], top[1], bottom[0], bottom[1]])
                } else {
                    accumulators[row][column]
                };
                output[row * row_step + column * pixel_step] = epilogue.activation(accumulator);
            }
        }
    }

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

    fn spread(&self, quads: &[[i32; 4]], tiles: &mut [[[i32; 4]; 2]]) {
        for (tile, &quad) in tiles.iter_mut().zip(quads) {
            *tile = [quad; 2];
        }
    }

    fn widen_pixels(&self, map: &[i8], offsets: &[u32; 6], window: &mut [i16], quads: usize) {
        for (column, &offset) in offsets.iter().enumerate() {
            let pixel = &map[offset as usize..][..4 * quads];
            for (channel, &value) in pixel.iter().enumerate() {
                let [pair, lane] = lane_of(channel);
                window[(pair * 6 + column) * 2 + lane] = value.into();
            }
        }
    }

    fn widen_filter_row(&self, weights: &[i8], stride: usize, filter: &mut [i16], quads: usize) {
        for column in 0..3 {
            for channel in 0..4 * quads {
                let [pair, lane] = lane_of(channel);
                filter[(pair * 3 + column) * 2 + lane] = weights[column * stride + channel].into();
            }
        }
    }

    fn row_products(&self, filter: &[i16], windows: &[i16], accumulators: &mut [[i32; 4]], pairs: usize) {
        for (window, accumulators) in windows.chunks_exact(12 * pairs).zip(accumulators) {
            let pairs = window.as_chunks::<12>().0.iter();
            for (window, filter) in pairs.zip(filter.as_chunks::<6>().0) {
                for (pixel, accumulator) in accumulators.iter_mut().enumerate() {
                    let lanes = filter.iter().zip(&window[2 * pixel..]);
                    let products = lanes.map(|(&w, &x)| i32::from(w) * i32::from(x));
                    *accumulator += products.sum::<i32>();
                }
            }
        }
    }

    fn dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        dense::dot_products(weights, input)
    }
}

/// The rows of `G g` for three taps `g`.
fn filter_vector([a, b, c]: [i16; 3]) -> [i16; 6] {
    let (near, far) = (a + c, a + 4 * c);
    [a, near + b, near - b, far + 2 * b, far - 2 * b, c]
}

/// Where a channel stands in a chunk: its pair and its lane. Pairs are channels 0 and 2, then 1 and 3, of each four.
#[inline]
fn lane_of(channel: usize) -> [usize; 2] {
    [channel / 4 * 2 + channel % 2, channel % 4 / 2]
}

/// `Bᵀ d` for six pixels `d`.
fn input_vector([d0, d1, d2, d3, d4, d5]: [i16; 6]) -> [i16; 6] {
    let (far, near) = (d4 - 4 * d2, d3 - 4 * d1);
    let (even, odd) = (d4 - d2, 2 * (d3 - d1));
    [4 * d0 - 5 * d2 + d4, far + near, far - near, even + odd, even - odd, 4 * d1 - 5 * d3 + d5]
}

/// The rows of `Aᵀ m`, each divided by the power of two that it has too much: the shifts are 3, 2, 1, 1.
fn output_vector([m0, m1, m2, m3, m4, m5]: [i32; 6]) -> [i32; 4] {
    let (sum, difference) = (m1.wrapping_add(m2), m1.wrapping_sub(m2));
    let (far_sum, far_difference) = (m3.wrapping_add(m4), m3.wrapping_sub(m4));
    [
        m0.wrapping_mul(6).wrapping_add(far_sum).wrapping_sub(sum.wrapping_mul(4)),
        far_difference.wrapping_sub(difference.wrapping_mul(2)),
        far_sum.wrapping_sub(sum),
        m5.wrapping_mul(6).wrapping_add(far_difference.wrapping_mul(2)).wrapping_sub(difference),
    ]
}

/// Accumulators without bias of the 4×4 outputs of a tile. `m` is `[position][8]`; its first column is taken.
fn tile_accumulators(m: &[i32]) -> [[i32; 4]; 4] {
    /// 9 times this is 1 modulo 2^32.
    const INVERSE_OF_9: i32 = 0x38E3_8E39;
    const SHIFTS: [u32; 4] = [3, 2, 1, 1];
    let columns: [_; 6] =
        core::array::from_fn(|column| output_vector(core::array::from_fn(|row| m[8 * (6 * row + column)])));
    core::array::from_fn(|row| {
        let values = output_vector(columns.map(|column| column[row]));
        core::array::from_fn(|column| values[column].wrapping_mul(INVERSE_OF_9) >> (SHIFTS[row] + SHIFTS[column]))
    })
}
