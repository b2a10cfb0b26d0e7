//! Softmax in fixed point: see `NUMERICS.md`, section 3.

/// Bits of the exponent's fraction that are used.
const FRACTION_BITS: u32 = 20;

/// log2(e), with 30 fraction bits.
const LOG2_E: u64 = 1_549_082_005;
const LOG2_E_BITS: u32 = 30;

/// `2^(-2^-k)` for k = 1 … 20, with 32 fraction bits.
const POWERS: [u32; FRACTION_BITS as usize] = [
    3_037_000_500,
    3_611_622_603,
    3_938_502_376,
    4_112_874_773,
    4_202_935_003,
    4_248_701_965,
    4_271_771_996,
    4_283_353_945,
    4_289_156_690,
    4_292_061_010,
    4_293_513_907,
    4_294_240_540,
    4_294_603_903,
    4_294_785_595,
    4_294_876_445,
    4_294_921_870,
    4_294_944_583,
    4_294_955_939,
    4_294_961_618,
    4_294_964_457,
];

/// What stands for a probability of one.
const ONE: u64 = u16::MAX as u64;

/// `exp(-distance / 2^fraction_bits)` with 31 fraction bits; `fraction_bits` is at most 16.
fn exponential(distance: u32, fraction_bits: u8) -> u32 {
    let point = LOG2_E_BITS + u32::from(fraction_bits);
    let exponent = u64::from(distance) * LOG2_E;
    let fraction = (exponent >> (point - FRACTION_BITS)) as u32;
    let mut power = 1_u64 << 31;
    for (bit, factor) in (0..FRACTION_BITS).rev().zip(POWERS) {
        if fraction >> bit & 1 == 1 {
            power = (power * u64::from(factor) + (1 << 31)) >> 32;
        }
    }
    let whole = (exponent >> point) as u32;
    (power as u32).checked_shr(whole).unwrap_or(0)
}

/// Probabilities of `logits`, in the same order; `p` stands for `p / 65535`.
pub(crate) fn softmax(logits: &[i32], fraction_bits: u8) -> impl Iterator<Item = u16> {
    let largest = logits.iter().copied().max().unwrap_or(0);
    let power = move |&logit: &i32| u64::from(exponential(largest.abs_diff(logit), fraction_bits));
    let sum: u64 = logits.iter().map(power).sum();
    logits.iter().map(move |logit| ((2 * ONE * power(logit) + sum) / (2 * sum)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn examples_of_the_document_and_extremes() {
        // The first of the logits is the largest.
        type Case<'c> = (&'c [i32], u8, &'c [u32], &'c [u16]);
        let cases: [Case; 7] = [
            (&[256, 0, -256], 8, &[1 << 31, 790015291, 290630459], &[43597, 16038, 5900]),
            (&[3, 3], 0, &[1 << 31, 1 << 31], &[32768, 32768]),
            (&[100000, 40000, -70000, 0], 14, &[1 << 31, 55143743, 66942, 4799619], &[63753, 1637, 2, 142]),
            (&[0, -45], 0, &[1 << 31, 0], &[65535, 0]),
            (&[i32::MAX, i32::MIN], 0, &[1 << 31, 0], &[65535, 0]),
            (&[i32::MIN], 16, &[1 << 31], &[65535]),
            (&[], 16, &[], &[]),
        ];
        for (logits, fraction_bits, powers, probabilities) in cases {
            let power = |&logit: &i32| exponential(logits[0].abs_diff(logit), fraction_bits);
            assert!(logits.iter().map(power).eq(powers.iter().copied()));
            let found: Vec<u16> = softmax(logits, fraction_bits).collect();
            assert_eq!(found, probabilities);
        }
    }

    #[test]
    fn constants_are_the_nearest_integers() {
        for (k, factor) in (1..).zip(POWERS) {
            let exact = (32.0 - (-f64::from(k)).exp2()).exp2();
            assert!((exact - f64::from(factor)).abs() <= 0.5 + 1e-5, "k = {k}");
        }
        let exact = core::f64::consts::LOG2_E * f64::from(1 << LOG2_E_BITS);
        assert!((exact - LOG2_E as f64).abs() <= 0.5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn error_is_below_the_stated_bound(
            reals in prop::collection::vec(-12.0..12.0_f64, 1..=64), fraction_bits in 0_u8..=16,
        ) {
            let scale = f64::from(1 << fraction_bits);
            let logits: Vec<i32> = reals.iter().map(|real| (real * scale).round() as i32).collect();
            let powers: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) / scale).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for (probability, power) in softmax(&logits, fraction_bits).zip(powers) {
                prop_assert!((f64::from(probability) - 65535.0 * power / sum).abs() < 0.52);
            }
        }
    }
}
