//! The target's inner loops against their portable twins, on the target itself.
//!
//! Both versions work on copies of the same memory, which is full of random words before, between and behind what they may write;
//! afterwards the copies must be equal to the last byte. So a kernel that writes a wrong value is noticed, and one that writes
//! outside of its buffers as well.

use super::{CHUNK_PAIRS, InnerLoops, Native, POSITIONS, twin::Twin};
use crate::step::Epilogue;

/// Words before and behind a buffer.
const GUARD: usize = 16;

/// Words of a buffer with its guards.
const BUFFER: usize = 2560;

/// Words of an input.
const INPUT: usize = 3584;

/// A kernel at work: on an input, and in a buffer between guards.
type Version<'v> = &'v mut dyn FnMut(&[u32], &mut [u32]);

/// A kernel of the target that differs from its portable twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kernel}: shape {shape:?} differs from the portable kernel at word {word}")]
pub struct InnerLoopMismatch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Its sizes, in the order in which the kernel's arguments name them.
    pub shape: [usize; 3],
    /// Word of the buffer, counted from the first word of the guard before it.
    pub word: usize,
}

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
        Self {
            numbers: 1,
            comparisons: 0,
            input: [0; INPUT],
            buffers: [[0; BUFFER]; 2],
        }
    }

    /// Compares every kernel of the target with its portable twin, on small and on the largest shapes, with random and extreme
    /// values, and gives the number of comparisons so far.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run(&mut self) -> Result<usize, InnerLoopMismatch> {
        for style in 0..4 {
            self.fill_input(style);
            self.products()?;
            self.input_and_filter()?;
            self.outputs()?;
            self.strips()?;
            self.rest()?;
        }
        Ok(self.comparisons)
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

    /// Runs both versions on `len` words of copies of the same random memory.
    fn compare(
        &mut self,
        kernel: &'static str,
        shape: [usize; 3],
        len: usize,
        versions: [Version<'_>; 2],
    ) -> Result<(), InnerLoopMismatch> {
        for word in 0..len + 2 * GUARD {
            let random = self.next();
            self.buffers
                .iter_mut()
                .for_each(|buffer| buffer[word] = random);
        }
        for (version, buffer) in versions.into_iter().zip(&mut self.buffers) {
            version(&self.input, &mut buffer[GUARD..GUARD + len]);
        }
        let [native, portable] = &self.buffers;
        let pairs = native.iter().zip(portable).take(len + 2 * GUARD);
        self.comparisons += 1;
        match pairs
            .enumerate()
            .find(|(_, (native, portable))| native != portable)
        {
            Some((word, _)) => Err(InnerLoopMismatch {
                kernel,
                shape,
                word,
            }),
            None => Ok(()),
        }
    }

    fn products(&mut self) -> Result<(), InnerLoopMismatch> {
        for pairs in 1..=CHUNK_PAIRS {
            for (positions, u_step) in [(1, 64), (2, 64), (POSITIONS, 64), (8, 0)] {
                let split = positions * pairs * 4;
                let run = |kernel: fn(&[i16], &[i16], &mut [i32], usize, usize)| {
                    move |input: &[u32], m: &mut [u32]| {
                        let (v, u) = lanes(input).split_at(2 * split);
                        kernel(u, v, bytemuck::cast_slice_mut(m), pairs, u_step);
                    }
                };
                let versions: [Version<'_>; 2] =
                    [&mut run(Native::products), &mut run(Twin::products)];
                self.compare(
                    "products",
                    [pairs, positions, u_step],
                    8 * positions,
                    versions,
                )?;
            }
        }
        for pairs in (2..=CHUNK_PAIRS).step_by(2) {
            let run = |kernel: fn(&[i16], &mut [[i32; 4]; POSITIONS], usize)| {
                move |input: &[u32], m: &mut [u32]| {
                    let m: &mut [i32] = bytemuck::cast_slice_mut(m);
                    let [quads] = m.as_chunks_mut::<4>().0.as_chunks_mut().0 else {
                        return;
                    };
                    kernel(lanes(input), quads, pairs);
                }
            };
            let versions: [Version<'_>; 2] = [
                &mut run(Native::offset_corrections),
                &mut run(Twin::offset_corrections),
            ];
            self.compare("offset_corrections", [pairs, 0, 0], 4 * POSITIONS, versions)?;
        }
        Ok(())
    }

    fn input_and_filter(&mut self) -> Result<(), InnerLoopMismatch> {
        for quads in 1..=CHUNK_PAIRS / 2 {
            for slot in 0..2 {
                for stride in [4 * quads, 4 * quads + 1, 130] {
                    let run = |kernel: fn(&[i8], usize, &mut [i16], usize, usize)| {
                        move |input: &[u32], u: &mut [u32]| {
                            let weights = &bytes(input)[1..1 + 8 * stride + 4 * quads];
                            kernel(weights, stride, bytemuck::cast_slice_mut(u), slot, quads);
                        }
                    };
                    let versions: [Version<'_>; 2] = [
                        &mut run(Native::transform_filter),
                        &mut run(Twin::transform_filter),
                    ];
                    let len = POSITIONS * CHUNK_PAIRS * 2;
                    self.compare("transform_filter", [stride, slot, quads], len, versions)?;
                }
            }
            for slot in 0..4 {
                // Wherever the pixels are: any order, aligned or not, the last one at the end.
                let offsets: [u32; POSITIONS] = core::array::from_fn(|index| match index {
                    35 => 4096 - 4 * quads as u32,
                    _ => self.next() % (4096 - 4 * quads as u32),
                });
                let run = |kernel: fn(&[i8], &[u32; POSITIONS], &mut [i16], usize, usize)| {
                    move |input: &[u32], v: &mut [u32]| {
                        let map = &bytes(input)[..4096];
                        kernel(map, &offsets, bytemuck::cast_slice_mut(v), slot, quads);
                    }
                };
                let versions: [Version<'_>; 2] = [
                    &mut run(Native::transform_input),
                    &mut run(Twin::transform_input),
                ];
                let len = POSITIONS * quads * 8;
                self.compare("transform_input", [slot, quads, 0], len, versions)?;
            }
        }
        Ok(())
    }

    /// Outputs of true products: the transforms are exact for those only.
    fn outputs(&mut self) -> Result<(), InnerLoopMismatch> {
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
            let shape = [row_step, pixel_step, case];
            type Output = fn(&[i32], &mut [i8], usize, usize, &Epilogue);
            let run = |kernel: Output, side: usize| {
                move |_: &[u32], output: &mut [u32]| {
                    let len = (side - 1) * (row_step + pixel_step) + 1;
                    let output = &mut bytemuck::cast_slice_mut(output)[1..1 + len];
                    kernel(&m, output, row_step, pixel_step, &epilogue);
                }
            };
            let versions: [Version<'_>; 2] = [
                &mut run(Native::transform_output, 4),
                &mut run(Twin::transform_output, 4),
            ];
            let len = (3 * (row_step + pixel_step) + 2).div_ceil(4);
            self.compare("transform_output", shape, len, versions)?;
            let versions: [Version<'_>; 2] = [
                &mut run(Native::transform_pooled_output, 2),
                &mut run(Twin::transform_pooled_output, 2),
            ];
            let len = (row_step + pixel_step + 2).div_ceil(4);
            self.compare("transform_pooled_output", shape, len, versions)?;
        }
        Ok(())
    }

    /// Products of a patch and a filter of four channels, `[position][8]`.
    fn true_products(&mut self) -> [i32; 8 * POSITIONS] {
        let start = self.next() as usize % 1024;
        let map = &bytes(&self.input)[start..][..4 * POSITIONS];
        let offsets = core::array::from_fn(|index| 4 * index as u32);
        let weights = bytes(&self.input)[start + 4096..][..36].iter();
        let mut filter = [0; 36];
        for (value, &weight) in filter.iter_mut().zip(weights) {
            *value = weight.max(-127);
        }
        let mut v = [0; 16 * POSITIONS];
        let mut u = [0; 4 * CHUNK_PAIRS * POSITIONS];
        let mut m = [0; 8 * POSITIONS];
        Twin::transform_input(map, &offsets, &mut v, 0, 1);
        Twin::transform_filter(&filter, 4, &mut u, 0, 1);
        let mut corrections = [[0; 4]; POSITIONS];
        Twin::offset_corrections(&v, &mut corrections, 2);
        for (tile, [correction, ..]) in m.as_chunks_mut::<8>().0.iter_mut().zip(corrections) {
            tile[0] = correction;
        }
        Twin::products(&u, &v, &mut m, 2, 4 * CHUNK_PAIRS);
        m
    }

    fn strips(&mut self) -> Result<(), InnerLoopMismatch> {
        for quads in [1, 2, 3, 8, 32] {
            let offsets: [u32; 6] = core::array::from_fn(|index| match index {
                5 => 4096 - 4 * quads as u32,
                _ => self.next() % (4096 - 4 * quads as u32),
            });
            let run = |kernel: fn(&[i8], &[u32; 6], &mut [i16], usize)| {
                move |input: &[u32], window: &mut [u32]| {
                    let map = &bytes(input)[..4096];
                    kernel(map, &offsets, bytemuck::cast_slice_mut(window), quads);
                }
            };
            let versions: [Version<'_>; 2] =
                [&mut run(Native::widen_pixels), &mut run(Twin::widen_pixels)];
            self.compare("widen_pixels", [quads, 0, 0], 12 * quads, versions)?;

            for stride in [4 * quads, 4 * quads + 3] {
                let run = |kernel: fn(&[i8], usize, &mut [i16], usize)| {
                    move |input: &[u32], filter: &mut [u32]| {
                        let weights = &bytes(input)[3..3 + 2 * stride + 4 * quads];
                        kernel(weights, stride, bytemuck::cast_slice_mut(filter), quads);
                    }
                };
                let versions: [Version<'_>; 2] = [
                    &mut run(Native::widen_filter_row),
                    &mut run(Twin::widen_filter_row),
                ];
                self.compare("widen_filter_row", [stride, quads, 0], 6 * quads, versions)?;
            }
            for windows in [1, 2, 5] {
                type RowProducts = fn(&[i16], &[i16], &mut [[i32; 4]], usize);
                let run = |kernel: RowProducts| {
                    move |input: &[u32], m: &mut [u32]| {
                        let (filter, windows) = lanes(input).split_at(12 * quads);
                        let m: &mut [i32] = bytemuck::cast_slice_mut(m);
                        kernel(filter, windows, m.as_chunks_mut().0, 2 * quads);
                    }
                };
                let versions: [Version<'_>; 2] =
                    [&mut run(Native::row_products), &mut run(Twin::row_products)];
                self.compare("row_products", [quads, windows, 0], 4 * windows, versions)?;
            }
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), InnerLoopMismatch> {
        for quads in [1, 2, 36] {
            type Spread = fn(&[[i32; 4]], &mut [[[i32; 4]; 2]]);
            let run = |kernel: Spread| {
                move |input: &[u32], tiles: &mut [u32]| {
                    let fours: &[i32] = bytemuck::cast_slice(&input[..4 * quads]);
                    let tiles: &mut [i32] = bytemuck::cast_slice_mut(tiles);
                    let tiles = tiles.as_chunks_mut().0.as_chunks_mut().0;
                    kernel(fours.as_chunks().0, tiles);
                }
            };
            let versions: [Version<'_>; 2] = [&mut run(Native::spread), &mut run(Twin::spread)];
            self.compare("spread", [quads, 0, 0], 8 * quads, versions)?;
        }
        for (channels, relu) in [(4, true), (8, false), (32, true), (132, false)] {
            type RequantizePairs = fn(&[i32], &mut [i8], &[i32], &[i64], bool);
            let run = |kernel: RequantizePairs| {
                move |input: &[u32], output: &mut [u32]| {
                    let words: &[i32] = bytemuck::cast_slice(input);
                    let (accumulators, words) = words.split_at(2 * channels);
                    let offsets: [i64; 132] = core::array::from_fn(|i| i64::from(words[i]) << 24);
                    let output = bytemuck::cast_slice_mut(output);
                    let (multipliers, offsets) = (&words[200..][..channels], &offsets[..channels]);
                    kernel(accumulators, output, multipliers, offsets, relu);
                }
            };
            let versions: [Version<'_>; 2] = [
                &mut run(Native::requantize_pairs),
                &mut run(Twin::requantize_pairs),
            ];
            self.compare("requantize_pairs", [channels, 0, 0], channels / 2, versions)?;
        }
        for len in [4, 8, 12, 128, 2048] {
            let run = |kernel: fn(&[i8], &[i8]) -> [i32; 4]| {
                move |input: &[u32], sums: &mut [u32]| {
                    let (values, weights) = bytes(input)[1..].split_at(len);
                    sums.copy_from_slice(bytemuck::cast_slice(&kernel(weights, values)));
                }
            };
            let versions: [Version<'_>; 2] =
                [&mut run(Native::dot_products), &mut run(Twin::dot_products)];
            self.compare("dot_products", [len, 0, 0], 4, versions)?;
        }
        Ok(())
    }
}

fn lanes(words: &[u32]) -> &[i16] {
    bytemuck::cast_slice(words)
}

fn bytes(words: &[u32]) -> &[i8] {
    bytemuck::cast_slice(words)
}

#[cfg(test)]
mod tests {
    #[test]
    fn inner_loops_of_this_target_equal_their_twins() {
        assert!(super::InnerLoopCheck::new().run().unwrap() > 500);
    }
}
