//! The target's inner loops against their portable twins, on the target itself.
//!
//! Both work on copies of the same memory, which is full of random words before, between and behind what they may write;
//! afterwards the copies must be equal to the last byte. So a loop that writes a wrong value is noticed, and one that writes
//! outside of its buffers as well.

use super::{
    Native,
    inner_loops::{
        BLOCK, BLOCK_WORDS, CHUNK_PAIRS, Channels, InnerLoops, OutputChannel, POSITIONS, Patch, Portable, STREAM,
        TileRun, tap_pairs,
    },
};
use crate::step::Epilogue;

/// Words before and behind a buffer.
const GUARD: usize = 16;

/// Words of a buffer with its guards.
const BUFFER: usize = 2560;

/// Words of an input.
const INPUT: usize = 3584;

/// The memory of the comparison, more than some stacks have.
pub struct InnerLoopCheck {
    numbers: u32,
    comparisons: usize,
    input: [u32; INPUT],
    buffers: [[u32; BUFFER]; 2],
}

impl Default for InnerLoopCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl InnerLoopCheck {
    /// Nothing compared yet.
    pub const fn new() -> Self {
        Self { numbers: 1, comparisons: 0, input: [0; INPUT], buffers: [[0; BUFFER]; 2] }
    }

    /// Compares every inner loop of the target with its portable twin, on small and on the largest shapes, with random and extreme
    /// values, and gives the number of comparisons so far.
    ///
    /// # Panics
    ///
    /// At the first difference.
    pub fn run(&mut self) -> usize {
        for style in 0..4 {
            self.fill_input(style);
            self.products();
            self.input_and_filter();
            self.outputs();
            self.strips();
            self.patches();
            self.rest();
        }
        self.comparisons
    }

    /// Xorshift.
    fn next(&mut self) -> u32 {
        self.numbers ^= self.numbers << 13;
        self.numbers ^= self.numbers >> 17;
        self.numbers ^= self.numbers << 5;
        self.numbers
    }

    /// Random bytes, or only the most negative, the most positive, or both by chance.
    fn fill_input(&mut self, style: u32) {
        for index in 0..INPUT {
            let random = self.next();
            let chosen = (random & 0x0101_0101) * 0xFF;
            self.input[index] = match style {
                0 => random,
                1 => 0x8080_8080,
                2 => 0x7F7F_7F7F,
                _ => (chosen & 0x7F7F_7F7F) | (!chosen & 0x8080_8080),
            };
        }
    }

    /// Where `N` pixels of `len` bytes start in the first 4096 bytes of the input: at any word, the last one at the end.
    fn pixels<const N: usize>(&mut self, len: usize) -> [u32; N] {
        let last = 4096 - len as u32;
        let mut offsets = [last; N];
        offsets[..N - 1].fill_with(|| self.next() % last / 4 * 4);
        offsets
    }

    /// Runs a loop on the input and on `len` words of copies of the same random memory. `shape` are its sizes, in the order in which
    /// its arguments name them.
    fn compare(
        &mut self,
        name: &str,
        shape: [usize; 3],
        len: usize,
        run: impl Fn(&dyn InnerLoops, &[u32], &mut [u32]),
    ) {
        for word in 0..len + 2 * GUARD {
            let random = self.next();
            self.buffers.iter_mut().for_each(|buffer| buffer[word] = random);
        }
        let [native, twin] = &mut self.buffers;
        run(&Native, &self.input, &mut native[GUARD..GUARD + len]);
        run(&Portable, &self.input, &mut twin[GUARD..GUARD + len]);
        let pairs = native.iter().zip(twin).take(len + 2 * GUARD);
        for (word, (native, twin)) in pairs.enumerate() {
            assert!(native == twin, "{name}: shape {shape:?} differs from the portable loop at word {word}");
        }
        self.comparisons += 1;
    }

