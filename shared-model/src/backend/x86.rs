//! The inner loops of [`VectorLoops`](super::vector_loops::VectorLoops) with the vectors of x86-64.
//!
//! A type stands for an extension of the instruction set: a value of it says that the processor has the extension and that the system
//! keeps its registers. That is found out once, when the program runs.
//!
//! All pointers are made here from slices, behind the checks of all lengths from which it follows that what they read and write lies
//! inside. No load and no store needs an alignment.
#![allow(unsafe_code)]

use super::vector_loops::{Block, Finish, TILE, finish_from};
use core::{
    arch::x86_64::*,
    ops::Range,
    sync::atomic::{AtomicU8, Ordering},
};

/// Calls a function with as many pixels as there are.
macro_rules! for_pixels {
    ($pixels:expr, $name:ident($($argument:expr),*)) => {
        match $pixels {
            1 => $name::<1>($($argument),*),
            2 => $name::<2>($($argument),*),
            3 => $name::<3>($($argument),*),
            4 => $name::<4>($($argument),*),
            5 => $name::<5>($($argument),*),
            _ => $name::<TILE>($($argument),*),
        }
    };
}

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

/// Asks the processor: Intel's Software Developer's Manual, volume 1, section 14.3 and chapter 15, and volume 2, CPUID.
#[cold]
fn find_out() -> u8 {
    let bits = |register: u32, bits: &[u32]| bits.iter().all(|bit| register >> bit & 1 == 1);
    let last = __cpuid(0).eax;
    // OSXSAVE and AVX.
    if last < 7 || !bits(__cpuid(1).ecx, &[27, 28]) {
        return 0;
    }
    // SAFETY: OSXSAVE says that the instruction exists and that the system allows it.
    let kept = unsafe { xcr0() } as u32;
    let (features, further) = (__cpuid_count(7, 0), __cpuid_count(7, 1));
    // The registers of SSE and AVX.
    if !bits(kept, &[1, 2]) || !bits(features.ebx, &[5]) {
        return 0;
    }
    let mut found = AVX2;
    // A processor without the second leaf of leaf 7 gives zeros there.
    if features.eax >= 1 && bits(further.eax, &[4]) {
        found |= AVX_VNNI;
    }
    // The masks and both parts of the registers of AVX-512; its foundation, and VNNI.
    if bits(kept, &[5, 6, 7]) && bits(features.ebx, &[16]) && bits(features.ecx, &[11]) {
        found |= AVX512_VNNI;
    }
    found
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: the register 0 exists.
    unsafe { _xgetbv(0) }
}

/// AVX2.
pub(super) struct Avx2(());

/// AVX2, and the products of bytes in its vectors.
pub(super) struct AvxVnni(());

/// AVX2 and AVX-512, and the products of bytes in vectors of 512 bits.
pub(super) struct Avx512Vnni(());

impl Avx2 {
    /// If the processor has it.
    pub fn detect() -> Option<Self> {
        (extensions() & AVX2 != 0).then_some(Self(()))
    }

    /// As [`VectorLoops::multiply`](super::vector_loops::VectorLoops::multiply) of `Pairs`.
    pub fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        let tile = Tile::new::<16>(lines, line, windows, block, sums);
        // SAFETY: the processor has AVX2; the tile is one for 16 lanes.
        unsafe { for_pixels!(windows.len(), avx2_pairs(&tile, 0)) }
    }

    /// As [`VectorLoops::finish`](super::vector_loops::VectorLoops::finish), of blocks of `lanes` channels.
    pub fn finish(&self, sums: &[i32], output: &mut [i8], channels: Range<usize>, finish: Finish<'_>, lanes: usize) {
        let outputs = finish.multipliers.len();
        let columns = output.len() / outputs;
        let vectors = channels.len() / 8;
        let (top, bottom) = sums.split_at(if finish.pool { sums.len() / 2 } else { sums.len() });
        let width = if finish.pool { 2 * columns } else { columns };
        assert!(channels.end <= outputs && 8 * vectors <= lanes && top.len() >= width * lanes);
        assert!(!finish.pool || bottom.len() >= width * lanes);
        for vector in 0..vectors {
            let channel = channels.start + 8 * vector;
            let row = Row {
                sums: [top, bottom].map(|sums| sums[..].as_ptr().wrapping_add(8 * vector)),
                pixel: lanes,
                output: output[channel..].as_mut_ptr(),
                outputs,
                columns,
            };
            let multipliers = &finish.multipliers[channel..][..8];
            let offsets = &finish.offsets[channel..][..8];
            // SAFETY: the processor has AVX2. Of each row of sums there are `width * lanes`, so that eight from lane `8 * vector` on are
            // there for each column, of which there are twice as many with a pool; of the output `columns * outputs`, so that eight from
            // `channel` on are there for each column, since the last of them is below `outputs`.
            unsafe {
                match finish.pool {
                    true => finish_vector::<true>(&row, multipliers, offsets, finish.relu),
                    false => finish_vector::<false>(&row, multipliers, offsets, finish.relu),
                }
            }
        }
        finish_from(8 * vectors, sums, output, channels, finish, lanes);
    }

    /// Writes words of a kernel row of eight filters, `[word][16][2]`, and says how many. The filters lie `3 * row` weights behind one
    /// another.
    pub fn transpose_pairs(&self, weights: &[i8], row: usize, filters: &mut [i16]) -> usize {
        let vectors = row / 16;
        if vectors > 0 {
            assert!(weights.len() >= 7 * 3 * row + 16 * vectors);
            assert!(filters.len() >= (8 * vectors - 1) * 32 + 16);
            // SAFETY: the processor has AVX2; by the assertions it reads 16 weights of each of eight filters, `vectors` times in
            // succession, and writes 16 int16 at each of `8 * vectors` words, 32 behind one another, inside the slices.
            unsafe { transpose_pairs(weights.as_ptr(), 3 * row, filters.as_mut_ptr(), vectors) }
        }
        8 * vectors
    }

    /// The same with words of four bytes, `[word][32][4]`.
    pub fn transpose_quads(&self, weights: &[i8], row: usize, filters: &mut [i8]) -> usize {
        let vectors = row / 16;
        if vectors > 0 {
            assert!(weights.len() >= 7 * 3 * row + 16 * vectors);
            assert!(filters.len() >= (4 * vectors - 1) * 128 + 32);
            // SAFETY: as above, with 32 bytes at each of `4 * vectors` words, 128 behind one another.
            unsafe { transpose_quads(weights.as_ptr(), 3 * row, filters.as_mut_ptr(), vectors) }
        }
        4 * vectors
    }
}

