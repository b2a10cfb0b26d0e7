//! The forward pass, a row at a time.

use crate::{
    Classification, IMAGE_CHANNELS, IMAGE_SIDE, Image, Model,
    graph::{MAX_LABELS, MAX_LAYERS},
    stage::Stage,
};
use heapless::Vec;

/// The arena is smaller than [`Model::arena_len`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network needs an arena of {needed} bytes, but was given {given}")]
pub struct ArenaTooSmall {
    /// [`Model::arena_len`].
    pub needed: usize,
    /// Length of the arena in bytes.
    pub given: usize,
}

/// Told about every row of every layer; `()` is the hook that costs nothing.
///
/// Layers take turns, a row at a time: layer 1 begins long before layer 0 has ended.
pub trait Hook {
    /// `layer` begins to compute one row of its output.
    fn enter(&mut self, layer: usize) {
        let _ = layer;
    }

    /// `layer` has computed `row`, `[w, c]` (after its pool); empty for the layer whose output is the logits.
    /// Rows come from top to bottom; the output of a dense layer is one row.
    fn leave(&mut self, layer: usize, row: &[i8]) {
        let _ = (layer, row);
    }
}

impl Hook for () {}

/// A model together with an arena that is large enough for it.
///
/// No feature map exists as a whole. A layer computes a row of its output as soon as the rows of its input that the kernel
/// covers are there, and keeps only those; nothing is computed twice.
pub struct Interpreter<'m, 'a> {
    model: &'m Model<'a>,
    stages: Vec<Stage<'m, 'a>, MAX_LAYERS>,
}

impl<'m, 'a> Interpreter<'m, 'a> {
    /// Divides the arena, whose content and alignment do not matter, among the layers.
    ///
    /// # Errors
    ///
    /// If the arena is smaller than [`Model::arena_len`].
    pub fn new(model: &'m Model<'a>, arena: &'m mut [u8]) -> Result<Self, ArenaTooSmall> {
        let too_small = ArenaTooSmall {
            needed: model.arena_len(),
            given: arena.len(),
        };
        let mut free = bytemuck::cast_slice_mut(arena);
        let mut padding = model.graph().input.padding.as_slice();
        let mut stages = Vec::new();
        for view in model.layers() {
            let (stage, rest) = Stage::new(view, free, padding).ok_or(too_small)?;
            // A model has no more layers than there is room for stages.
            let _ = stages.push(stage);
            free = rest;
            padding = view.zero_point();
        }
        Ok(Self { model, stages })
    }

    /// The logits and the class of one image.
    pub fn classify(&mut self, image: &Image) -> Classification {
        self.classify_with(image, &mut ())
    }

    /// Like [`Self::classify`], with a hook that is told about every row.
    pub fn classify_with(&mut self, image: &Image, hook: &mut impl Hook) -> Classification {
        for stage in &mut self.stages {
            stage.restart();
        }
        let mut logits = Vec::new();
        for row in image.chunks_exact(IMAGE_SIDE * IMAGE_CHANNELS) {
            if let Some(first) = self.stages.first_mut() {
                first.push_pixels(row);
            }
            self.advance(hook, &mut logits);
        }
        Classification::new(logits, self.model.graph().logit_fraction_bits)
    }

    /// Whether the blob's own image gives the blob's own logits: the self-test at boot.
    pub fn known_answer_holds(&mut self) -> bool {
        let expected = &self.model.graph().known_answer.logits;
        self.classify(self.model.known_answer_image()).logits == *expected
    }

    /// Computes every row that can be computed from the rows of the image so far.
    ///
    /// After a layer has given a row, it's the turn of the layer behind it, which takes all it can before more rows come: so a
    /// row is never overwritten before it has been used.
    fn advance(&mut self, hook: &mut impl Hook, logits: &mut Vec<i32, MAX_LABELS>) {
        let mut index = 0;
        while let Some((stage, next)) = split_after(&mut self.stages, index) {
            if !stage.is_ready() {
                let Some(previous) = index.checked_sub(1) else {
                    return;
                };
                index = previous;
                continue;
            }
            hook.enter(index);
            if let Some(next) = next {
                let row = next.push();
                stage.compute_row(row);
                hook.leave(index, row);
                index += 1;
            } else {
                logits.extend(stage.compute_logits());
                hook.leave(index, &[]);
            }
        }
    }
}