    fn products(&mut self) {
        for pairs in 1..=CHUNK_PAIRS {
            for (positions, u_step) in [(1, 32), (2, 32), (POSITIONS, 32), (8, 0)] {
                let shape = [pairs, positions, u_step];
                self.compare("products", shape, 8 * positions, |loops, input, m| {
                    let (v, u) = input.split_at(4 * positions * pairs);
                    loops.products(u, v, fours(m).as_chunks_mut().0, pairs, u_step);
                });
            }
        }
        for pairs in (2..=CHUNK_PAIRS).step_by(2) {
            let (shape, len) = ([pairs, 0, 0], 4 * POSITIONS);
            self.compare("offset_corrections", shape, len, |loops, input, m| {
                let quads = fours(m).as_chunks_mut().0;
                loops.offset_corrections(input, &mut quads[0], pairs);
            });
        }
        self.compare("stream_corrections", [0; 3], 4 * POSITIONS, |loops, input, m| {
            let quads = fours(m).as_chunks_mut().0;
            loops.stream_corrections(&input[..STREAM], &mut quads[0]);
        });
    }

    fn input_and_filter(&mut self) {
        for quads in 1..=CHUNK_PAIRS / 2 {
            for slot in 0..2 {
                for stride in [quads, quads + 1, 33] {
                    let (shape, len) = ([stride, slot, quads], POSITIONS * CHUNK_PAIRS * 2);
                    self.compare("transform_filter", shape, len, |loops, input, u| {
                        let weights = &input[1..1 + 8 * stride + quads];
                        loops.transform_filter(weights, stride, u, slot, quads);
                    });
                }
            }
            for slot in 0..4 {
                let patch = patch(self.pixels(4 * quads));
                let (shape, len) = ([slot, quads, 0], POSITIONS * quads * 8);
                self.compare("transform_input", shape, len, |loops, input, v| {
                    loops.transform_input(&input[..1024], &patch, v, slot, quads);
                });
            }
        }
        for filters in 1..=5_usize {
            for (stride, first) in [(1, 0), (2, 1), (32, 31)] {
                let (shape, len) = ([filters, stride, first], STREAM + filters.div_ceil(2) * 8 * POSITIONS);
                self.compare("stream_filters", shape, len, |loops, input, words| {
                    let (stream, m) = words.split_at_mut(STREAM);
                    let weights = &input[1..][first..9 * stride * filters];
                    loops.stream_filters(weights, stride, stream, bytemuck::cast_slice_mut(m));
                });
            }
        }
        for slot in 0..4 {
            let patch = patch(self.pixels(4));
            self.compare("stream_input", [slot, 0, 0], STREAM, |loops, input, stream| {
                loops.stream_input(&input[..1024], &patch, stream, slot);
            });
        }
    }

    /// Outputs of true products: the transforms are exact for those only.
    fn outputs(&mut self) {
        for case in 0..32 {
            let m = self.true_products();
            let epilogue = Epilogue {
                bias: self.next() as i32 >> 12,
                multiplier: self.next() as i32 >> (case % 8),
                offset: i64::from(self.next() as i32) << (case % 4 * 8),
                relu: case % 2 == 0,
            };
            let pixel_step = [1, 2, 7, 64][case % 4];
            let row_step = [4 * pixel_step, 33 * pixel_step][case / 4 % 2];
            for (pool, last) in [(false, 3_usize), (true, 1)] {
                let others = Epilogue { bias: -epilogue.bias, multiplier: -epilogue.multiplier, ..epilogue };
                let channels = [epilogue, others].map(|epilogue| OutputChannel::new(&epilogue, pool));
                let channels = &channels[..1 + case % 3 % 2];
                let tiles = 1 + case % 4;
                let run = TileRun { tiles, pool, row_step, pixel_step };
                let len = last * (row_step + pixel_step) + (tiles - 1) * run.tile_step() + channels.len();
                let shape = [row_step, pixel_step, tiles];
                let words = (len + 1).div_ceil(4);
                self.compare("transform_output", shape, words, |loops, _, output| {
                    let output = &mut bytemuck::cast_slice_mut(output)[1..1 + len];
                    loops.transform_outputs(&m, &run, channels, output);
                });
            }
        }
    }