impl AvxVnni {
    /// If the processor has it.
    pub fn detect() -> Option<Self> {
        (extensions() & AVX_VNNI != 0).then_some(Self(()))
    }

    /// As [`VectorLoops::multiply`](super::vector_loops::VectorLoops::multiply) of `Quads`.
    pub fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        let tile = Tile::new::<32>(lines, line, windows, block, sums);
        // SAFETY: the processor has AVX2 and AVX-VNNI; the tile is one for 32 lanes, of which either half is computed.
        unsafe {
            for_pixels!(windows.len(), avx_vnni_quads(&tile, 0));
            for_pixels!(windows.len(), avx_vnni_quads(&tile, 16));
        }
    }
}

impl Avx512Vnni {
    /// If the processor has it.
    pub fn detect() -> Option<Self> {
        (extensions() & AVX512_VNNI != 0).then_some(Self(()))
    }

    /// As [`VectorLoops::multiply`](super::vector_loops::VectorLoops::multiply) of `Quads`.
    pub fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        let tile = Tile::new::<32>(lines, line, windows, block, sums);
        // SAFETY: the processor has AVX-512 and its VNNI; the tile is one for 32 lanes.
        unsafe { for_pixels!(windows.len(), avx512_vnni_quads(&tile, 0)) }
    }
}

/// Pixels to be multiplied with a block. All that its pointers span lies inside of the slices that it was made from: at each of its
/// windows three rows of `words` words, `line` bytes behind one another; `3 * words` times as many words of filters as the block has
/// lanes; for each lane a start, and a sum for each window.
struct Tile {
    windows: [*const u8; TILE],
    line: usize,
    words: usize,
    filters: *const u32,
    starts: *const i32,
    sums: *mut i32,
}

impl Tile {
    /// Of a block of `LANES` lanes.
    fn new<const LANES: usize>(
        lines: &[u8],
        line: usize,
        windows: &[usize],
        block: Block<'_>,
        sums: &mut [i32],
    ) -> Self {
        let words = block.filters.len() / (3 * LANES);
        assert!((1..=TILE).contains(&windows.len()));
        assert!(block.starts.len() >= LANES && sums.len() >= windows.len() * LANES);
        let span = 2 * line + size_of::<u32>() * words;
        let mut starts = [lines.as_ptr(); TILE];
        for (start, &window) in starts.iter_mut().zip(windows) {
            *start = lines[window..][..span].as_ptr();
        }
        Self {
            windows: starts,
            line,
            words,
            filters: block.filters.as_ptr(),
            starts: block.starts.as_ptr(),
            sums: sums.as_mut_ptr(),
        }
    }
}

/// The sums of `PIXELS` pixels for two vectors of output channels, those from lane `first` on of blocks of `$lanes` lanes. They stay in
/// registers, of which AVX2 has 16: twelve sums, two filters, the pixel's word, and a product.
///
/// # Safety
///
/// The processor has the features. The tile is of at least `PIXELS` windows and for `$lanes` lanes; two vectors from lane `first` on are
/// among these.
macro_rules! multiply {
    ($name:ident, $features:literal, $lanes:literal, $vector:ty, $load:ident, $store:ident, $splat:ident, $add:expr) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const PIXELS: usize>(tile: &Tile, first: usize) {
            const LEN: usize = size_of::<$vector>() / size_of::<u32>();
            // SAFETY: it reads and writes what a tile spans, by its definition: `word` stays within a row, and `filters` goes on by a
            // block's lanes with each word of the three rows.
            unsafe {
                let starts = tile.starts.add(first);
                let mut sums = [[$load(starts.cast()), $load(starts.add(LEN).cast())]; PIXELS];
                let mut filters = tile.filters.add(first);
                for row in 0..3 {
                    let mut windows = [tile.windows[0]; PIXELS];
                    for (window, start) in windows.iter_mut().zip(tile.windows) {
                        *window = start.add(row * tile.line);
                    }
                    for word in 0..tile.words {
                        let (low, high) = ($load(filters.cast()), $load(filters.add(LEN).cast()));
                        for (window, [low_sum, high_sum]) in windows.iter().zip(&mut sums) {
                            let taps = $splat(window.cast::<i32>().add(word).read_unaligned());
                            *low_sum = $add(*low_sum, taps, low);
                            *high_sum = $add(*high_sum, taps, high);
                        }
                        filters = filters.add($lanes);
                    }
                }
                for (pixel, [low, high]) in sums.into_iter().enumerate() {
                    let sums = tile.sums.add($lanes * pixel + first);
                    $store(sums.cast(), low);
                    $store(sums.add(LEN).cast(), high);
                }
            }
        }
    };
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

/// Where eight channels of a row of outputs come from, and where they go.
struct Row {
    /// The sums of the first pixel; with a pool those of the first pixel of the second row as well.
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
                load(0, column)
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
#[target_feature(enable = "avx2")]
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
