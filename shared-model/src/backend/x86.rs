//! The inner loops of [`VectorLoops`](super::vector_loops::VectorLoops) with the vectors of x86-64.
//!
//! Which of them the processor has, and whether the system keeps their registers, is found out once, when the program runs. Where there are
//! none, portable Rust computes the same.
//!
//! Every loop is called behind the checks of all lengths from which it follows that what it reads and writes lies inside of slices. No load and
//! no store needs an alignment.
#![allow(unsafe_code)]

use super::{
    inner_loops::{InnerLoops, Portable},
    tile::{Tile, for_pixels, multiply},
    vector_loops::{Block, Finish, Pairs, Quads, VectorLoops, Words, finish_from},
};
use crate::kernels::dot;
use core::{
    arch::x86_64::*,
    ops::Range,
    sync::atomic::{AtomicU8, Ordering},
};

/// Sets of extensions.
const FOUND_OUT: u8 = 1;
const AVX2: u8 = 2;
const AVX_VNNI: u8 = 4;
const AVX512_VNNI: u8 = 8;

/// What the processor has.
fn extensions() -> u8 {
    static EXTENSIONS: AtomicU8 = AtomicU8::new(0);
    let known = EXTENSIONS.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // Threads that come here at once find out the same.
    let found = find_out() | FOUND_OUT;
    EXTENSIONS.store(found, Ordering::Relaxed);
    found
}

/// Asks the processor, which Miri does not have: Intel's Software Developer's Manual, volume 1, sections 14.3, 14.7.1 and 15.2, and volume
/// 2, CPUID.
#[cold]
fn find_out() -> u8 {
    if cfg!(miri) {
        let of = |has: bool, extension: u8| if has { extension } else { 0 };
        return of(cfg!(target_feature = "avx2"), AVX2)
            | of(cfg!(target_feature = "avxvnni"), AVX_VNNI)
            | of(cfg!(target_feature = "avx512vnni"), AVX512_VNNI);
    }
    let (last, basic) = (__cpuid(0).eax, __cpuid(1).ecx);
    // OSXSAVE and AVX.
    if last < 7 || !has(basic, &[27, 28]) {
        return 0;
    }
    // SAFETY: OSXSAVE says that the instruction exists and that the system allows it.
    let kept = unsafe { xcr0() } as u32;
    let (seven, further) = (__cpuid_count(7, 0), __cpuid_count(7, 1));
    Registers { basic, kept, last: seven.eax, features: seven.ebx, more_features: seven.ecx, further: further.eax }
        .extensions()
}

/// Whether all of these bits of a register are set.
fn has(register: u32, bits: &[u32]) -> bool {
    bits.iter().all(|bit| register >> bit & 1 == 1)
}

/// What a processor with AVX says about itself.
#[derive(Clone, Copy, Debug)]
struct Registers {
    /// Leaf 1, ECX.
    basic: u32,
    /// XCR0: the registers that the system keeps.
    kept: u32,
    /// Leaf 7, EAX: the last of its leaves.
    last: u32,
    /// Leaf 7, EBX.
    features: u32,
    /// Leaf 7, ECX.
    more_features: u32,
    /// The second leaf of leaf 7, EAX.
    further: u32,
}

impl Registers {
    fn extensions(&self) -> u8 {
        // The registers of SSE and AVX.
        if !has(self.kept, &[1, 2]) || !has(self.features, &[5]) {
            return 0;
        }
        let mut found = AVX2;
        // A processor without the second leaf of leaf 7 gives zeros there.
        if self.last >= 1 && has(self.further, &[4]) {
            found |= AVX_VNNI;
        }
        // The masks and both parts of the registers of AVX-512; its foundation, VNNI, and FMA and F16C, which the compiler takes the
        // foundation to imply.
        let has_vnni = has(self.features, &[16]) && has(self.more_features, &[11]) && has(self.basic, &[12, 29]);
        if has(self.kept, &[5, 6, 7]) && has_vnni {
            found |= AVX512_VNNI;
        }
        found
    }
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: the register 0 exists.
    unsafe { _xgetbv(0) }
}