    /// Products of four patches and two filters of four channels, `[position][2][4]`.
    fn true_products(&mut self) -> [i32; 8 * POSITIONS] {
        let start = self.next() as usize % 256;
        let map = &self.input[start..][..4 * POSITIONS];
        // No weight is -128.
        let weights = &bytes(&self.input[start + 1024..])[..72];
        let mut filters = [[0; 9]; 2];
        for (byte, &weight) in bytemuck::bytes_of_mut(&mut filters).iter_mut().zip(weights) {
            *byte = weight.max(-127) as u8;
        }
        let mut v = [0; 8 * POSITIONS];
        let mut u = [0; 2 * CHUNK_PAIRS * POSITIONS];
        let mut m = [0; 8 * POSITIONS];
        for tile in 0..4 {
            let patch = patch(core::array::from_fn(|index| 4 * (POSITIONS * tile + index) as u32));
            Portable.transform_input(map, &patch, &mut v, tile, 1);
        }
        for (slot, filter) in filters.iter().enumerate() {
            Portable.transform_filter(filter, 1, &mut u, slot, 1);
        }
        let mut corrections = [[0; 4]; POSITIONS];
        Portable.offset_corrections(&v, &mut corrections, 2);
        Portable.spread(&corrections, m.as_chunks_mut().0.as_chunks_mut().0);
        Portable.products(&u, &v, m.as_chunks_mut().0.as_chunks_mut().0, 2, 2 * CHUNK_PAIRS);
        m
    }

    fn strips(&mut self) {
        for quads in [1, 2, 3, 8, 32] {
            let offsets = self.pixels(4 * quads);
            let shape = [quads, 0, 0];
            self.compare("widen_pixels", shape, 12 * quads, |loops, input, window| {
                loops.widen_pixels(&input[..1024], &offsets, window, quads);
            });
            for stride in [quads, quads + 3] {
                let shape = [stride, quads, 0];
                self.compare("widen_filter_row", shape, 6 * quads, |loops, input, filter| {
                    let weights = &input[3..3 + 2 * stride + quads];
                    loops.widen_filter_row(weights, stride, filter, quads);
                });
            }
            for windows in [1, 2, 5] {
                let shape = [quads, windows, 0];
                self.compare("row_products", shape, 4 * windows, |loops, input, m| {
                    let (filter, windows) = input.split_at(6 * quads);
                    loops.row_products(filter, windows, fours(m), 2 * quads);
                });
            }
        }
    }

