//! The innermost loop of [`VectorLoops::multiply`](super::vector_loops::VectorLoops::multiply), for vectors of any kind.

use super::vector_loops::{Block, TILE, Words};

/// Calls a function with as many pixels as there are.
macro_rules! for_pixels {
    ($pixels:expr, $name:ident($($argument:expr),*)) => {
        match $pixels {
            1 => $name::<1>($($argument),*),
            2 => $name::<2>($($argument),*),
            3 => $name::<3>($($argument),*),
            4 => $name::<4>($($argument),*),
            5 => $name::<5>($($argument),*),
            _ => $name::<{ $crate::backend::vector_loops::TILE }>($($argument),*),
        }
    };
}

/// Pixels to be multiplied with a block. All that its pointers span lies inside of the slices that it was made from: at each of its
/// windows three rows of `words` words, `line` bytes behind one another; `3 * words` times as many words of filters as the block has
/// lanes; for each lane a start, and a sum for each window.
pub(super) struct Tile {
    pub windows: [*const u8; TILE],
    pub line: usize,
    pub words: usize,
    pub filters: *const u32,
    pub starts: *const i32,
    pub sums: *mut i32,
}

impl Tile {
    pub fn new<W: Words>(lines: &[u8], line: usize, windows: &[usize], block: Block<'_>, sums: &mut [i32]) -> Self {
        let words = block.filters.len() / (3 * W::LANES);
        assert!((1..=TILE).contains(&windows.len()));
        assert!(block.starts.len() >= W::LANES && sums.len() >= windows.len() * W::LANES);
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
/// registers, of which most processors have 16: twelve sums, two filters, the pixel's word, and a product.
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

pub(super) use {for_pixels, multiply};
