//! The inner loops in assembly, behind safe functions with the contracts of [`InnerLoops`].
//!
//! `v6m.s` is for the instruction set of Armv6-M, `v7m.s` for that of Armv7-M, which takes what differs with the DSP extension and
//! without it from `dsp.s` or `mla.s`; `mve.s` is what cores with Helium have beside those; `rv32im.s` is for RISC-V.
//!
//! Every call of assembly is preceded by the checks of all lengths from which its
//! argument follows; the assembly reads and writes nothing but what its arguments span, leaves the stack and the callee-saved
//! registers as it found them, and sets no state but the flags (Q and QC included, which nothing reads).
#![allow(unsafe_code)]

use super::inner_loops::InnerLoops;
#[cfg(arm_mve)]
use super::inner_loops::{BLOCK, BLOCK_WORDS, Channels};
use super::inner_loops::{CHUNK_PAIRS, POSITIONS};
#[cfg(arm_dsp)]
use super::inner_loops::{OFFSET_FACTORS, tap_pairs};
#[cfg(any(arm_v6m, arm_v7m))]
use super::inner_loops::{OutputChannel, TileRun};
#[cfg(arm_v7m)]
use super::inner_loops::{Patch, STREAM};
use core::arch::global_asm;

// Without it the assembler refuses the DSP extension, which Armv8-M leaves to the chip.
#[cfg(all(arm_v8m, not(arm_mve)))]
global_asm!(".cpu cortex-m33");
#[cfg(arm_mve)]
global_asm!(
    ".cpu cortex-m55",
    include_str!("function.s"),
    include_str!("dsp.s"),
    include_str!("v7m.s"),
    include_str!("mve.s"),
    options(raw)
);
#[cfg(all(arm_dsp, not(arm_mve)))]
global_asm!(include_str!("function.s"), include_str!("dsp.s"), include_str!("v7m.s"), options(raw));
#[cfg(all(arm_v7m, not(arm_dsp)))]
global_asm!(include_str!("function.s"), include_str!("mla.s"), include_str!("v7m.s"), options(raw));
#[cfg(arm_v6m)]
global_asm!(include_str!("function.s"), include_str!("v6m.s"), options(raw));
#[cfg(rv32im)]
global_asm!(include_str!("rv32im.s"));

