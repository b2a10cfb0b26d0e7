//! Convolution: 3×3, stride 1, padded to the shape of its input.

use super::{Counts, Epilogue, Rules, Weights};
use crate::Shape;
use serde::{Deserialize, Serialize};

/// A convolution, `[h, w, in] → [h, w, out]`. The format has room for other kernels, strides, paddings and groups than this version
/// computes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Convolution {
    /// `out`.
    pub output_channels: u16,
    /// Height and width of the kernel: 3 and 3.
    pub kernel: [u8; 2],
    /// Rows and columns between two windows: 1 and 1.
    pub stride: [u8; 2],
    /// Rows above, rows below, columns on the left and on the right: 1 each.
    pub padding: [u8; 4],
    /// Groups of channels: 1.
    pub groups: u16,
    /// `[out][ky][kx][in]`, and biases.
    pub weights: Weights,
    /// What becomes of the accumulators.
    pub epilogue: Epilogue,
}

impl Convolution {
    /// Taps of a kernel.
    const TAPS: usize = 9;

    /// The one that this version computes; ranges are set by the encoder.
    pub const fn same_3x3(output_channels: u16, epilogue: Epilogue) -> Self {
        Self {
            output_channels,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1, 1, 1],
            groups: 1,
            weights: Weights::NOWHERE,
            epilogue,
        }
    }
}

impl Rules for Convolution {
    fn output_shape(&self, input: Shape) -> Result<Shape, &'static str> {
        let refusals = [
            (self.kernel != [3, 3], "a convolution with another kernel than 3x3"),
            (self.stride != [1, 1], "a convolution with another stride than 1"),
            (self.padding != [1; 4], "a convolution with another padding than one pixel on each side"),
            (self.groups != 1, "a convolution with another number of groups than 1"),
        ];
        if let Some((_, what)) = refusals.into_iter().find(|&(refused, _)| refused) {
            return Err(what);
        }
        Ok(Shape { channels: self.output_channels, ..input })
    }

    fn counts(&self, input: Shape) -> Counts {
        Counts {
            weights_per_channel: Self::TAPS * usize::from(input.channels),
            biases: self.output_channels.into(),
            multipliers: self.output_channels.into(),
        }
    }

    #[cfg(feature = "testing")]
    fn reference(&self, view: &super::OperationView, input: &[i8]) -> alloc::vec::Vec<i64> {
        let [height, width, inputs] = view.input.dimensions();
        let outputs = usize::from(self.output_channels);
        let mut accumulators = alloc::vec![0; height * width * outputs];
        for (index, accumulator) in accumulators.iter_mut().enumerate() {
            let (row, column) = (index / outputs / width, index / outputs % width);
            let output = index % outputs;
            *accumulator = i64::from(view.biases[output]);
            for tap in 0..Self::TAPS * inputs {
                let (ky, kx, channel) = (tap / inputs / 3, tap / inputs % 3, tap % inputs);
                // Counted from the border of padding.
                let (y, x) = (row + ky, column + kx);
                let inside = (1..=height).contains(&y) && (1..=width).contains(&x);
                let value = match inside {
                    true => input[((y - 1) * width + x - 1) * inputs + channel],
                    false => view.padding[channel % view.padding.len()],
                };
                let weight = view.weights[output * Self::TAPS * inputs + tap];
                *accumulator += i64::from(weight) * i64::from(value);
            }
        }
        accumulators
    }
}