/// Whether the processor has AVX2.
pub(super) fn has_avx2() -> bool {
    extensions() & AVX2 != 0
}

/// Whether the processor multiplies bytes, in vectors of either length.
pub(super) fn has_vnni() -> bool {
    extensions() & (AVX_VNNI | AVX512_VNNI) != 0
}

/// The inner loops with the vectors that the processor has, in portable Rust without any.
#[derive(Clone, Copy)]
pub(super) struct X86;

impl InnerLoops for X86 {
    fn dot_products(&self, weights: &[i8], input: &[i8]) -> [i32; 4] {
        if !has_avx2() {
            return Portable.dot_products(weights, input);
        }
        let rows = [0, 1, 2, 3].map(|row| &weights[row * input.len()..][..input.len()]);
        // SAFETY: the processor has AVX2; all rows have the length of the input.
        unsafe { dot_products(rows, input) }
    }
}

impl VectorLoops<Pairs> for X86 {
    fn transpose(&self, weights: &[i8], filter: usize, row: usize, words: &mut [i16]) -> usize {
        let vectors = row / 16;
        if vectors == 0 || !has_avx2() {
            return 0;
        }
        assert!(weights.len() >= 7 * filter + 16 * vectors);
        assert!(words.len() >= (8 * vectors - 1) * 32 + 16);
        // SAFETY: the processor has AVX2. By the assertions 16 weights of each of eight filters are there `vectors` times in succession,
        // and 16 int16 at each of `8 * vectors` words, 32 behind one another.
        unsafe { transpose_pairs(weights.as_ptr(), filter, words.as_mut_ptr(), vectors) }
        8 * vectors
    }

    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        if !has_avx2() {
            return VectorLoops::<Pairs>::multiply(&Portable, lines, line, windows, block, sums);
        }
        let tile = Tile::new::<Pairs>(lines, line, windows, block, sums);
        // SAFETY: the processor has AVX2, and the tile is one of 16 lanes.
        unsafe { for_pixels!(windows.len(), avx2_pairs(&tile, 0)) }
    }

    fn finish(&self, sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>) {
        finish_with_avx2::<Pairs>(sums, output, channels, finish);
    }
}

impl VectorLoops<Quads> for X86 {
    fn transpose(&self, weights: &[i8], filter: usize, row: usize, words: &mut [i8]) -> usize {
        let vectors = row / 16;
        if vectors > 0 {
            assert!(weights.len() >= 7 * filter + 16 * vectors);
            assert!(words.len() >= (4 * vectors - 1) * 128 + 32);
            // SAFETY: every processor has SSE2. By the assertions 16 weights of each of eight filters are there `vectors` times in
            // succession, and 32 bytes at each of `4 * vectors` words, 128 behind one another.
            unsafe { transpose_quads(weights.as_ptr(), filter, words.as_mut_ptr(), vectors) }
        }
        4 * vectors
    }

    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        if !has_vnni() {
            return VectorLoops::<Quads>::multiply(&Portable, lines, line, windows, block, sums);
        }
        let tile = Tile::new::<Quads>(lines, line, windows, block, sums);
        // SAFETY: the processor has AVX-512 with its VNNI or AVX-VNNI, which it is asked for; the tile is one of 32 lanes, of which the
        // shorter vectors compute either half.
        unsafe {
            if extensions() & AVX512_VNNI != 0 {
                for_pixels!(windows.len(), avx512_vnni_quads(&tile, 0));
            } else {
                for_pixels!(windows.len(), avx_vnni_quads(&tile, 0));
                for_pixels!(windows.len(), avx_vnni_quads(&tile, 16));
            }
        }
    }

    fn finish(&self, sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>) {
        finish_with_avx2::<Quads>(sums, output, channels, finish);
    }
}