unsafe extern "C" {
    fn shared_model_products(u: *const u32, v: *const u32, m: *mut i32, m_end: *mut i32, pairs: usize, u_skip: isize);
    #[cfg(arm_dsp)]
    fn shared_model_offset_corrections(v: *const u32, corrections: *mut i32, pairs: usize, factors: *const [i16; 2]);
    fn shared_model_transform_filter(weights: *const u32, stride: usize, u: *mut u32, quads: usize);
    #[cfg(arm_v7m)]
    fn shared_model_stream_filters(
        weights: *const u32,
        stride: usize,
        stream: *mut u32,
        m: *mut i32,
        filter_len: usize,
        filters: usize,
    );
    #[cfg(arm_dsp)]
    fn shared_model_stream_corrections(stream: *const u32, corrections: *mut i32, factors: *const [i16; 2]);
    #[cfg(arm_v7m)]
    fn shared_model_transform_input(
        map: *const u32,
        offsets: *const u32,
        v: *mut u32,
        position_len: usize,
        v_end: *mut u32,
        pair_len: usize,
    );
    #[cfg(any(arm_v6m, arm_v7m))]
    /// Row steps are counted from the last pixel of a row.
    fn shared_model_transform_output(
        m: *const i32,
        output: *mut i8,
        channel: *const OutputChannel,
        row_step: isize,
        tiles: usize,
        tile_step: usize,
        pixel_step: usize,
    );
    #[cfg(any(arm_v6m, arm_v7m))]
    fn shared_model_transform_pooled_output(
        m: *const i32,
        output: *mut i8,
        channel: *const OutputChannel,
        row_step: isize,
        tiles: usize,
        tile_step: usize,
        pixel_step: usize,
    );
    #[cfg(arm_v7m)]
    fn shared_model_requantize_pairs(
        accumulators: *const i32,
        output: *mut i8,
        multipliers: *const i32,
        offsets: *const i64,
        accumulators_end: *const i32,
        channels: usize,
        relu: bool,
    );
    #[cfg(arm_v7m)]
    fn shared_model_spread(quads: *const i32, tiles: *mut i32, quads_end: *const i32);
    #[cfg(arm_dsp)]
    fn shared_model_widen_pixels(map: *const u32, offsets: *const u32, window: *mut u32, quads: usize);
    #[cfg(arm_dsp)]
    fn shared_model_widen_taps(taps: *const i8, line: usize, row: usize, step: usize, pairs: *mut u32);
    #[cfg(arm_dsp)]
    fn shared_model_widen_filter_row(weights: *const u32, stride: usize, filter: *mut u32, quads: usize);
    #[cfg(any(arm_v6m, arm_v7m))]
    fn shared_model_row_products(
        filter: *const u32,
        windows: *const u32,
        accumulators: *mut i32,
        pairs: usize,
        accumulators_end: *mut i32,
    );
    #[cfg(arm_dsp)]
    fn shared_model_dot_products(
        weights: *const i8,
        stride: usize,
        input: *const i8,
        sums: *mut i32,
        input_end: *const i8,
    );
    #[cfg(arm_mve)]
    fn shared_model_vector_dot_products(
        weights: *const i8,
        stride: usize,
        input: *const i8,
        sums: *mut i32,
        input_end: *const i8,
    );
    #[cfg(all(arm_v7m, not(arm_mve)))]
    fn shared_model_copy(to: *mut i8, from: *const i8, len: usize);
    #[cfg(arm_mve)]
    fn shared_model_vector_copy(to: *mut i8, from: *const i8, len: usize);
    #[cfg(arm_mve)]
    fn shared_model_gather_patches(lines: *const i8, line: usize, starts: *const usize, row: usize, patches: *mut u32);
    #[cfg(arm_mve)]
    fn shared_model_patch_products(
        patches: *const u32,
        weights: *const i8,
        taps: usize,
        accumulators: *mut i32,
        accumulators_end: *mut i32,
    );
    #[cfg(arm_mve)]
    fn shared_model_requantize_fours(
        accumulators: *const i32,
        output: *mut i8,
        channels: *const ChannelPointers,
        quads: usize,
    );
    #[cfg(arm_mve)]
    fn shared_model_requantize_pooled(
        accumulators: *const i32,
        output: *mut i8,
        channels: *const ChannelPointers,
        quads: usize,
    );
}

/// [`Channels`] at the offsets that the assembly knows.
#[cfg(arm_mve)]
#[repr(C)]
struct ChannelPointers {
    biases: *const i32,
    multipliers: *const i32,
    offsets: *const i64,
    least: i32,
}

#[cfg(arm_mve)]
impl ChannelPointers {
    /// Of as many channels as there are `accumulators`, a multiple of four, whose pixels `output` has `pixels` times room for.
    fn new(channels: &Channels, accumulators: &[[i32; 4]], output: &[i8], pixels: usize) -> Self {
        let count = accumulators.len();
        require(count > 0 && count.is_multiple_of(4) && output.len() >= pixels * count);
        let (biases, multipliers, offsets, relu) = channels.parts();
        require(biases.len() == count);
        Self {
            biases: biases.as_ptr(),
            multipliers: multipliers.as_ptr(),
            offsets: offsets.as_ptr(),
            least: if relu { 0 } else { i32::MIN },
        }
    }
}

/// Refuses what breaks a contract; all refusals share one call, which takes a fifth of the code of as many assertions.
#[inline(always)]
fn require(holds: bool) {
    #[cold]
    #[inline(never)]
    fn refuse() -> ! {
        panic!("a slice is too short for an inner loop");
    }
    if !holds {
        refuse();
    }
}

