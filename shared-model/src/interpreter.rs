//! The forward pass, a few rows at a time.

use crate::{
    Classification, IMAGE_CHANNELS, IMAGE_SIDE, Image, Model,
    graph::{MAX_LABELS, MAX_LAYERS},
    plan::{ALIGNMENT_SLACK, Plan},
    stage::{Progress, Stage},
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
/// Layers take turns, a few rows at a time: a layer may begin long before the one before it has ended.
pub trait Hook {
    /// `layer` begins to compute some rows of its output.
    fn enter(&mut self, layer: usize) {
        let _ = layer;
    }

    /// `layer` has computed `row`, `[w, c]` (after its pool); empty for the layer whose output is the logits.
    /// Rows come from top to bottom, each after its own [`Self::enter`]; of rows that are computed together, the first one takes
    /// all the time. The output of a dense layer is one row.
    fn leave(&mut self, layer: usize, row: &[i8]) {
        let _ = (layer, row);
    }
}

impl Hook for () {}

/// A model together with an arena that is large enough for it.
///
/// The larger the arena, the fewer instructions an inference takes: see [`Plan`].
pub struct Interpreter<'m, 'a> {
    model: &'m Model<'a>,
    plan: Plan,
    arena: &'m mut [u32],
    /// How far each layer is.
    progress: Vec<Progress, MAX_LAYERS>,
}

impl<'m, 'a> Interpreter<'m, 'a> {
    /// Makes the fastest plan for an arena, whose content and alignment do not matter.
    ///
    /// # Errors
    ///
    /// If the arena is smaller than [`Model::arena_len`].
    pub fn new(model: &'m Model<'a>, arena: &'m mut [u8]) -> Result<Self, ArenaTooSmall> {
        let given = arena.len();
        let plan = model.plan(given).ok_or(ArenaTooSmall {
            needed: model.arena_len(),
            given,
        })?;
        Ok(Self::with_plan(model, plan, arena))
    }

    /// `arena` has at least [`Plan::arena_len`] bytes.
    pub(crate) fn with_plan(model: &'m Model<'a>, plan: Plan, arena: &'m mut [u8]) -> Self {
        let words = plan.arena_len() - ALIGNMENT_SLACK;
        let start = arena.as_ptr().align_offset(size_of::<u32>());
        let arena = bytemuck::cast_slice_mut(&mut arena[start..][..words]);
        Self {
            model,
            plan,
            arena,
            progress: model.layers().iter().map(|_| Progress::default()).collect(),
        }
    }

    /// How the network is computed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The logits and the class of one image.
    pub fn classify(&mut self, image: &Image) -> Classification {
        self.classify_with(image, &mut ())
    }

    /// Like [`Self::classify`], with a hook that is told about every row.
    pub fn classify_with(&mut self, image: &Image, hook: &mut impl Hook) -> Classification {
        self.progress.fill(Progress::default());
        let mut logits = Vec::new();
        for row in image.chunks_exact(IMAGE_SIDE * IMAGE_CHANNELS) {
            let first = stage(self.model, &self.plan, &self.progress, 0);
            if first.progress.pushed == 0 {
                first.pad(self.arena, &self.model.graph().input.padding);
            }
            first.push_pixels(self.arena, row);
            self.progress[0].pushed += 1;
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
    /// After a layer has given rows, it's the turn of the layer behind it, which takes all it can before more rows come: so a
    /// row is never overwritten before it has been used.
    fn advance(&mut self, hook: &mut impl Hook, logits: &mut Vec<i32, MAX_LABELS>) {
        let mut index = 0;
        while index < self.progress.len() {
            if stage(self.model, &self.plan, &self.progress, index).is_ready() {
                hook.enter(index);
                self.compute(index, hook, logits);
                index += 1;
            } else if let Some(previous) = index.checked_sub(1) {
                index = previous;
            } else {
                return;
            }
        }
    }

    /// Computes the next rows of a layer that is ready.
    fn compute(&mut self, index: usize, hook: &mut impl Hook, logits: &mut Vec<i32, MAX_LABELS>) {
        let layer = stage(self.model, &self.plan, &self.progress, index);
        let Some(next) = self.plan.layers().get(index + 1) else {
            logits.extend(layer.compute_logits(self.arena));
            self.progress[index].computed += 1;
            return hook.leave(index, &[]);
        };
        if self.progress[index + 1].pushed == 0 {
            stage(self.model, &self.plan, &self.progress, index + 1)
                .pad(self.arena, layer.view.zero_point());
        }
        let rows = layer.compute(self.arena, next);
        self.progress[index].computed = rows.end;
        self.progress[index + 1].pushed = rows.end;
        let map: &[i8] = bytemuck::cast_slice(&self.arena[next.input.clone()]);
        for row in rows.clone() {
            if row > rows.start {
                hook.enter(index);
            }
            hook.leave(index, &map[next.rows.row(row)]);
        }
    }
}

fn stage<'s, 'a>(
    model: &'s Model<'a>,
    plan: &'s Plan,
    progress: &[Progress],
    layer: usize,
) -> Stage<'s, 'a> {
    Stage {
        view: &model.layers()[layer],
        plan: &plan.layers()[layer],
        progress: progress[layer],
    }
}

#[cfg(all(test, feature = "encode"))]
mod tests {
    use super::*;
    use crate::{
        Processor,
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
        let least = model.arena_len();
        for arena_len in [least, least + 4096, least + 16384, 1 << 20] {
            for processor in [Processor::Dsp, Processor::Portable] {
                let plan = model.plan_for(processor, arena_len).unwrap();
                assert!(plan.arena_len() <= arena_len);
                let mut arena = vec![0xA5; plan.arena_len()];
                let interpreter = Interpreter::with_plan(&model, plan, &mut arena);
                assert_interpreter_equals_oracle(interpreter, network, images);
            }
        }
    }

    fn assert_interpreter_equals_oracle(
        mut interpreter: Interpreter,
        network: &crate::encode::Network,
        images: &[Image],
    ) {
        for image in images {
            let mut recorder = Recorder::default();
            let classification = interpreter.classify_with(image, &mut recorder);
            let (mut activations, logits) = oracle::run(network, image);
            activations.push(List::new());
            for (layer, (found, expected)) in recorder.layers.iter().zip(&activations).enumerate() {
                assert!(found == expected, "layer {layer}, {}", interpreter.plan());
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
        // Rows of the image, the same with borders, what comes out, padding and alignment: all of them words.
        assert_eq!(needed, 388 + 4 * 34 * 3 + 16 * 16 * 4 + 4 + 3);
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
