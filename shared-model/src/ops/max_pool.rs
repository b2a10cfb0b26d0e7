//! Maximum pool: the largest value of each window.

use super::{Counts, Rules};
use crate::Shape;
use serde::{Deserialize, Serialize};

/// A maximum pool of 2×2 with stride 2, `[h, w, c] → [floor(h / 2), floor(w / 2), c]`: the last odd row or column takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool {
    /// Height and width of a window: 2 and 2.
    pub window: [u16; 2],
    /// Rows and columns between two windows: 2 and 2.
    pub stride: [u16; 2],
}

impl MaxPool {
    /// Height and width of a window, and the stride.
    pub(crate) const SIDE: u16 = 2;

    /// The one that this version computes.
    pub const HALVING: Self = Self { window: [Self::SIDE; 2], stride: [Self::SIDE; 2] };
}

impl Rules for MaxPool {
    fn output_shape(&self, input: Shape) -> Result<Shape, &'static str> {
        if *self != Self::HALVING {
            let what = "a maximum pool other than 2x2 with stride 2";
            return Err(what);
        }
        Ok(Shape { height: input.height / Self::SIDE, width: input.width / Self::SIDE, ..input })
    }

    fn counts(&self, _: Shape) -> Counts {
        Counts { weights_per_channel: 0, biases: 0, multipliers: 0 }
    }

    #[cfg(feature = "testing")]
    fn reference(&self, view: &super::OperationView, input: &[i8]) -> alloc::vec::Vec<i64> {
        let [_, width, channels] = view.input.dimensions();
        let [out_height, out_width, _] = view.output.dimensions();
        let mut largest = alloc::vec![0; out_height * out_width * channels];
        for (index, value) in largest.iter_mut().enumerate() {
            let (row, column) = (index / channels / out_width, index / channels % out_width);
            let pixel =
                |y: usize, x: usize| input[((2 * row + y) * width + 2 * column + x) * channels + index % channels];
            let window = [pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1)];
            *value = window.into_iter().max().map_or(0, i64::from);
        }
        largest
    }
}
