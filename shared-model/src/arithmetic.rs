//! The arithmetic between accumulator and output, and the bounds that keep it from overflowing: see `NUMERICS.md`.

/// The largest magnitude of an activation.
pub(crate) const LARGEST_ACTIVATION: u64 = 128;

/// `(accumulator · multiplier + offset) >> 32`: a logit, or an activation before it is clamped to int8.
///
/// The sum must fit an `i64`, which [`requantized_bound`] proves for every accumulator of a channel; the shifted result always
/// fits an `i32`.
#[inline]
pub fn requantize_wide(accumulator: i32, multiplier: i32, offset: i64) -> i32 {
    ((i64::from(accumulator) * i64::from(multiplier) + offset) >> 32) as i32
}

/// `clamp((accumulator · multiplier + offset) >> 32, -128, 127)`: an activation.
#[inline]
pub fn requantize(accumulator: i32, multiplier: i32, offset: i64) -> i8 {
    requantize_wide(accumulator, multiplier, offset).clamp(i8::MIN.into(), i8::MAX.into()) as i8
}

/// `Σ|w|`.
pub fn weight_sum(weights: &[i8]) -> u32 {
    let magnitudes = weights.iter().map(|weight| u32::from(weight.unsigned_abs()));
    // At most 2^20 weights of a channel.
    magnitudes.sum()
}

/// Largest magnitude of any partial sum of an accumulator, `|bias| + 128 · Σ|w|`; it must not exceed `i32::MAX`.
/// `weight_sum` is that of one output channel.
pub fn weighted_bound(weight_sum: u32, bias: i32) -> u64 {
    u64::from(bias.unsigned_abs()) + LARGEST_ACTIVATION * u64::from(weight_sum)
}

/// Largest magnitude of `accumulator · multiplier + offset`, where the accumulator's is `bound`; it must not exceed `i64::MAX`.
/// Saturates at `u64::MAX`.
pub fn requantized_bound(bound: u64, multiplier: i32, offset: i64) -> u64 {
    bound.saturating_mul(multiplier.unsigned_abs().into()).saturating_add(offset.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_of_extremes() {
        assert_eq!(weighted_bound(weight_sum(&[127, -127]), i32::MIN), (1 << 31) + 256 * 127);
        assert_eq!(requantized_bound(1, i32::MIN, i64::MIN), (1 << 31) + (1 << 63));
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
            prop_assert_eq!(i128::from(requantize_wide(accumulator, multiplier, offset)), shifted);
            prop_assert_eq!(i128::from(requantize(accumulator, multiplier, offset)), shifted.clamp(-128, 127));
        }

        #[test]
        fn no_accumulator_exceeds_its_bound(
            terms in prop::collection::vec((-127_i8..=127, any::<i8>()), 0..50), bias in any::<i32>(),
        ) {
            let weights: std::vec::Vec<i8> = terms.iter().map(|&(weight, _)| weight).collect();
            let bound = i128::from(weighted_bound(weight_sum(&weights), bias));
            let mut accumulator = i128::from(bias);
            for (weight, activation) in terms {
                accumulator += i128::from(weight) * i128::from(activation);
                prop_assert!(accumulator.abs() <= bound);
            }
        }
    }
}
