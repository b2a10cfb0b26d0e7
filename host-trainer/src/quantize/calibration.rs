//! The range of real numbers that an int8 activation covers.

/// The range of real numbers that an int8 activation covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationRange {
    /// Not above 0.
    pub low: f32,
    /// Not below 0.
    pub high: f32,
}

impl ActivationRange {
    /// The range of `values` without the part `clip` of them at each end. It always holds 0, which padding stands for.
    pub fn of(values: &[f32], clip: f64) -> Self {
        let dropped = (values.len() as f64 * clip) as usize;
        let mut values = values.to_vec();
        let last = values.len() - 1;
        let (_, low, _) = values.select_nth_unstable_by(dropped, f32::total_cmp);
        let low = low.min(0.0);
        let (_, high, _) = values.select_nth_unstable_by(last - dropped, f32::total_cmp);
        Self { low, high: high.max(0.0) }
    }

    /// The same range, wider where two neighbouring integers would be less than `scale` apart.
    pub fn at_least(self, scale: f32) -> Self {
        Self { high: self.high.max(self.low + 255.0 * scale), ..self }
    }

    /// Real distance of two neighbouring integers.
    pub fn scale(self) -> f32 {
        let width = self.high - self.low;
        if width > 0.0 { width / 255.0 } else { 1.0 }
    }

    /// The integer that stands for 0.
    pub fn zero_point(self) -> i8 {
        (-128.0 - self.low / self.scale()).round().clamp(-128.0, 127.0) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_drops_outliers_at_both_ends() {
        let mut values: Vec<f32> = (0..1000).map(|value| value as f32 / 100.0 - 2.0).collect();
        values[0] = -1e6;
        values[999] = 1e6;
        let range = ActivationRange::of(&values, 0.001);
        let (low, high) = (values[1], values[998]);
        assert_eq!(range, ActivationRange { low, high });
        assert_eq!(ActivationRange::of(&values, 0.0).high, 1e6);
    }

    #[test]
    fn zero_is_exactly_representable_and_inside() {
        for values in [[0.5, 3.0], [-3.0, -0.5], [-1.0, 2.0], [0.0, 0.0]] {
            let range = ActivationRange::of(&values, 0.0);
            assert!(range.low <= 0.0 && range.high >= 0.0);
            let back = range.scale() * (f32::from(range.zero_point()) + 128.0) + range.low;
            assert!(back.abs() <= range.scale() / 2.0 + 1e-6, "{values:?}: {back}");
        }
    }
}