/// The inner loops in assembly.
#[derive(Clone, Copy)]
pub(crate) struct Assembly;

impl InnerLoops for Assembly {
    fn products(&self, u: &[u32], v: &[u32], accumulators: &mut [[[i32; 4]; 2]], pairs: usize, u_step: usize) {
        let positions = accumulators.len();
        require((1..=CHUNK_PAIRS).contains(&pairs) && positions > 0);
        require(v.len() >= positions * pairs * 4);
        require(u.len() >= (positions - 1) * u_step + pairs * 2);
        let accumulators = accumulators.as_flattened_mut().as_flattened_mut().as_mut_ptr_range();
        let u_skip = 4 * (u_step as isize - 2 * pairs as isize);
        // SAFETY: it reads 4 · pairs words of `v` and 2 · pairs words of `u` at each position and reads and writes 8 accumulators up to
        // their end, all inside the slices by the checks.
        unsafe {
            shared_model_products(u.as_ptr(), v.as_ptr(), accumulators.start, accumulators.end, pairs, u_skip);
        }
    }

    #[cfg(arm_dsp)]
    fn offset_corrections(&self, v: &[u32], corrections: &mut [[i32; 4]; POSITIONS], pairs: usize) {
        require(pairs > 0 && pairs.is_multiple_of(2) && v.len() >= POSITIONS * pairs * 4);
        let corrections = corrections.as_flattened_mut().as_mut_ptr();
        // SAFETY: it reads 36 · 4 · pairs words of `v`, which are in the slice by the check, 36 factors, and reads and writes 36 · 4
        // corrections.
        unsafe {
            shared_model_offset_corrections(v.as_ptr(), corrections, pairs, OFFSET_FACTORS.as_ptr());
        }
    }

    fn transform_filter(&self, weights: &[u32], stride: usize, u: &mut [u32], slot: usize, quads: usize) {
        require((1..=CHUNK_PAIRS / 2).contains(&quads) && slot < 2);
        require(weights.len() >= 8 * stride + quads);
        require(u.len() >= POSITIONS * CHUNK_PAIRS * 2);
        let u = &mut u[slot..];
        // SAFETY: it reads the words 0, stride, … 8 · stride from each of the first `quads` on, the last of which is the word
        // 8 · stride + quads - 1; it writes the word `slot` of the first 2 · quads of the 16 pairs at each of 36 positions.
        unsafe { shared_model_transform_filter(weights.as_ptr(), 4 * stride, u.as_mut_ptr(), quads) }
    }

    #[cfg(arm_v7m)]
    fn stream_filters(&self, weights: &[u32], stride: usize, stream: &mut [u32], accumulators: &mut [i32]) {
        let filters = weights.len().div_ceil(9 * stride);
        require(filters > 0 && weights.len() > 9 * stride * (filters - 1) + 8 * stride);
        require(stream.len() >= STREAM && accumulators.len() >= filters.div_ceil(2) * 8 * POSITIONS);
        let (weights, stream, m) = (weights.as_ptr(), stream.as_mut_ptr(), accumulators.as_mut_ptr());
        // SAFETY: of each filter it reads the words 0, stride, … 8 · stride, the last one of which is inside by the first check; it
        // reads and writes the stream's 36 · 12 words, and 36 · 8 accumulators for each two filters, inside by the second one.
        unsafe { shared_model_stream_filters(weights, 4 * stride, stream, m, 36 * stride, filters) }
    }

    #[cfg(arm_dsp)]
    fn stream_corrections(&self, stream: &[u32], corrections: &mut [[i32; 4]; POSITIONS]) {
        require(stream.len() >= STREAM);
        let corrections = corrections.as_flattened_mut().as_mut_ptr();
        // SAFETY: it reads 36 · 2 · 6 words of the stream and 36 factors, and reads and writes 36 · 4 corrections.
        unsafe { shared_model_stream_corrections(stream.as_ptr(), corrections, OFFSET_FACTORS.as_ptr()) }
    }

