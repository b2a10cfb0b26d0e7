//! The forward pass, a few rows at a time.

use crate::{
    Backend, Classification, Model,
    graph::{INPUT_SIDES, MAX_INPUT_CHANNELS, MAX_LABELS},
    kernels::{Job, Place, Turn},
    plan::{ALIGNMENT_SLACK, MAX_SEGMENT, Plan, SegmentPlan},
    rows::Rows,
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

/// A picture, or a row of one, of another length than the network's input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {needed} bytes, but was given {given}")]
pub struct WrongLength {
    /// In bytes.
    pub needed: usize,
    /// In bytes.
    pub given: usize,
}

/// Told about every row of every step; `()` is the hook that costs nothing.
///
/// Steps take turns, a few rows at a time: a step may begin long before the one before it has ended.
pub trait Hook {
    /// `step` begins to compute some rows of its output.
    fn enter(&mut self, step: usize) {
        let _ = step;
    }

    /// `step` has computed `row`, `[w, c]`; empty for the step whose output is the logits, and where rows were only taken in.
    /// Rows come from top to bottom, each after its own [`Self::enter`]; of rows that are computed together, the first one takes
    /// all the time. The output of a dense layer is one row. A row that no later step needs may be left out: the last of an odd number
    /// before a pool.
    fn leave(&mut self, step: usize, row: &[i8]) {
        let _ = (step, row);
    }
}

impl Hook for () {}

/// Bytes of the longest row of a picture.
const MAX_ROW: usize = *INPUT_SIDES.end() as usize * MAX_INPUT_CHANNELS;

/// How far a step is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Rows of input so far.
    rows: u16,
    turns: u16,
}

/// A model together with an arena that is large enough for it.
///
/// The larger the arena, the fewer instructions an inference takes: see [`Plan`].
pub struct Interpreter<'m, 'a> {
    model: &'m Model<'a>,
    plan: Plan<'m, 'a>,
    arena: &'m mut [u32],
    /// The one at work.
    segment: SegmentPlan,
    /// Of each of its steps.
    progress: [Progress; MAX_SEGMENT],
    logits: Vec<i32, MAX_LABELS>,
    /// Rows of the picture so far.
    pushed: usize,
}

impl<'m, 'a> Interpreter<'m, 'a> {
    /// Makes the fastest plan for an arena, whose content and alignment do not matter.
    ///
    /// # Errors
    ///
    /// If the arena is smaller than [`Model::arena_len`].
    pub fn new(model: &'m Model<'a>, arena: &'m mut [u8]) -> Result<Self, ArenaTooSmall> {
        Self::on(Backend::native(), model, arena)
    }

