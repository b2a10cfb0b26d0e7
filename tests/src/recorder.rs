//! What an interpreter computes between image and logits.

use shared_model::{Classification, Hook, Image, Interpreter};

/// A hook that keeps every row of every layer, and checks that layers take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// Rows `[w, c]` from top to bottom, by layer.
    pub layers: Vec<Vec<Vec<i8>>>,
    entered: Option<usize>,
}

impl Hook for Recorder {
    fn enter(&mut self, layer: usize) {
        assert_eq!(
            self.entered.replace(layer),
            None,
            "layer {layer} interrupts"
        );
    }

    fn leave(&mut self, layer: usize, row: &[i8]) {
        assert_eq!(
            self.entered.take(),
            Some(layer),
            "layer {layer} never began"
        );
        let len = self.layers.len().max(layer + 1);
        self.layers.resize(len, Vec::new());
        self.layers[layer].push(row.to_vec());
    }
}

/// Classifies `image` and keeps every row.
pub fn record(interpreter: &mut Interpreter, image: &Image) -> (Classification, Recorder) {
    let mut recorder = Recorder::default();
    let classification = interpreter.classify_with(image, &mut recorder);
    (classification, recorder)
}
