//! Dense layers.

use super::{Costs, Job, Kernel, Need, Place, Turn, dot, parts};
use crate::{ops::OperationKind, step::Step};

/// Every output from every input, four outputs at a time.
pub(crate) struct Dense {
    /// Four dot products of an input, whose length is a multiple of four, with rows of weights.
    pub dot_products: fn(&[i8], &[i8]) -> [i32; 4],
}

impl Kernel for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn fits(&self, step: &Step) -> bool {
        step.kind == OperationKind::Dense
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        Need::rows(step.input.height.into())
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: usize) -> usize {
        1
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, costs: &Costs) -> u64 {
        step.multiply_accumulates() * costs.dense / 4 + step.biases.len() as u64 * costs.dense_output
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        (turn == 0).then(|| Turn { input_rows: step.input.height.into(), output: 0..1 })
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, input_len) = (job.step, job.input_rows.size());
        let places = [job.places.input, job.output, Place::EMPTY, Place::EMPTY];
        let [input, output, ..] = parts(job.arena, places);
        let input: &[i8] = &bytemuck::cast_slice(input)[..input_len];
        let output: &mut [i8] = bytemuck::cast_slice_mut(output);
        for first in (0..step.biases.len()).step_by(4) {
            for (channel, accumulator) in (first..step.biases.len()).zip(self.four(step, input, first)) {
                let epilogue = step.epilogue(channel);
                if step.logits {
                    // There is room for as many as there are labels.
                    let _ = job.logits.push(epilogue.logit(accumulator));
                } else {
                    output[channel] = epilogue.activation(accumulator);
                }
            }
        }
    }
}

impl Dense {
    /// Accumulators without bias of four outputs, fewer at the end. `input` is flattened from `[h, w, c]`.
    fn four(&self, step: &Step, input: &[i8], first: usize) -> [i32; 4] {
        let weights = &step.weights[first * input.len()..];
        if input.len().is_multiple_of(4) && weights.len() >= 4 * input.len() {
            return (self.dot_products)(weights, input);
        }
        let mut sums = [0; 4];
        for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(input.len())) {
            *sum = dot(weights, input);
        }
        sums
    }
}