    /// Like [`Self::new`], on another backend: what a microcontroller computes, and in which memory, can so be tested elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn on(backend: &'static Backend, model: &'m Model<'a>, arena: &'m mut [u8]) -> Result<Self, ArenaTooSmall> {
        let given = arena.len();
        let plan = model
            .plan_on(backend, given)
            .ok_or_else(|| ArenaTooSmall { needed: model.arena_len_on(backend), given })?;
        let words = plan.arena_len() - ALIGNMENT_SLACK;
        let start = arena.as_ptr().align_offset(size_of::<u32>());
        Ok(Self {
            model,
            arena: bytemuck::cast_slice_mut(&mut arena[start..][..words]),
            segment: plan.first_segment(),
            plan,
            progress: Default::default(),
            logits: Vec::new(),
            pushed: 0,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'a> {
        self.model
    }

    /// How the network is computed.
    pub fn plan(&self) -> &Plan<'m, 'a> {
        &self.plan
    }

    /// The logits and the class of one picture of the network's shape, `[h, w, c]`, 0 … 255.
    ///
    /// # Errors
    ///
    /// If the picture has another length.
    pub fn classify(&mut self, picture: &[u8]) -> Result<Classification, WrongLength> {
        self.classify_with(picture, &mut ())
    }

    /// Like [`Self::classify`], with a hook that is told about every row.
    ///
    /// # Errors
    ///
    /// As [`Self::classify`].
    pub fn classify_with(&mut self, picture: &[u8], hook: &mut impl Hook) -> Result<Classification, WrongLength> {
        let (needed, given) = (self.model.input_shape().elements(), picture.len());
        if needed != given {
            return Err(WrongLength { needed, given });
        }
        self.restart();
        let mut classification = None;
        for row in picture.chunks_exact(self.model.input_shape().row_len()) {
            classification = self.push(row, hook);
        }
        Ok(classification.expect("a picture has all rows"))
    }

    /// Whether the blob's known answer holds: the self-test at boot, and before a new model is taken over.
    pub fn known_answer_holds(&mut self) -> bool {
        let mut row = [0; MAX_ROW];
        let row = &mut row[..self.model.input_shape().row_len()];
        let mut pixels = self.model.known_pixels();
        self.restart();
        loop {
            row.iter_mut().zip(&mut pixels).for_each(|(value, pixel)| *value = pixel);
            if let Some(classification) = self.push(row, &mut ()) {
                let logits = self.model.graph().known_answer.logits;
                return logits == *classification.logits.as_slice();
            }
        }
    }

    /// Forgets the rows of a picture that was not finished.
    pub fn restart(&mut self) {
        self.pushed = 0;
    }

    /// Takes the next row of a picture, `[w, c]`, and computes what can be computed from the rows so far. After the last row, gives
    /// the classification, and the next row begins another picture.
    ///
    /// So a picture need not exist as a whole.
    ///
    /// # Errors
    ///
    /// If the row has another length; it is not taken then.
    pub fn push_row(&mut self, row: &[u8], hook: &mut impl Hook) -> Result<Option<Classification>, WrongLength> {
        let (needed, given) = (self.model.input_shape().row_len(), row.len());
        if needed != given {
            return Err(WrongLength { needed, given });
        }
        Ok(self.push(row, hook))
    }

    /// Takes a row of the right length.
    fn push(&mut self, row: &[u8], hook: &mut dyn Hook) -> Option<Classification> {
        let input = self.model.input_shape();
        if self.pushed == 0 {
            self.segment = self.plan.first_segment();
            self.progress = Default::default();
            self.logits.clear();
            self.pad_input();
        }
        // The last row may not be needed; what it would be computed from may be overwritten by then.
        if self.logits.is_empty() {
            let plan = &self.segment.steps[0];
            let place = plan.rows.row(self.pushed);
            let values: &mut [i8] = bytemuck::cast_slice_mut(&mut self.arena[plan.places.input.range()]);
            center(&mut values[place], row);
            self.progress[0].rows += 1;
            self.advance(hook);
        }
        self.pushed = (self.pushed + 1) % usize::from(input.height);
        (self.pushed == 0).then(|| Classification::new(self.logits.clone(), self.model.graph().logit_fraction_bits))
    }

    /// Computes every row that can be computed from the rows of the picture so far.
    ///
    /// After a step has given rows, it's the turn of the step behind it, which takes all it can before more rows come: so a
    /// row is never overwritten before it has been used. After the last row of a segment, the next segment has its whole input.
    fn advance(&mut self, hook: &mut dyn Hook) {
        let mut index = 0;
        loop {
            let last = self.segment.steps.len() - 1;
            match self.next_turn(index) {
                Next::Turn(turn) => {
                    self.compute(index, turn, hook);
                    index = last.min(index + 1);
                }
                Next::Done if index == last => {
                    let Some(next) = self.plan.next_segment(&self.segment) else {
                        return;
                    };
                    let map = self.segment.output;
                    self.segment = next;
                    self.progress = Default::default();
                    let plan = &self.segment.steps[0];
                    self.progress[0].rows = plan.rows.height as u16;
                    let place = plan.places.input;
                    if place != map {
                        self.arena.copy_within(map.range(), place.range().start);
                    }
                    self.pad_input();
                    index = 0;
                }
                Next::Waits | Next::Done => match index.checked_sub(1) {
                    Some(previous) => index = previous,
                    None => return,
                },
            }
        }
    }

    /// Writes the padding of the segment's input.
    fn pad_input(&mut self) {
        let (plan, first) = (&self.segment.steps[0], &self.model.steps()[self.segment.first]);
        pad(self.arena, plan.places.input, plan.rows, &first.padding);
    }

    /// What a step of the segment does next.
    fn next_turn(&self, index: usize) -> Next {
        let plan = &self.segment.steps[index];
        let step = &self.model.steps()[self.segment.first + index];
        let Progress { rows, turns } = self.progress[index];
        match plan.kernel.turn(step, turns.into(), plan.height) {
            Some(turn) if turn.input_rows <= rows.into() => Next::Turn(turn),
            Some(_) => Next::Waits,
            None => Next::Done,
        }
    }

    fn compute(&mut self, index: usize, turn: Turn, hook: &mut dyn Hook) {
        let place = self.segment.first + index;
        let step = &self.model.steps()[place];
        let next = self.model.steps().get(place + 1);
        hook.enter(place);
        let (output, output_rows) = match (self.segment.steps.get(index + 1), next) {
            (Some(plan), Some(next)) => {
                if self.progress[index].turns == 0 {
                    pad(self.arena, plan.places.input, plan.rows, &next.padding);
                }
                (plan.places.input, plan.rows)
            }
            (None, _) | (Some(_), None) => (self.segment.output, Rows::new(step.output, step.output.height.into())),
        };
        let plan = &self.segment.steps[index];
        plan.kernel.run(Job {
            step,
            size: plan.size(),
            turn: self.progress[index].turns.into(),
            rows: turn.output.clone(),
            arena: self.arena,
            places: plan.places,
            input_rows: plan.rows,
            output,
            output_rows,
            logits: &mut self.logits,
        });
        self.progress[index].turns += 1;
        if next.is_none() || turn.output.is_empty() {
            return hook.leave(place, &[]);
        }
        if let Some(progress) = self.progress.get_mut(index + 1) {
            // A tensor has at most 2^16 rows.
            progress.rows = turn.output.end as u16;
        }
        let map: &[i8] = bytemuck::cast_slice(&self.arena[output.range()]);
        for row in turn.output.clone() {
            if row > turn.output.start {
                hook.enter(place);
            }
            hook.leave(place, &map[output_rows.row(row)]);
        }
    }
}

/// What a step does next.
enum Next {
    /// Computes.
    Turn(Turn),
    /// Waits for rows.
    Waits,
    /// Nothing more.
    Done,
}

/// Pixels to values, 128 less, four at a time.
fn center(values: &mut [i8], pixels: &[u8]) {
    let ((values, last_values), (pixels, last_pixels)) = (values.as_chunks_mut::<4>(), pixels.as_chunks());
    for (values, &pixels) in values.iter_mut().zip(pixels) {
        *values = (u32::from_ne_bytes(pixels) ^ 0x8080_8080).to_ne_bytes().map(|value| value as i8);
    }
    for (value, pixel) in last_values.iter_mut().zip(last_pixels) {
        *value = (pixel ^ 0x80) as i8;
    }
}

/// Writes the padding behind the rows of a step's input, before the first of them.
pub(crate) fn pad(arena: &mut [u32], input: Place, rows: Rows, padding: &[i8]) {
    let input: &mut [i8] = bytemuck::cast_slice_mut(&mut arena[input.range()]);
    let pixel = &mut input[rows.padding()];
    for (value, &padding) in pixel.iter_mut().zip(padding.iter().cycle()) {
        *value = padding;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Shape, Step,
        encode::{Network, encode, repair_crc},
        testing::{Numbers, Plain, any_network, convolution, network, oracle},
    };
    use proptest::prelude::*;
    use std::{vec, vec::Vec as List};

    const CIFAR: Shape = Shape::new(32, 32, 3);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// On every backend, with every choice of kernels that an arena of the least length, or of a multiple of 256 bytes more, leads to.
        #[test]
        fn random_networks(seed in any::<u64>()) {
            let network = any_network(seed);
            let picture = Numbers(seed).picture(network.input);
            let blob = encode(&network).unwrap();
            let model = Model::load(&blob).unwrap();
            let answer = oracle(&model, &picture);
            for backend in Backend::ALL {
                let least = model.arena_len_on(backend);
                assert!(model.plan_on(backend, least - 1).is_none());
                let largest = model.plan_on(backend, 1 << 26).unwrap();
                let mut before = (0, u64::MAX);
                let mut kernels = List::new();
                for arena_len in (least..largest.arena_len() + 256).step_by(256) {
                    let plan = model.plan_on(backend, arena_len).unwrap();
                    let after = (plan.arena_len(), plan.instructions());
                    assert!(after.0 <= arena_len && after.1 <= before.1, "{plan}");
                    let found: List<_> = plan.steps().map(|step| step.kernel_name()).collect();
                    if found != kernels {
                        let mut arena = vec![0xA5; plan.arena_len()];
                        let mut interpreter = Interpreter::on(backend, &model, &mut arena).unwrap();
                        answer.assert_computed_by(&mut interpreter, &picture);
                        assert!(interpreter.known_answer_holds());
                    }
                    (before, kernels) = (after, found);
                }
                assert_eq!(before, (largest.arena_len(), largest.instructions()));
            }
        }
    }

