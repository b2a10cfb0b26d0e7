//! Winograd's minimal filtering down the columns of an image: [`ROWS`] rows of the result of 3 taps, from
//! [`PRODUCTS`] products instead of 12.
//!
//! A transform multiplies by one of the matrices of Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks* (2015), for the points 0, ±1, ±2 and infinity. The gradient of the taps is such a filtering too: 3 results
//! of [`ROWS`] taps, with the same points and so the same transform of the image.

use std::ops::{Add, Mul, Sub};

/// Rows of a tile: of the result, and of its gradient.
pub const ROWS: usize = 4;

/// Rows of a transformed tile, and rows of the image that it comes from.
pub const PRODUCTS: usize = 6;

/// Values side by side.
#[derive(Clone, Copy)]
pub struct Vector<const LANES: usize>(pub [f32; LANES]);

impl<const LANES: usize> Add for Vector<LANES> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane += other;
        }
        self
    }
}

impl<const LANES: usize> Sub for Vector<LANES> {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane -= other;
        }
        self
    }
}

impl<const LANES: usize> Mul<f32> for Vector<LANES> {
    type Output = Self;

    #[inline(always)]
    fn mul(mut self, factor: f32) -> Self {
        for lane in &mut self.0 {
            *lane *= factor;
        }
        self
    }
}

/// Transforms rows of the image.
#[inline(always)]
pub fn image<const LANES: usize>(rows: [Vector<LANES>; PRODUCTS]) -> [Vector<LANES>; PRODUCTS] {
    let [a, b, c, d, e, f] = rows;
    let (even, odd) = (e - c * 4.0, d - b * 4.0);
    let (even_2, odd_2) = (e - c, (d - b) * 2.0);
    [a * 4.0 - c * 5.0 + e, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, b * 4.0 - d * 5.0 + f]
}

/// Transforms the taps of one column of a filter.
pub fn taps([a, b, c]: [f32; 3]) -> [f32; PRODUCTS] {
    let (even, even_2) = (a + c, a + 4.0 * c);
    [a / 4.0, (even + b) / -6.0, (even - b) / -6.0, (even_2 + 2.0 * b) / 24.0, (even_2 - 2.0 * b) / 24.0, c]
}

/// The rows of the result from the sums of the products of [`image`] and [`taps`].
#[inline(always)]
pub fn result<const LANES: usize>(sums: [Vector<LANES>; PRODUCTS]) -> [Vector<LANES>; ROWS] {
    let [a, b, c, d, e, f] = sums;
    let (even, odd, even_2, odd_2) = (b + c, b - c, d + e, d - e);
    [a + even + even_2, odd + odd_2 * 2.0, even + even_2 * 4.0, odd + odd_2 * 8.0 + f]
}

/// Transforms rows of the result's gradient.
#[inline(always)]
pub fn gradient<const LANES: usize>(rows: [Vector<LANES>; ROWS]) -> [Vector<LANES>; PRODUCTS] {
    let [a, b, c, d] = rows;
    let (even, odd) = (a + c, b + d);
    let (even_2, odd_2) = (a + c * 4.0, (b + d * 4.0) * 2.0);
    [
        a * (1.0 / 4.0),
        (even + odd) * (-1.0 / 6.0),
        (even - odd) * (-1.0 / 6.0),
        (even_2 + odd_2) * (1.0 / 24.0),
        (even_2 - odd_2) * (1.0 / 24.0),
        d,
    ]
}

/// The gradient of the taps of one column of a filter from the sums of the products of [`image`] and [`gradient`].
pub fn taps_gradient([a, b, c, d, e, f]: [f32; PRODUCTS]) -> [f32; 3] {
    let (even, odd, even_2, odd_2) = (b + c, b - c, d + e, d - e);
    [a + even + even_2, odd + odd_2 * 2.0, even + even_2 * 4.0 + f]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array::from_fn;

    /// Whole numbers; with multiples of 24, the transforms have no fractions, and every sum is exact.
    fn numbers<const LEN: usize>(factor: i16, offset: i16) -> [f32; LEN] {
        from_fn(|index| {
            let index = i16::try_from(index).expect("a row of a tile");
            f32::from(factor * ((7 * index + offset) % 11 - 5))
        })
    }

    fn vectors<const LEN: usize>(numbers: [f32; LEN]) -> [Vector<2>; LEN] {
        numbers.map(|number| Vector([number, -number]))
    }

    fn products<const LANES: usize>(
        left: [Vector<LANES>; PRODUCTS],
        right: [f32; PRODUCTS],
    ) -> [Vector<LANES>; PRODUCTS] {
        from_fn(|product| left[product] * right[product])
    }

    #[test]
    fn the_rows_are_those_of_the_definition() {
        for offset in 0..11 {
            let rows: [f32; PRODUCTS] = numbers(1, offset);
            let weights: [f32; 3] = numbers(24, 2 * offset);
            let actual = result(products(image(vectors(rows)), taps(weights)));
            for (row, Vector(lanes)) in actual.into_iter().enumerate() {
                let expected: f32 = (0..3).map(|tap| rows[row + tap] * weights[tap]).sum();
                assert_eq!(lanes, [expected, -expected]);
            }
        }
    }

    #[test]
    fn the_gradient_of_the_taps_is_that_of_the_definition() {
        for offset in 0..11 {
            let rows: [f32; PRODUCTS] = numbers(1, offset);
            let gradients: [f32; ROWS] = numbers(24, 3 * offset);
            let transformed = gradient(vectors(gradients)).map(|Vector([lane, _])| lane);
            let sums = products(image(vectors(rows)), transformed);
            let actual = taps_gradient(sums.map(|Vector([lane, _])| lane));
            let expected: [f32; 3] = from_fn(|tap| (0..ROWS).map(|row| rows[row + tap] * gradients[row]).sum());
            assert_eq!(actual, expected);
        }
    }
}
