//! Which kernel computes each step, and where in the arena everything is.
//!
//! Steps form *segments*. The input and the output of a segment are whole feature maps; within it, a step computes a few rows as
//! soon as the rows that they need are there, and only the rows that are still needed exist. The maps lie at either end of the
//! arena in turn, so that a segment's output is the next one's input where it is; between them lie the rows within the
//! segment, what kernels keep, and the scratch memory that they take turns to use.
//!
//! A segment of convolutions may also compute *in place*: its output lies at the start of the arena and overwrites the rows of its
//! input that no turn reads any more. The input is moved behind the start before, as far as that needs.

mod layout;
mod search;

use crate::{
    Backend,
    graph::MAX_OPERATIONS,
    kernels::{Kernel, Place, Places},
    rows::Rows,
    step::Step,
};
use core::fmt;
use heapless::Vec;

pub(crate) use search::{fastest, least_arena_len};

/// The most steps of a segment.
pub(crate) const MAX_SEGMENT: usize = 3;

/// How a network is computed in an arena of a certain length.
///
/// Kept small, for the stack of a microcontroller: where everything lies is found out again, a segment at a time.
#[derive(Clone)]
pub struct Plan<'m, 'a> {
    backend: &'static Backend,
    steps: &'m [Step<'a>],
    /// One for each step.
    choices: Vec<Choice, MAX_OPERATIONS>,
    words: usize,
    instructions: u64,
}

/// How one step is computed.
#[derive(Clone, Copy, Default)]
struct Choice {
    size: u16,
    /// Index in the backend's table.
    kernel: u8,
    begins: Begins,
}

/// What begins with a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begins {
    /// It continues a segment.
    #[default]
    Nothing,
    /// A segment whose output lies apart from its input.
    Apart,
    /// A segment whose output overwrites its input.
    InPlace(Height),
}

/// How many times the rows of its lowest turn a step computes in a turn, where its segment is in place: one, unless it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Height {
    One = 1,
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Height {
    const ALL: [Self; 4] = [Self::One, Self::Two, Self::Four, Self::Eight];
}

/// How one step is computed and where its memory is.
#[derive(Clone)]
pub struct StepPlan {
    pub(crate) kernel: &'static dyn Kernel,
    pub(crate) places: Places,
    size: usize,
    pub(crate) rows: Rows,
    /// How many times the rows of its lowest turn a turn computes.
    pub(crate) height: usize,
}

impl StepPlan {
    /// Name of the kernel.
    pub fn kernel_name(&self) -> &'static str {
        self.kernel.name()
    }

    /// Of the kernel's sizes the one that is taken, from 1 on: the larger, the more memory, and the fewer times a filter is
    /// transformed.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How often an inference fetches each of the weights of `step`, which this is the plan of, from the blob.
    pub fn weight_fetches(&self, step: &Step) -> usize {
        self.kernel.weight_fetches(step, self.size, self.height)
    }
}

/// A segment, laid out.
#[derive(Clone)]
pub(crate) struct SegmentPlan {
    /// The first of its steps.
    pub first: usize,
    pub steps: Vec<StepPlan, MAX_SEGMENT>,
    /// Where its output goes, all of it: nowhere, if that is the logits.
    pub output: Place,
    /// Whether its output lies at the start of the arena.
    is_output_first: bool,
}

/// The arena's first word may begin three bytes behind its first byte.
pub(crate) const ALIGNMENT_SLACK: usize = size_of::<u32>() - 1;

impl Plan<'_, '_> {
    /// The first segment.
    pub(crate) fn first_segment(&self) -> SegmentPlan {
        layout::segment(self, 0, true)
    }

    /// The segment behind another one; `None` after the last.
    pub(crate) fn next_segment(&self, segment: &SegmentPlan) -> Option<SegmentPlan> {
        let first = segment.first + segment.steps.len();
        (first < self.steps.len()).then(|| layout::segment(self, first, segment.is_output_first))
    }