    #[cfg(arm_v7m)]
    fn transform_input(&self, map: &[u32], patch: &Patch, v: &mut [u32], slot: usize, quads: usize) {
        require(quads > 0 && slot < 4);
        let offsets = patch.within(map, quads).expect("the pixels lie in the map").as_ptr();
        let v = &mut v[..POSITIONS * quads * 8][slot..];
        let (start, end) = (v.as_mut_ptr(), v[8 * quads..].as_mut_ptr());
        // SAFETY: it reads 4 · quads bytes at each of the 36 offsets, as words for which LDR needs no alignment, and writes the word
        // `slot` of each of 36 · 2 · quads times four: all inside the slices by the checks.
        unsafe { shared_model_transform_input(map.as_ptr(), offsets, start, 32 * quads, end, 16) }
    }

    #[cfg(arm_v7m)]
    fn stream_input(&self, map: &[u32], patch: &Patch, stream: &mut [u32], slot: usize) {
        require(slot < 4);
        let offsets = patch.within(map, 1).expect("the pixels lie in the map").as_ptr();
        let stream = &mut stream[..STREAM][2 + slot..];
        let (start, end) = (stream.as_mut_ptr(), stream[12..].as_mut_ptr());
        // SAFETY: as above, with one quad and the word 2 + `slot` of each of 36 · 2 times six.
        unsafe { shared_model_transform_input(map.as_ptr(), offsets, start, 48, end, 24) }
    }

    #[cfg(any(arm_v6m, arm_v7m))]
    fn transform_outputs(&self, m: &[i32], run: &TileRun, channels: &[OutputChannel], output: &mut [i8]) {
        let &TileRun { tiles, pool, row_step, pixel_step } = run;
        let (last, tile_step, slots) = (run.side() - 1, run.tile_step(), channels.len());
        require(tiles > 0 && slots > 0 && m.len() >= 8 * (POSITIONS - 1) + 4 * (slots - 1) + tiles);
        require(output.len() >= last * (row_step + pixel_step) + (tiles - 1) * tile_step + slots);
        let row_step = if pool { row_step } else { row_step.wrapping_sub(pixel_step) } as isize;
        let transform = if pool { shared_model_transform_pooled_output } else { shared_model_transform_output };
        let (m, output) = (m.as_ptr(), output.as_mut_ptr());
        for (slot, channel) in channels.iter().enumerate() {
            // That of Armv6-M takes a single tile.
            for tile in 0..if cfg!(arm_v6m) { tiles } else { 1 } {
                // SAFETY: for each channel and tile it reads the words 0, 8, … 280 of `m`, from four words or one further on, and writes four times four bytes
                // or two times two, the last of which is three rows and three pixels, or one of each, behind the first: inside the slices
                // by the checks.
                unsafe {
                    let (m, output) = (m.add(4 * slot + tile), output.add(slot + tile * tile_step));
                    transform(m, output, channel, row_step, tiles, tile_step, pixel_step)
                }
            }
        }
    }

    #[cfg(arm_v7m)]
    fn requantize_pairs(
        &self,
        accumulators: &[i32],
        output: &mut [i8],
        multipliers: &[i32],
        offsets: &[i64],
        relu: bool,
    ) {
        let channels = multipliers.len();
        require(channels > 0 && channels.is_multiple_of(4) && offsets.len() == channels);
        require(output.len() >= 2 * channels && accumulators.len() >= 2 * channels);
        let accumulators = accumulators[..2 * channels].as_ptr_range();
        // SAFETY: for each four channels up to the accumulators' end it reads 8 accumulators, 4 multipliers and 4 offsets and writes 4
        // bytes and another 4 `channels` bytes further on: inside the slices by the checks.
        unsafe {
            shared_model_requantize_pairs(
                accumulators.start,
                output.as_mut_ptr(),
                multipliers.as_ptr(),
                offsets.as_ptr(),
                accumulators.end,
                channels,
                relu,
            );
        }
    }