/// The stage at `index` and the one behind it.
fn split_after<'s, 'm, 'a>(
    stages: &'s mut [Stage<'m, 'a>],
    index: usize,
) -> Option<(&'s mut Stage<'m, 'a>, Option<&'s mut Stage<'m, 'a>>)> {
    let (stage, behind) = stages.get_mut(index..)?.split_first_mut()?;
    Some((stage, behind.first_mut()))
}

#[cfg(all(test, feature = "encode"))]
mod tests {
    use super::*;
    use crate::{
        encode::encode,
        oracle,
        testing::{Numbers, network},
    };
    use proptest::prelude::*;
    use std::{vec, vec::Vec as List};

    /// Collects all rows of all layers.
    #[derive(Default)]
    struct Recorder {
        layers: List<List<i8>>,
        entered: Option<usize>,
    }

    impl Hook for Recorder {
        fn enter(&mut self, layer: usize) {
            assert_eq!(self.entered.replace(layer), None);
        }

        fn leave(&mut self, layer: usize, row: &[i8]) {
            assert_eq!(self.entered.take(), Some(layer));
            self.layers
                .resize(self.layers.len().max(layer + 1), List::new());
            self.layers[layer].extend(row);
        }
    }

    fn assert_equals_oracle(network: &crate::encode::Network, images: &[Image]) {
        let blob = encode(network).unwrap();
        let model = Model::load(&blob).unwrap();
        let mut arena = vec![0xA5; model.arena_len()];
        let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
        for image in images {
            let mut recorder = Recorder::default();
            let classification = interpreter.classify_with(image, &mut recorder);
            let (mut activations, logits) = oracle::run(network, image);
            activations.push(List::new());
            for (layer, (found, expected)) in recorder.layers.iter().zip(&activations).enumerate() {
                assert!(found == expected, "layer {layer}");
            }
            assert_eq!(recorder.layers.len(), activations.len());
            assert_eq!(classification.logits, logits.as_slice());
            assert_eq!(interpreter.classify(image), classification);
        }
        assert!(interpreter.known_answer_holds());
    }

    #[test]
    fn vgg_with_three_blocks() {
        let convolutions = [8, 8, 12, 12, 20, 20].iter().enumerate();
        let convolutions: List<_> = convolutions
            .map(|(i, &outputs)| (outputs, i % 2 == 1, true))
            .collect();
        let network = network(1, &convolutions, &[16, 10]);
        let mut numbers = Numbers(2);
        assert_equals_oracle(
            &network,
            &[[0; 3072], [255; 3072], numbers.image(), numbers.image()],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_networks(
            seed in any::<u64>(),
            convolutions in prop::collection::vec((1_u16..=20, any::<bool>(), any::<bool>()), 0..=5),
            hidden in prop::collection::vec(1_u16..=40, 0..=2),
            classes in 1_u16..=16,
        ) {
            let mut dense = hidden;
            dense.push(classes);
            let network = network(seed, &convolutions, &dense);
            let mut numbers = Numbers(!seed);
            assert_equals_oracle(&network, &[numbers.image(), numbers.image()]);
        }
    }

    #[test]
    fn arena_may_not_be_a_byte_too_small() {
        let blob = encode(&network(3, &[(4, true, true)], &[2])).unwrap();
        let model = Model::load(&blob).unwrap();
        let needed = model.arena_len();
        assert_eq!(needed, 4 * 34 * 3 + 16 * 16 * 4);
        let mut arena = vec![0; needed - 1];
        let error = Interpreter::new(&model, &mut arena).err();
        assert_eq!(
            error,
            Some(ArenaTooSmall {
                needed,
                given: needed - 1
            })
        );
    }

    #[test]
    fn a_wrong_known_answer_is_noticed() {
        let blob = encode(&network(4, &[(4, true, true)], &[2])).unwrap();
        let mut model = Model::load(&blob).unwrap();
        let mut arena = vec![0; model.arena_len()];
        assert!(
            Interpreter::new(&model, &mut arena)
                .unwrap()
                .known_answer_holds()
        );
        model.graph_mut().known_answer.logits[0] += 1;
        assert!(
            !Interpreter::new(&model, &mut arena)
                .unwrap()
                .known_answer_holds()
        );
    }
}