    /// The steps in the order of computation.
    pub fn steps(&self) -> impl Iterator<Item = StepPlan> {
        let segments = core::iter::successors(Some(self.first_segment()), |segment| self.next_segment(segment));
        segments.flat_map(|segment| segment.steps)
    }

    /// Bytes of the arena that are used, wherever it begins.
    pub fn arena_len(&self) -> usize {
        self.words * size_of::<u32>() + ALIGNMENT_SLACK
    }

    /// An estimate of the instructions of an inference, by which plans on the same backend are compared.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }
}

/// A table with a line for each step.
impl fmt::Display for Plan<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "step  kernel         size  input rows  input bytes  kept bytes  scratch  weight fetches")?;
        for (index, (step, of)) in self.steps().zip(self.steps).enumerate() {
            let Places { input, kept, scratch, overlay } = step.places;
            let [input, kept, scratch, overlay] =
                [input, kept, scratch, overlay].map(|place| place.range().len() * size_of::<u32>());
            writeln!(
                f,
                "{index:4}  {:13}  {:4}  {:3} of {:3}  {input:11}  {kept:10}  {:7}  {:14}",
                step.kernel.name(),
                step.size,
                step.rows.kept,
                step.rows.height,
                scratch + overlay,
                step.weight_fetches(of),
            )?;
        }
        let len = self.arena_len();
        let millions = self.instructions.div_ceil(1_000_000);
        write!(f, "arena: {len} bytes; about {millions} million instructions")
    }
}

impl fmt::Debug for Plan<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Backend, Model, Shape,
        encode::encode,
        testing::{Plain, network},
    };
    use std::{format, vec::Vec as List};

    #[test]
    fn steps_and_plans_for_a_person() {
        let (convolution, dense) = (|channels| Plain::Convolution(channels, true), Plain::Dense(2, false));
        let operations = [
            Plain::MaxPool,
            convolution(8),
            convolution(40),
            Plain::MaxPool,
            convolution(9),
            Plain::AveragePool,
            dense,
        ];
        let blob = encode(&network(1, Shape::new(40, 24, 3), &operations)).unwrap();
        let model = Model::load(&blob).unwrap();
        let steps: List<_> = model.steps().iter().map(|step| format!("{step:?}")).collect();
        let expected = [
            "max pool 40x24x3 -> 20x12x3",
            "convolution 20x12x3 -> 20x12x8",
            "convolution + max pool 20x12x8 -> 10x6x40",
            "convolution 10x6x40 -> 10x6x9",
            "average pool 10x6x9 -> 1x1x9",
            "dense 1x1x9 -> 1x1x2",
        ];
        assert_eq!(steps, expected);
        let plan = |backend, arena_len| format!("{}", model.plan_on(backend, arena_len).unwrap());
        let expected = [
            "step  kernel         size  input rows  input bytes  kept bytes  scratch  weight fetches",
            "   0  max pool          1    2 of  40          148           0        0               0",
            "   1  im2col            1    3 of  20          112         448      320               1",
            "   2  winograd          4   20 of  20         1928           0    20736               1",
            "   3  winograd          2   10 of  10         2440           0    31104               1",
            "   4  average pool      1   10 of  10          552          36        0               0",
            "   5  dense             1    1 of   1           20           0        0               1",
            "arena: 31659 bytes; about 1 million instructions",
        ];
        assert_eq!(plan(Backend::ARM_DSP, 48 * 1024), expected.join("\n"));
        let expected = [
            "step  kernel         size  input rows  input bytes  kept bytes  scratch  weight fetches",
            "   0  max pool          1    2 of  40          148           0        0               0",
            "   1  blocked           1    5 of  20          184        1340     4824               1",
            "   2  blocked           1    8 of  20          776        4924     6820               1",
            "   3  blocked           1   10 of  10         2440       11708     7172               1",
            "   4  average pool      1    6 of  10          336          36        0               0",
            "   5  dense             1    1 of   1           20           0        0               1",
            "arena: 21715 bytes; about 1 million instructions",
        ];
        assert_eq!(plan(Backend::VNNI, 1 << 20), expected.join("\n"));
    }
}