    #[cfg(arm_v7m)]
    fn spread(&self, quads: &[[i32; 4]], tiles: &mut [[[i32; 4]; 2]]) {
        require(!quads.is_empty() && tiles.len() >= quads.len());
        let quads = quads.as_flattened().as_ptr_range();
        let tiles = tiles.as_flattened_mut().as_flattened_mut().as_mut_ptr();
        // SAFETY: it reads up to the end of `quads` and writes twice as much, for which `tiles` has room by the check.
        unsafe { shared_model_spread(quads.start, tiles, quads.end) }
    }

    #[cfg(arm_dsp)]
    fn widen_pixels(&self, map: &[u32], offsets: &[u32; 6], window: &mut [u32], quads: usize) {
        require(quads > 0 && window.len() >= 12 * quads);
        require(offsets.iter().all(|&offset| offset as usize + 4 * quads <= size_of_val(map)));
        // SAFETY: it reads 4 · quads bytes at each of the 6 offsets, as words for which LDR needs no alignment, and writes 48 · quads
        // bytes: inside the slices by the checks.
        unsafe {
            shared_model_widen_pixels(map.as_ptr(), offsets.as_ptr(), window.as_mut_ptr(), quads);
        }
    }

    #[cfg(arm_dsp)]
    fn widen_taps(&self, taps: &[i8], [line, row, step]: [usize; 3], pairs: &mut [u32]) {
        require(row > 0 && taps.len() >= 2 * line + step + row && pairs.len() >= 2 * tap_pairs(row));
        // SAFETY: it reads `row` bytes at 0, `line` and 2 · `line`, and the same from `step` on, as words for which LDR needs no alignment
        // or as bytes, and writes two words for each pair: inside the slices by the check.
        unsafe { shared_model_widen_taps(taps.as_ptr(), line, row, step, pairs.as_mut_ptr()) }
    }

    #[cfg(arm_dsp)]
    fn widen_filter_row(&self, weights: &[u32], stride: usize, filter: &mut [u32], quads: usize) {
        require(quads > 0 && weights.len() >= 2 * stride + quads && filter.len() >= 6 * quads);
        // SAFETY: it reads `quads` words at 0, stride and 2 · stride, and writes 6 · quads words: inside the slices by the checks.
        unsafe { shared_model_widen_filter_row(weights.as_ptr(), 4 * stride, filter.as_mut_ptr(), quads) }
    }

    #[cfg(any(arm_v6m, arm_v7m))]
    fn row_products(&self, filter: &[u32], windows: &[u32], accumulators: &mut [[i32; 4]], pairs: usize) {
        require(pairs > 0 && pairs.is_multiple_of(2) && !accumulators.is_empty());
        require(filter.len() >= 3 * pairs && windows.len() >= 6 * pairs * accumulators.len());
        let accumulators = accumulators.as_flattened_mut().as_mut_ptr_range();
        // SAFETY: for each four accumulators up to their end it reads 3 · pairs words of the filter and another 6 · pairs words of the
        // windows, all inside the slices by the checks.
        unsafe {
            shared_model_row_products(filter.as_ptr(), windows.as_ptr(), accumulators.start, pairs, accumulators.end);
        }
    }

