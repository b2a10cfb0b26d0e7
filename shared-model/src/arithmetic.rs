//! The arithmetic between accumulator and output, and the bounds that keep it from overflowing: see `NUMERICS.md`.

/// The largest magnitude of an activation.
const LARGEST_ACTIVATION: u64 = 128;

/// `(accumulator · multiplier + offset) >> 32`: a logit, or an activation before it is clamped to int8.
///
/// The sum must fit an `i64`, which [`requantized_bound`] proves for every accumulator of a channel; the shifted result always
/// fits an `i32`.
#[inline]
pub fn rescale(accumulator: i32, multiplier: i32, offset: i64) -> i32 {
    ((i64::from(accumulator) * i64::from(multiplier) + offset) >> 32) as i32
}

/// `clamp((accumulator · multiplier + offset) >> 32, -128, 127)`: an activation.
#[inline]
pub fn requantize(accumulator: i32, multiplier: i32, offset: i64) -> i8 {
    rescale(accumulator, multiplier, offset).clamp(i8::MIN.into(), i8::MAX.into()) as i8
}

/// Largest magnitude of any partial sum of an accumulator, `|bias| + 128 · Σ|w|`; it must not exceed `i32::MAX`.
/// `weights` are those of one output channel.
pub fn accumulator_bound(weights: &[i8], bias: i32) -> u64 {
    let magnitude: u64 = weights
        .iter()
        .map(|weight| u64::from(weight.unsigned_abs()))
        .sum();
    u64::from(bias.unsigned_abs()) + LARGEST_ACTIVATION * magnitude
}

/// Largest magnitude of `accumulator · multiplier + offset`, where the accumulator's is `bound`; it must not exceed `i64::MAX`.
/// Saturates at `u64::MAX`.
pub fn requantized_bound(bound: u64, multiplier: i32, offset: i64) -> u64 {
    bound
        .saturating_mul(multiplier.unsigned_abs().into())
        .saturating_add(offset.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shift_rounds_down_and_the_offset_makes_it_round_half_up() {
        let half = 1_i64 << 31;
        assert_eq!(rescale(-1, 1, 0), -1);
        assert_eq!(rescale(3, 1 << 30, half), 1, "0.75");
        assert_eq!(rescale(2, 1 << 30, half), 1, "0.5");
        assert_eq!(rescale(-2, 1 << 30, half), 0, "-0.5");
        assert_eq!(rescale(-3, 1 << 30, half), -1, "-0.75");
    }

    #[test]
    fn activations_saturate() {
        assert_eq!(requantize(i32::MAX, i32::MAX, 0), 127);
        assert_eq!(requantize(i32::MIN, i32::MAX, 0), -128);
        assert_eq!(requantize(0, 1, 127 << 32), 127);
        assert_eq!(requantize(0, 1, 128 << 32), 127);
        assert_eq!(requantize(0, 1, -129 << 32), -128);
    }

    #[test]
    fn bounds_of_extremes() {
        assert_eq!(
            accumulator_bound(&[127, -127], i32::MIN),
            (1 << 31) + 256 * 127
        );
        assert_eq!(
            requantized_bound(1, i32::MIN, i64::MIN),
            (1 << 31) + (1 << 63)
        );
        assert_eq!(requantized_bound(u64::MAX, 2, 0), u64::MAX);
    }

    proptest! {
        #[test]
        fn requantize_equals_wide_arithmetic(
            accumulator in any::<i32>(), multiplier in any::<i32>(), offset in any::<i64>(), shift in 0_u32..63,
        ) {
            let offset = offset >> shift;
            let exact = i128::from(accumulator) * i128::from(multiplier) + i128::from(offset);
            prop_assume!(i64::try_from(exact).is_ok());
            let shifted = exact >> 32;
            prop_assert_eq!(i128::from(rescale(accumulator, multiplier, offset)), shifted);
            prop_assert_eq!(i128::from(requantize(accumulator, multiplier, offset)), shifted.clamp(-128, 127));
        }

        #[test]
        fn no_accumulator_exceeds_its_bound(
            terms in prop::collection::vec((-127_i8..=127, any::<i8>()), 0..50), bias in any::<i32>(),
        ) {
            let weights: std::vec::Vec<i8> = terms.iter().map(|&(weight, _)| weight).collect();
            let bound = i128::from(accumulator_bound(&weights, bias));
            let mut accumulator = i128::from(bias);
            for (weight, activation) in terms {
                accumulator += i128::from(weight) * i128::from(activation);
                prop_assert!(accumulator.abs() <= bound);
            }
        }
    }
}
