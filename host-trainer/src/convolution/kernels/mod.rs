//! Single-threaded kernels on slices, written so that the compiler keeps every sum in a register.
//!
//! Both multiply vectors of [`LANES`] values by single values, [`VECTORS`] × [`OUTPUTS`] = 12 sums at a time: with
//! three vectors and one value they fill the 16 registers of AVX2, and 12 multiply-adds need only 7 loads.

pub mod correlation;
pub mod weight_gradient;

/// Values of one vector: 256 bits. Where registers are narrower, a vector is several of them.
const LANES: usize = 8;

/// Vectors that one pass multiplies by the same value.
const VECTORS: usize = 3;

/// Output channels of one pass.
const OUTPUTS: usize = 4;

/// Weights of a filter for one input channel.
const TAPS: usize = 9;

/// One vector.
type Lanes = [f32; LANES];

/// The sums of one pass.
type Sums = [[Lanes; VECTORS]; OUTPUTS];

const ZERO: Sums = [[[0.0; LANES]; VECTORS]; OUTPUTS];

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
}

/// `sums[o][v] += vectors[v] · values[o]`.
#[inline(always)]
fn multiply_add(sums: &mut Sums, vectors: &[Lanes; VECTORS], values: &[f32; OUTPUTS]) {
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