    #[cfg(arm_dsp)]
    fn dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        dot_products_by(shared_model_dot_products, weights, input)
    }

    #[cfg(arm_mve)]
    fn vector_dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        dot_products_by(shared_model_vector_dot_products, weights, input)
    }

    #[cfg(arm_v7m)]
    fn copy(&self, to: &mut [i8], from: &[i8]) {
        #[cfg(not(arm_mve))]
        use shared_model_copy as copy;
        #[cfg(arm_mve)]
        use shared_model_vector_copy as copy;
        require(to.len() == from.len());
        // SAFETY: it reads and writes so many bytes, or none; LDR and STR need no alignment.
        unsafe { copy(to.as_mut_ptr(), from.as_ptr(), to.len()) }
    }

    #[cfg(arm_mve)]
    fn gather_patches(&self, lines: &[i8], line: usize, starts: &[usize; 4], row: usize, patches: &mut [u32]) {
        require(row > 0 && patches.len() >= (3 * row).div_ceil(BLOCK) * BLOCK_WORDS);
        require(starts.iter().all(|&start| start + 2 * line + row <= lines.len()));
        let (lines, starts) = (lines.as_ptr(), starts.as_ptr());
        // SAFETY: from each of four starts on it reads `row` bytes at 0, `line` and 2 · `line`, and writes 3 · `row` bytes to the blocks
        // of that patch: inside the slices by the checks.
        unsafe { shared_model_gather_patches(lines, line, starts, row, patches.as_mut_ptr()) }
    }

    #[cfg(arm_mve)]
    fn patch_products(&self, patches: &[u32], weights: &[i8], accumulators: &mut [[i32; 4]]) {
        let channels = accumulators.len();
        require(channels > 0 && channels.is_multiple_of(2));
        let taps = weights.len() / channels;
        require(taps > 0 && patches.len() >= taps.div_ceil(BLOCK) * BLOCK_WORDS);
        let accumulators = accumulators.as_flattened_mut().as_mut_ptr_range();
        // SAFETY: for each two channels up to the accumulators' end it reads 2 · `taps` bytes of weights, those of a last vector only as
        // far as the filter goes, and the patches as far as `taps` rounded up to whole blocks, and writes 8 accumulators: inside the
        // slices by the checks.
        unsafe {
            shared_model_patch_products(patches.as_ptr(), weights.as_ptr(), taps, accumulators.start, accumulators.end);
        }
    }

    #[cfg(arm_mve)]
    fn requantize_fours(&self, accumulators: &[[i32; 4]], output: &mut [i8], channels: &Channels) {
        let pointers = ChannelPointers::new(channels, accumulators, output, 4);
        let (quads, accumulators) = (accumulators.len() / 4, accumulators.as_flattened().as_ptr());
        // SAFETY: for each four channels it reads 16 accumulators, 4 biases, 4 multipliers and 4 offsets and writes 4 bytes to each of four
        // pixels, which are as many bytes apart as there are channels: inside the slices by the checks in `new`.
        unsafe { shared_model_requantize_fours(accumulators, output.as_mut_ptr(), &pointers, quads) }
    }

    #[cfg(arm_mve)]
    fn requantize_pooled(&self, accumulators: &[[i32; 4]], output: &mut [i8], channels: &Channels) {
        let pointers = ChannelPointers::new(channels, accumulators, output, 1);
        let (quads, accumulators) = (accumulators.len() / 4, accumulators.as_flattened().as_ptr());
        // SAFETY: as above, with one pixel.
        unsafe { shared_model_requantize_pooled(accumulators, output.as_mut_ptr(), &pointers, quads) }
    }
}

/// Dot products by one of the two functions of this contract.
#[cfg(arm_dsp)]
#[inline(always)]
fn dot_products_by(
    function: unsafe extern "C" fn(*const i8, usize, *const i8, *mut i32, *const i8),
    weights: &[i8],
    input: &[i8],
) -> [i32; 4] {
    require(!input.is_empty() && input.len().is_multiple_of(4) && weights.len() >= 4 * input.len());
    let mut sums = [0; 4];
    let (weights, stride) = (weights.as_ptr(), input.len());
    let input = input.as_ptr_range();
    // SAFETY: either reads the input up to its end, the same of four rows of weights, as words or vectors for which a load needs no
    // alignment, of a last vector only as far as the input goes, and writes four sums: inside the slices by the checks.
    unsafe {
        function(weights, stride, input.start, sums.as_mut_ptr(), input.end);
    }
    sums
}
