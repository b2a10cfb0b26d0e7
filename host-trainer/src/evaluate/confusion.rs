//! Which class is taken for which.

use super::percent;

/// Images that each class was taken for: `matrix[true class][predicted class]`.
pub type ConfusionMatrix = Vec<Vec<u32>>;

/// The matrix of true classes and predictions, in pairs.
pub(super) fn confusion(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> ConfusionMatrix {
    let mut matrix = vec![vec![0; classes]; classes];
    for (truth, predicted) in pairs {
        matrix[truth][predicted] += 1;
    }
    matrix
}

/// Images on the diagonal: those that were classified correctly.
pub fn correct(matrix: &ConfusionMatrix) -> usize {
    let diagonal = (0..matrix.len()).map(|class| matrix[class][class] as usize);
    diagonal.sum()
}

/// The part of the images of class `truth` that is taken for class `predicted`, in percent; 0 if there is no image.
pub fn share(matrix: &ConfusionMatrix, truth: usize, predicted: usize) -> f64 {
    let images: u32 = matrix[truth].iter().sum();
    percent(matrix[truth][predicted] as usize, images.max(1) as usize)
}

/// The part of a class's images that is recognized, in percent.
pub fn recall(matrix: &ConfusionMatrix, class: usize) -> f64 {
    share(matrix, class, class)
}

/// The part of the predictions of a class that is right, in percent; 0 if it was never predicted.
pub fn precision(matrix: &ConfusionMatrix, class: usize) -> f64 {
    let predictions: u32 = matrix.iter().map(|row| row[class]).sum();
    percent(matrix[class][class] as usize, predictions.max(1) as usize)
}

/// What the share in percent of all cases may be, if so many of `whole` drawn at random are a `part` (Wilson's interval of 95 %).
///
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927). Unlike the usual interval it holds
/// for small numbers, too, and for shares near 0 and 100 %.
pub fn interval(part: u32, whole: u32) -> [f64; 2] {
    /// Standard deviations on either side that a normal distribution has 95 % within.
    const DEVIATIONS: f64 = 1.96;
    if whole == 0 {
        return [0.0, 100.0];
    }
    let (part, whole, square) = (f64::from(part), f64::from(whole), DEVIATIONS * DEVIATIONS);
    let centre = part + square / 2.0;
    let half = DEVIATIONS * (part * (whole - part) / whole + square / 4.0).sqrt();
    [centre - half, centre + half].map(|count| (100.0 * count / (whole + square)).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // By the form p + z²/2n ± z √(p(1 - p)/n + z²/4n²), divided by 1 + z²/n, in Python.
        for (part, whole, expected) in [
            (0, 0, [0.0, 100.0]),
            (0, 5, [0.0, 43.4]),
            (4, 5, [37.6, 96.4]),
            (12, 30, [24.6, 57.7]),
            (50, 100, [40.4, 59.6]),
        ] {
            let found = interval(part, whole);
            assert!((0..2).all(|end| (found[end] - expected[end]).abs() < 0.06), "{part} of {whole}: {found:?}");
        }
    }

    #[test]
    fn recall_goes_by_rows_and_precision_by_columns() {
        let matrix = confusion(3, [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1), (1, 2)]);
        assert_eq!(matrix, [[3, 1, 0], [0, 1, 1], [0, 0, 0]]);
        assert_eq!(correct(&matrix), 4);
        assert_eq!([0, 1, 2].map(|class| recall(&matrix, class)), [75.0, 50.0, 0.0]);
        assert_eq!([0, 1, 2].map(|class| precision(&matrix, class)), [100.0, 50.0, 0.0]);
        assert_eq!(share(&matrix, 0, 1), 25.0);
    }
}