multiply!(
    avx2_pairs,
    "avx2",
    16,
    __m256i,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_set1_epi32,
    |sum, taps, filters| _mm256_add_epi32(sum, _mm256_madd_epi16(taps, filters))
);
multiply!(
    avx_vnni_quads,
    "avx2,avxvnni",
    32,
    __m256i,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_set1_epi32,
    _mm256_dpbusd_avx_epi32
);
multiply!(
    avx512_vnni_quads,
    "avx512f,avx512vnni",
    32,
    __m512i,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_set1_epi32,
    _mm512_dpbusd_epi32
);

/// [`VectorLoops::finish`], eight channels at a time where the processor has AVX2.
fn finish_with_avx2<W: Words>(sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>) {
    let outputs = finish.multipliers.len();
    let columns = output.len() / outputs;
    let vectors = if has_avx2() { channels.len() / 8 } else { 0 };
    let (top, bottom) = sums.split_at(if finish.pool { sums.len() / 2 } else { 0 });
    let width = if finish.pool { 2 * columns } else { columns };
    assert!(channels.end <= outputs && 8 * vectors <= W::LANES && bottom.len() >= width * W::LANES);
    assert!(!finish.pool || top.len() >= width * W::LANES);
    for vector in 0..vectors {
        let channel = channels.start + 8 * vector;
        let row = Row {
            sums: [top, bottom].map(|sums| sums.as_ptr().wrapping_add(8 * vector)),
            pixel: W::LANES,
            output: output.as_mut_ptr().wrapping_add(channel),
            outputs,
            columns,
        };
        let multipliers = &finish.multipliers[channel..][..8];
        let offsets = &finish.offsets[channel..][..8];
        // SAFETY: the processor has AVX2. By the assertions the last row of sums has `width * LANES`, and so has the first one with a
        // pool, so that eight from lane `8 * vector` on are there for each column, of which there are twice as many with a pool. The
        // output has `columns * outputs`, so that eight from `channel` on are there for each column, of which the last is below `outputs`.
        unsafe {
            match finish.pool {
                true => finish_vector::<true>(&row, multipliers, offsets, finish.relu),
                false => finish_vector::<false>(&row, multipliers, offsets, finish.relu),
            }
        }
    }
    finish_from::<W>(8 * vectors, sums, output, channels, finish);
}

/// Four dot products.
///
/// # Safety
///
/// All rows are as long as the input.
#[target_feature(enable = "avx2")]
unsafe fn dot_products(rows: [&[i8]; 4], input: &[i8]) -> [i32; 4] {
    const LEN: usize = 16;
    let vectors = input.len() / LEN;
    let mut sums = [_mm256_setzero_si256(); 4];
    for vector in 0..vectors {
        // SAFETY: the vector lies in the input, and so in each row.
        let load =
            |values: &[i8]| unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(values.as_ptr().add(LEN * vector).cast())) };
        let input = load(input);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(load(row), input));
        }
    }
    let [a, b, c, d] = sums;
    // Sums of four neighbours, of each row in turn, in either half.
    let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    let rest = rows.map(|row| dot(&row[LEN * vectors..], &input[LEN * vectors..]));
    let mut all = [0; 4];
    // SAFETY: it reads and writes four int32 of an array of four.
    unsafe {
        let rest = _mm_loadu_si128(rest.as_ptr().cast());
        _mm_storeu_si128(all.as_mut_ptr().cast(), _mm_add_epi32(sums, rest));
    }
    all
}

/// Where eight channels of a row of outputs come from, and where they go.
struct Row {
    /// The sums of the first pixel of the first row of a pool, and of the last row.
    sums: [*const i32; 2],
    /// Sums between pixels.
    pixel: usize,
    output: *mut i8,
    /// Bytes between pixels of the output.
    outputs: usize,
    columns: usize,
}

