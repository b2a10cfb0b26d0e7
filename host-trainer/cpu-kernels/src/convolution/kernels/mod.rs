//! Single-threaded kernels on slices, written so that the compiler keeps every sum in a register.
//!
//! Both halve the products by [`winograd`]'s filtering down the columns; along the rows they multiply tap by tap.
//! They multiply vectors by single values, some vectors × [`OUTPUTS`] sums at a time: 2 or 3 vectors of 8 values, their
//! 8 or 12 sums and one value fit the 16 registers of AVX2, and there is little more than half a load a multiply-add.

pub mod correlation;
pub mod weight_gradient;
mod winograd;

/// Output channels of one pass.
const OUTPUTS: usize = 4;

/// Weights of a filter for one input channel.
const TAPS: usize = 9;

/// The sums of one pass. Where registers are narrower than a vector of `LANES` values, a vector is several of them.
type Sums<const LANES: usize, const VECTORS: usize> = [[[f32; LANES]; VECTORS]; OUTPUTS];

/// Height and width of one channel of an image, in pixels; both are at least 1.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

impl Plane {
    /// Pixels.
    pub fn len(self) -> usize {
        self.height * self.width
    }

    /// Tiles, one below the other, that cover all rows.
    fn tiles(self) -> usize {
        self.height.div_ceil(winograd::ROWS)
    }

    /// Images that have so many pixels together; at least one.
    fn images_of(self, pixels: usize) -> usize {
        (pixels / self.len()).max(1)
    }
}

/// `sums[o][v] += vectors[v] · values[o]`.
#[inline(always)]
fn multiply_add<const LANES: usize, const VECTORS: usize>(
    sums: &mut Sums<LANES, VECTORS>,
    vectors: &[[f32; LANES]; VECTORS],
    values: &[f32; OUTPUTS],
) {
    for (sums, &value) in sums.iter_mut().zip(values) {
        for (sums, vector) in sums.iter_mut().zip(vectors) {
            for (sum, &lane) in sums.iter_mut().zip(vector) {
                // Without the instruction `mul_add` would be a function call.
                *sum = if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                    lane.mul_add(value, *sum)
                } else {
                    lane * value + *sum
                };
            }
        }
    }
}
