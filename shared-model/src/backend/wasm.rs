//! The innermost loop with the vectors of WebAssembly, which a module has or not when it is compiled.
#![allow(unsafe_code)]

use super::{
    tile::{Tile, for_pixels, multiply},
    vector_loops::{Block, Pairs, Quads, VectorLoops},
};
use core::arch::wasm32::*;

/// The inner loops with vectors.
pub(super) struct Simd128;

impl VectorLoops<Pairs> for Simd128 {
    fn multiply(&self, lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) {
        let tile = Tile::new::<Pairs>(lines, line, windows, block, sums);
        // SAFETY: this module is compiled for vectors, and the tile is one of 16 lanes, of which either half is computed.
        unsafe {
            for_pixels!(windows.len(), pairs(&tile, 0));
            for_pixels!(windows.len(), pairs(&tile, 8));
        }
    }
}

impl VectorLoops<Quads> for Simd128 {}

multiply!(pairs, "simd128", 16, v128, v128_load, v128_store, i32x4_splat, |sum, taps, filters| i32x4_add(
    sum,
    i32x4_dot_i16x8(taps, filters)
));
