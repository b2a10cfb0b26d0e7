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

#[cfg(test)]
mod tests {
    use super::*;

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