/// ReLU and requantization.
///
/// # Safety
///
/// Eight sums and eight bytes of output are there for each column, with a pool the sums of two columns in two rows.
#[target_feature(enable = "avx2")]
unsafe fn finish_vector<const POOL: bool>(row: &Row, multipliers: &[i32], offsets: &[i64], relu: bool) {
    let multipliers: &[i32; 8] = multipliers.try_into().expect("eight multipliers");
    let offsets: &[i64; 8] = offsets.try_into().expect("eight offsets");
    // SAFETY: it reads eight values of each array, and for each column what the caller promises.
    unsafe {
        let multiplier = _mm256_loadu_si256(multipliers.as_ptr().cast());
        let odd_multiplier = _mm256_srli_epi64(multiplier, 32);
        let [first, second] = [0, 4].map(|place| _mm256_loadu_si256(offsets.as_ptr().add(place).cast()));
        // Channels 0, 2, 4, 6 and 1, 3, 5, 7.
        let even_offset = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(first, second), 0b11_01_10_00);
        let odd_offset = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(first, second), 0b11_01_10_00);
        // Where a multiplier is negative, the pool takes the smallest sum: the complement of the largest complement.
        let turned = _mm256_cmpgt_epi32(_mm256_setzero_si256(), multiplier);
        let floor = _mm256_set1_epi32(if relu { 0 } else { i32::MIN });
        for column in 0..row.columns {
            let load = |row_of_sums: usize, column: usize| {
                _mm256_loadu_si256(row.sums[row_of_sums].add(column * row.pixel).cast())
            };
            let mut sum = if POOL {
                let [left, right] = [2 * column, 2 * column + 1];
                let window = [load(0, left), load(0, right), load(1, left), load(1, right)];
                let [a, b, c, d] = window.map(|sum| _mm256_xor_si256(sum, turned));
                _mm256_xor_si256(_mm256_max_epi32(_mm256_max_epi32(a, b), _mm256_max_epi32(c, d)), turned)
            } else {
                load(1, column)
            };
            sum = _mm256_max_epi32(sum, floor);
            let even = _mm256_add_epi64(_mm256_mul_epi32(sum, multiplier), even_offset);
            let odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(sum, 32), odd_multiplier), odd_offset);
            // The upper halves, as int32, and with saturation as bytes: four channels in each half of the vector.
            let wide = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b1010_1010);
            let narrow = _mm256_packs_epi32(wide, wide);
            let bytes = _mm256_packs_epi16(narrow, narrow);
            let bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
            _mm_storel_epi64(row.output.add(column * row.outputs).cast(), bytes);
        }
    }
}

/// Transposes pairs of weights of eight filters, `filter` weights behind one another, and widens them to int16.
///
/// # Safety
///
/// `16 * vectors` weights of each filter are there, and 16 int16 at each of `8 * vectors` words, 32 behind one another.
#[target_feature(enable = "avx2")]
unsafe fn transpose_pairs(weights: *const i8, filter: usize, filters: *mut i16, vectors: usize) {
    for vector in 0..vectors {
        // SAFETY: by the caller's promise.
        let rows: [__m128i; 8] =
            core::array::from_fn(|lane| unsafe { _mm_loadu_si128(weights.add(lane * filter + 16 * vector).cast()) });
        let [a, b, c, d, e, f, g, h] = rows;
        // Of each two filters the pairs 0 … 3 and 4 … 7; then of each four two pairs; then of all eight one.
        let twos = [
            [_mm_unpacklo_epi16(a, b), _mm_unpacklo_epi16(c, d), _mm_unpacklo_epi16(e, f), _mm_unpacklo_epi16(g, h)],
            [_mm_unpackhi_epi16(a, b), _mm_unpackhi_epi16(c, d), _mm_unpackhi_epi16(e, f), _mm_unpackhi_epi16(g, h)],
        ];
        let fours = twos.map(|[ab, cd, ef, gh]| {
            [
                [_mm_unpacklo_epi32(ab, cd), _mm_unpacklo_epi32(ef, gh)],
                [_mm_unpackhi_epi32(ab, cd), _mm_unpackhi_epi32(ef, gh)],
            ]
        });
        let words = fours
            .as_flattened()
            .iter()
            .flat_map(|&[abcd, efgh]| [_mm_unpacklo_epi64(abcd, efgh), _mm_unpackhi_epi64(abcd, efgh)]);
        for (word, pairs) in words.enumerate() {
            // SAFETY: by the caller's promise.
            unsafe {
                let place = filters.add(32 * (8 * vector + word));
                _mm256_storeu_si256(place.cast(), _mm256_cvtepi8_epi16(pairs));
            }
        }
    }
}

