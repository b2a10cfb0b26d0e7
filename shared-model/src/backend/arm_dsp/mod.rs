//! Cortex-M with the DSP extension: an M4, an M7, or an M33 that has it.
//!
//! Its kernels are built from the inner loops of [`InnerLoops`]: assembly on the target, and their twins in portable Rust on every
//! other host, which give the same bits.

#[cfg(arm_dsp)]
mod assembly;
mod im2col;
mod row_streaming;
#[cfg(feature = "self-test")]
pub(crate) mod self_test;
#[cfg_attr(all(arm_dsp, not(feature = "self-test")), allow(dead_code, reason = "the twins of the assembly"))]
mod twin;
mod winograd;

#[cfg(arm_dsp)]
use assembly::Assembly as Native;
#[cfg(not(arm_dsp))]
use twin::Twin as Native;

use super::Backend;
use crate::{
    kernels::{average_pool::AveragePool, dense::Dense, direct::Direct, max_pool::MaxPool},
    step::Epilogue,
};
use im2col::Im2col;
use row_streaming::RowStreaming;
use winograd::Winograd;

pub(super) const BACKEND: Backend = Backend {
    name: "arm-dsp",
    cores: &["cortex-m4", "cortex-m7", "cortex-m33"],
    kernels: &[
        &Dense { dot_products: |weights, input| Native.dot_products(weights, input), instructions_for_four: 8 },
        &Direct { instructions_for_four: 16 },
        &Im2col(Native),
        &RowStreaming(Native),
        &Winograd(Native),
        &MaxPool,
        &AveragePool,
    ],
};

/// Pairs of channels that are transformed and multiplied at once.
const CHUNK_PAIRS: usize = 16;

/// Positions of a transformed tile, 6×6.
const POSITIONS: usize = 36;

/// The inner loops.
///
/// A word holds two int16 *lanes*, of two channels: channels 0 and 2, then 1 and 3, of each four. Winograd's transforms are those of
/// `NUMERICS.md`.
pub(crate) trait InnerLoops: Sync + 'static {
    /// Adds products to `accumulators`, `[position][2][4]`: `accumulators[p][j][i] += Σ v[p][pair][i] · u[p][pair][j]`, both lanes of
    /// each pair, modulo 2^32.
    ///
    /// `v` is `[position][pair][4]` pairs of lanes and `u` `[position][pair][2]`, where one position of `u` starts `u_step` lanes
    /// behind the one before it. With `u_step` 0 all positions share one.
    fn products(&self, u: &[i16], v: &[i16], accumulators: &mut [i32], pairs: usize, u_step: usize);

    /// Adds to `corrections`, `[position][4]`, what takes the offset of transformed filters away again: `v`,
    /// `[position][pair][4]`, summed over the lanes, times [`twin::OFFSET_FACTORS`]. `pairs` is even.
    fn offset_corrections(&self, v: &[i16], corrections: &mut [[i32; 4]; POSITIONS], pairs: usize);

    /// Transforms the 3×3 filters of one output channel, `weights` of `[9][stride]` from its first channel on: `G g Gᵀ` with an
    /// offset, for `4 * quads` channels. Slot `slot` (0 or 1) of `u`, `[position][16 pairs][2]` pairs of lanes, takes them.
    fn transform_filter(&self, weights: &[i8], stride: usize, u: &mut [i16], slot: usize, quads: usize);

    /// Transforms a patch of 6×6 pixels, `Bᵀ d B`, for the first `4 * quads` channels in `map`, where `offsets`, `[column][row]`,
    /// says where each pixel starts. Slot `slot` (0 … 3) of `v`, `[position][pair][4]` pairs of lanes, takes it.
    fn transform_input(&self, map: &[i8], offsets: &[u32; POSITIONS], v: &mut [i16], slot: usize, quads: usize);

    /// Writes the 4×4 outputs of one tile and one channel: `Aᵀ m A`, then the epilogue; with a 2×2 pool, the 2×2 outputs. `m` is
    /// `[position][8]`, and its first column is taken. Output rows start `row_step` bytes and pixels `pixel_step` bytes behind one
    /// another.
    fn transform_output(
        &self,
        m: &[i32],
        output: &mut [i8],
        row_step: usize,
        pixel_step: usize,
        epilogue: &Epilogue,
        pool: bool,
    );

    /// ReLU and requantization of two pixels' accumulators, `[channel / 4][2][4]`, to `output`, `[2][channels]`.
    fn requantize_pairs(
        &self,
        accumulators: &[i32],
        output: &mut [i8],
        multipliers: &[i32],
        offsets: &[i64],
        relu: bool,
    );

    /// `[n][4]` to `[n][2][4]`: each four twice.
    fn spread(&self, quads: &[[i32; 4]], tiles: &mut [[[i32; 4]; 2]]);

    /// Widens six pixels, which start at `offsets`, for the first `4 * quads` channels in `map`. `window` is `[pair][6]` pairs of
    /// lanes.
    fn widen_pixels(&self, map: &[i8], offsets: &[u32; 6], window: &mut [i16], quads: usize);

    /// Widens one kernel row, `[3][stride]` from its first channel on, for `4 * quads` channels. `filter` is `[pair][3]` pairs of
    /// lanes.
    fn widen_filter_row(&self, weights: &[i8], stride: usize, filter: &mut [i16], quads: usize);

    /// Adds to four accumulators for each of `windows`, `[window][pair][6]` pairs of lanes, what one kernel row gives: `filter` is
    /// `[pair][3]` pairs of lanes. The number of pairs is even.
    fn row_products(&self, filter: &[i16], windows: &[i16], accumulators: &mut [[i32; 4]], pairs: usize);

    /// Four dot products of `input` with rows of weights, `[4][input.len()]`. The length is a multiple of four.
    fn dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4];
}