    fn patches(&mut self) {
        // One to ten channels, in lines as short as may be and longer ones.
        for channels in 1..=10_usize {
            for line in [4 * channels, 4 * channels + 7] {
                let row = 3 * channels;
                let (shape, len) = ([channels, line, 0], 2 * tap_pairs(row));
                self.compare("widen_taps", shape, len, |loops, input, pairs| {
                    let taps = &bytes(input)[channels..][..2 * line + channels + row];
                    loops.widen_taps(taps, [line, row, channels], pairs);
                });
            }
        }
        for len in (0..70).chain([4 * INPUT / 2]) {
            let words = len / 4 + 2;
            self.compare("copy", [len, 0, 0], words, |loops, input, to| {
                loops.copy(&mut bytemuck::cast_slice_mut(to)[1..][..len], &bytes(input)[3..][..len]);
            });
        }
        // Rows of whole blocks, and rows that end anywhere in one.
        for row in [1_usize, 2, 3, 6, 9, 10, 11, 15, 16, 17, 24, 31, 33, 48, 51, 96, 144] {
            let blocks = (3 * row).div_ceil(BLOCK);
            for line in [row, row + 5] {
                let last = 4096 - 2 * line - row;
                let [a, b, c] = [(); 3].map(|()| self.next() as usize % last);
                let (starts, shape) = ([a, b, c, last], [line, row, 0]);
                self.compare("gather_patches", shape, BLOCK_WORDS * blocks, |loops, input, patches| {
                    loops.gather_patches(&bytes(input)[..4096], line, &starts, row, patches);
                });
            }
            for channels in [2, 4, 10] {
                let shape = [row, channels, 0];
                self.compare("patch_products", shape, 4 * channels, |loops, input, m| {
                    let (patches, weights) = input.split_at(BLOCK_WORDS * blocks);
                    let weights = &bytes(weights)[1..][..3 * row * channels];
                    loops.patch_products(patches, weights, fours(m));
                });
            }
        }
        for (case, (count, relu)) in
            [(4, true), (8, false), (32, true), (132, false)].into_iter().cycle().take(32).enumerate()
        {
            // Outputs from saturated to nothing but zeros.
            let shift = case as u32 % 8 * 3;
            let shape = [count, shift as usize, 0];
            let words: [i32; 7 * 132] = core::array::from_fn(|_| self.next() as i32 >> 1);
            let (biases, words) = words.split_at(count);
            let (multipliers, words) = words.split_at(count);
            let (accumulators, words) = words.split_at(4 * count);
            let multipliers: [i32; 132] = core::array::from_fn(|channel| multipliers[channel % count] >> shift);
            let offsets: [i64; 132] = core::array::from_fn(|channel| i64::from(words[channel % count]) << (28 - shift));
            let channels = Channels::new(biases, &multipliers, &offsets, relu);
            let accumulators = accumulators.as_chunks().0;
            self.compare("requantize_fours", shape, count, |loops, _, output| {
                loops.requantize_fours(accumulators, bytemuck::cast_slice_mut(output), &channels);
            });
            self.compare("requantize_pooled", shape, count / 4, |loops, _, output| {
                loops.requantize_pooled(accumulators, bytemuck::cast_slice_mut(output), &channels);
            });
        }
    }

    fn rest(&mut self) {
        for quads in [1, 3, 4, 5, 10, 36] {
            self.compare("spread", [quads, 0, 0], 8 * quads, |loops, input, tiles| {
                let words: &[i32] = bytemuck::cast_slice(&input[..4 * quads]);
                loops.spread(words.as_chunks().0, fours(tiles).as_chunks_mut().0);
            });
        }
        for (channels, relu) in [(4, true), (8, false), (32, true), (132, false)] {
            let (shape, len) = ([channels, 0, 0], channels / 2);
            self.compare("requantize_pairs", shape, len, |loops, input, output| {
                let words: &[i32] = bytemuck::cast_slice(input);
                let (accumulators, words) = words.split_at(2 * channels);
                let offsets: [i64; 132] = core::array::from_fn(|i| i64::from(words[i]) << 24);
                let output = bytemuck::cast_slice_mut(output);
                let (multipliers, offsets) = (&words[200..][..channels], &offsets[..channels]);
                loops.requantize_pairs(accumulators, output, multipliers, offsets, relu);
            });
        }
        for len in [4, 8, 12, 128, 2048] {
            self.compare("dot_products", [len, 0, 0], 4, |loops, input, sums| {
                let (values, weights) = bytes(input)[1..].split_at(len);
                let products = loops.dot_products(weights, values);
                sums.copy_from_slice(bytemuck::cast_slice(&products));
            });
        }
        for len in [4, 12, 16, 20, 44, 128, 2048] {
            self.compare("vector_dot_products", [len, 0, 0], 4, |loops, input, sums| {
                let (values, weights) = bytes(input)[1..].split_at(len);
                let products = loops.vector_dot_products(weights, values);
                sums.copy_from_slice(bytemuck::cast_slice(&products));
            });
        }
    }
}

/// With pixels at these offsets, column after column.
fn patch(offsets: [u32; POSITIONS]) -> Patch {
    let mut patch = Patch::new();
    for (place, offset) in offsets.into_iter().enumerate() {
        patch.set(place % 6, place / 6..place / 6 + 1, offset as usize, 0);
    }
    patch
}

fn bytes(words: &[u32]) -> &[i8] {
    bytemuck::cast_slice(words)
}

fn fours(words: &mut [u32]) -> &mut [[i32; 4]] {
    let words: &mut [i32] = bytemuck::cast_slice_mut(words);
    words.as_chunks_mut().0
}