/// Transposes fours of weights of eight filters, `filter` weights behind one another.
///
/// # Safety
///
/// `16 * vectors` weights of each filter are there, and 32 bytes at each of `4 * vectors` words, 128 behind one another.
#[target_feature(enable = "sse2")]
unsafe fn transpose_quads(weights: *const i8, filter: usize, filters: *mut i8, vectors: usize) {
    for (vector, half) in (0..vectors).flat_map(|vector| [(vector, 0), (vector, 4)]) {
        // SAFETY: by the caller's promise.
        let [a, b, c, d]: [__m128i; 4] = core::array::from_fn(|lane| unsafe {
            _mm_loadu_si128(weights.add((half + lane) * filter + 16 * vector).cast())
        });
        let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
        let (more_ab, more_cd) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
        let words = [
            _mm_unpacklo_epi64(ab, cd),
            _mm_unpackhi_epi64(ab, cd),
            _mm_unpacklo_epi64(more_ab, more_cd),
            _mm_unpackhi_epi64(more_ab, more_cd),
        ];
        for (word, quads) in words.into_iter().enumerate() {
            // SAFETY: by the caller's promise.
            unsafe { _mm_storeu_si128(filters.add(128 * (4 * vector + word) + 4 * half).cast(), quads) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every bit that is looked at, what a processor has without it.
    #[test]
    fn an_extension_needs_all_its_bits() {
        let set = |bits: &[u32]| bits.iter().map(|bit| 1 << bit).sum();
        let all = Registers {
            basic: set(&[12, 29]),
            kept: set(&[1, 2, 5, 6, 7]),
            last: 1,
            features: set(&[5, 16]),
            more_features: set(&[11]),
            further: set(&[4]),
        };
        assert_eq!(all.extensions(), AVX2 | AVX_VNNI | AVX512_VNNI);
        let without_avx512 = AVX2 | AVX_VNNI;
        for (registers, expected) in [
            (Registers { kept: set(&[2, 5, 6, 7]), ..all }, 0),
            (Registers { kept: set(&[1, 5, 6, 7]), ..all }, 0),
            (Registers { kept: set(&[1, 2, 6, 7]), ..all }, without_avx512),
            (Registers { kept: set(&[1, 2, 5, 7]), ..all }, without_avx512),
            (Registers { kept: set(&[1, 2, 5, 6]), ..all }, without_avx512),
            (Registers { basic: set(&[12]), ..all }, without_avx512),
            (Registers { basic: set(&[29]), ..all }, without_avx512),
            (Registers { features: set(&[16]), ..all }, 0),
            (Registers { features: set(&[5]), ..all }, without_avx512),
            (Registers { more_features: 0, ..all }, without_avx512),
            (Registers { last: 0, ..all }, AVX2 | AVX512_VNNI),
            (Registers { further: 0, ..all }, AVX2 | AVX512_VNNI),
        ] {
            assert_eq!(registers.extensions(), expected, "{registers:x?}");
        }
    }

    /// What the standard library finds out.
    #[cfg(not(miri))]
    #[test]
    fn this_processor_has_them() {
        assert_eq!(has_avx2(), std::is_x86_feature_detected!("avx2"));
        let vnni = std::is_x86_feature_detected!("avxvnni")
            || std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni");
        assert_eq!(has_vnni(), has_avx2() && vnni);
    }
}
