//! Average pool: the mean of each window.

use super::{Counts, Epilogue, Rules};
use crate::{Shape, arithmetic::LARGEST_ACTIVATION};
use serde::{Deserialize, Serialize};

/// A global average pool, `[h, w, c] → [1, 1, c]`: the int8 values of a channel are summed up, and the epilogue, whose multiplier
/// and offset are the same for all channels, makes the mean of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AveragePool {
    /// Height and width of a window: those of the input.
    pub window: [u16; 2],
    /// What becomes of the sums.
    pub epilogue: Epilogue,
}

impl Rules for AveragePool {
    fn output_shape(&self, input: Shape) -> Result<Shape, &'static str> {
        if self.window != [input.height, input.width] {
            let what = "an average pool whose window is not its whole input";
            return Err(what);
        }
        Ok(Shape::new(1, 1, input.channels))
    }

    fn counts(&self, _: Shape) -> Counts {
        Counts { weights_per_channel: 0, biases: 0, multipliers: 1 }
    }

    fn accumulator_bound(&self, input: Shape, _: u32, _: i32) -> u64 {
        LARGEST_ACTIVATION * u64::from(input.height) * u64::from(input.width)
    }

    #[cfg(feature = "testing")]
    fn reference(&self, view: &super::OperationView, input: &[i8]) -> alloc::vec::Vec<i64> {
        let channels = usize::from(view.input.channels);
        let sum = |channel: usize| {
            let values = input.iter().skip(channel).step_by(channels);
            values.map(|&value| i64::from(value)).sum()
        };
        (0..channels).map(sum).collect()
    }
}