    /// The property above would mean little if saturation made most networks blind.
    #[test]
    fn most_random_networks_tell_pictures_apart() {
        let tells_apart = |&seed: &u64| {
            let network = any_network(seed);
            let blob = encode(&network).unwrap();
            let model = Model::load(&blob).unwrap();
            let logits = |seed| oracle(&model, &Numbers(seed).picture(network.input)).logits;
            logits(3) != logits(4)
        };
        let telling = (0..64).filter(tells_apart).count();
        assert!(telling > 32, "only {telling} of 64");
    }

    /// Convolutions, each with or without a pool behind it, and dense layers.
    fn vgg(seed: u64, convolutions: &[(u16, bool)], dense: &[u16]) -> Network<'static> {
        let convolutions = convolutions.iter();
        let mut operations: List<_> = convolutions.flat_map(|&(channels, pool)| convolution(channels, pool)).collect();
        operations.extend(dense.iter().map(|&outputs| Plain::Dense(outputs, false)));
        network(seed, CIFAR, &operations)
    }

    /// A plan that a fault in the count of arriving rows would spoil.
    #[test]
    fn rows_that_arrive_at_once_fit() {
        let widths = [(8, true), (20, false), (8, false), (4, true), (4, false)];
        let blob = encode(&vgg(6, &widths, &[3])).unwrap();
        let model = Model::load(&blob).unwrap();
        let mut arena = vec![0; 12_867];
        let mut interpreter = Interpreter::on(Backend::ARM_DSP, &model, &mut arena).unwrap();
        let plan = interpreter.plan();
        let is_winograd = plan.steps().any(|step| step.kernel_name() == "winograd");
        assert!(is_winograd, "{plan}");
        let mut numbers = Numbers(7);
        for _ in 0..4 {
            let picture = numbers.picture(CIFAR);
            oracle(&model, &picture).assert_computed_by(&mut interpreter, &picture);
        }
    }

    fn committed_shapes() -> Network<'static> {
        let widths = [32, 64, 128].map(|width| [(width, false), (width, true)]);
        vgg(8, &widths.concat(), &[128, 10])
    }

    /// The plans of the committed network: what the README promises of memory, and the instructions by which plans are compared.
    #[test]
    fn plans_of_the_committed_shapes() {
        let blob = encode(&committed_shapes()).unwrap();
        let model = Model::load(&blob).unwrap();
        let of_operations = model.operations().map(|view| view.operation.multiply_accumulates(view.input));
        assert_eq!(of_operations.sum::<u64>(), 38_896_896);
        assert_eq!(model.steps().iter().map(Step::multiply_accumulates).sum::<u64>(), 38_896_896);
        let plan_on = |backend, arena_len| {
            let plan = model.plan_on(backend, arena_len).unwrap();
            let steps = plan.steps().zip(model.steps());
            let choices = steps.map(|(plan, step)| (plan.kernel_name(), plan.size(), plan.weight_fetches(step)));
            let costs = (plan.arena_len(), plan.instructions());
            (costs, choices.collect::<List<_>>())
        };
        let plan = |arena_len| plan_on(Backend::ARM_DSP, arena_len);
        let (first, dense) = (("im2col", 1, 1), ("dense", 1, 1));
        let fast = [(2, 8), (2, 2), (1, 4), (1, 1), (1, 1)];
        let fast = fast.map(|(size, fetches)| ("winograd", size, fetches));
        let fast = [&[first], &fast[..], &[dense; 2]].concat();
        assert_eq!(plan(49_152), ((47_523, 14_496_520), fast.clone()));
        // What `tests/bench` counts.
        for (backend, counted) in [
            (Backend::ARM_DSP, 14_584_640),
            (Backend::ARM_V7M, 27_143_520),
            (Backend::ARM_V6M, 63_474_200),
            (Backend::RV32IM, 46_062_064_u64),
        ] {
            let ((arena_len, instructions), choices) = plan_on(backend, 49_152);
            assert_eq!((arena_len, &choices), (47_523, &fast), "{backend:?}");
            assert!(
                instructions.abs_diff(counted) < counted / 50,
                "{backend:?}: {instructions}, but {counted} are counted"
            );
        }
        let lean = [(3, 48), (4, 16)].map(|(size, fetches)| ("row-streaming", size, fetches));
        let pieces = [(3, 4), (5, 1), (6, 1)].map(|(size, fetches)| ("winograd-pieces", size, fetches));
        let lean = [&[first], &lean[..], &pieces, &[dense; 2]].concat();
        assert_eq!(plan(20_480), ((20_419, 26_183_560), lean));
        assert_eq!(model.arena_len_on(Backend::ARM_DSP), 15_875);
        let ((arena_len, instructions), choices) = plan_on(Backend::HELIUM, 49_152);
        assert!(choices[..6].iter().all(|(kernel, ..)| *kernel == "patches"), "{choices:?}");
        // What `tests/bench` counts.
        let counted = 5_299_219_u64;
        let is_close = instructions.abs_diff(counted) < counted / 50;
        assert!(arena_len == 22_531 && is_close, "{arena_len}; {instructions}, but {counted} are counted");
    }

    /// [`random_networks`] proves it of other networks.
    #[test]
    fn a_larger_arena_is_never_slower() {
        let blob = encode(&committed_shapes()).unwrap();
        let model = Model::load(&blob).unwrap();
        for backend in Backend::ALL {
            let least = model.arena_len_on(backend);
            let largest = model.plan_on(backend, 1 << 26).unwrap();
            let arenas = (least..largest.arena_len() + 256).step_by(256);
            let instructions = arenas.map(|arena_len| model.plan_on(backend, arena_len).unwrap().instructions());
            let instructions: List<_> = instructions.collect();
            assert!(instructions.is_sorted_by(|small, large| small >= large), "{backend:?}: {instructions:?}");
            assert_eq!(instructions.last(), Some(&largest.instructions()));
        }
    }

    #[test]
    fn arenas_pictures_and_rows_of_another_length_are_refused() {
        let blob = encode(&vgg(3, &[(4, true)], &[2])).unwrap();
        let model = Model::load(&blob).unwrap();
        let needed = model.arena_len();
        // Rows of the picture, the same with borders, what comes out, padding and alignment: all of them words.
        assert_eq!(needed, 388 + 4 * 34 * 3 + 16 * 16 * 4 + 4 + 3);
        let given = needed - 1;
        let error = Interpreter::new(&model, &mut vec![0; given]).err();
        assert_eq!(error, Some(ArenaTooSmall { needed, given }));
        let mut arena = vec![0; needed];
        let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
        for given in [0, 3071, 3073] {
            let error = interpreter.classify(&vec![0; given]).unwrap_err();
            let needed = 3072;
            assert_eq!(error, WrongLength { needed, given });
        }
        let picture = Numbers(1).picture(CIFAR);
        let expected = interpreter.classify(&picture).unwrap();
        // A refused row changes nothing, and a picture that was not finished is forgotten.
        assert_eq!(interpreter.push_row(&picture[..96], &mut ()), Ok(None));
        assert!(interpreter.push_row(&picture[..95], &mut ()).is_err());
        interpreter.restart();
        assert_eq!(interpreter.push_row(&picture[..96], &mut ()), Ok(None));
        assert_eq!(interpreter.classify(&picture), Ok(expected));
    }

    #[test]
    fn a_wrong_known_answer_is_no_load_error_but_noticed() {
        let mut blob = encode(&vgg(3, &[(4, true)], &[2])).unwrap();
        let biases = Model::load(&blob).unwrap().steps()[1].biases;
        let bias = biases.as_ptr().addr() - blob.as_ptr().addr();
        for (bits, holds) in [(0, true), (0x40, false)] {
            blob[bias + 1] ^= bits;
            repair_crc(&mut blob);
            let model = Model::load(&blob).unwrap();
            let mut arena = vec![0; model.arena_len()];
            let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
            assert_eq!(interpreter.known_answer_holds(), holds);
        }
    }
}
