//! Maximum pools that no convolution takes in.

use super::{Costs, Job, Kernel, Need, Turn, pair};
use crate::{ops::OperationKind, step::Step};

/// A 2×2 maximum pool with stride 2, a row of output at a time.
pub(crate) struct MaxPool;

/// Instructions for one output, about.
const INSTRUCTIONS: u64 = 16;

impl Kernel for MaxPool {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn fits(&self, step: &Step) -> bool {
        step.kind == OperationKind::MaxPool
    }

    fn need(&self, _: &Step, _: usize) -> Need {
        Need::rows(2)
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: usize) -> usize {
        0
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, _: &Costs) -> u64 {
        INSTRUCTIONS * step.output.elements() as u64
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        (turn < step.output.height.into()).then(|| Turn { input_rows: 2 * (turn + 1), output: turn..turn + 1 })
    }

    fn run(&self, job: Job<'_, '_>) {
        let channels = usize::from(job.step.input.channels);
        let [top, bottom] = [0, 1].map(|row| job.input_rows.row(2 * job.turn + row));
        let row = job.output_rows.row(job.turn);
        let (input, output) = pair(job.arena, job.places.input, job.output);
        let input: &[i8] = bytemuck::cast_slice(input);
        let output: &mut [i8] = &mut bytemuck::cast_slice_mut(output)[row];
        let pairs = input[top].chunks_exact(2 * channels);
        let pairs = pairs.zip(input[bottom].chunks_exact(2 * channels));
        for ((top, bottom), pixel) in pairs.zip(output.chunks_exact_mut(channels)) {
            let windows = top.iter().zip(&top[channels..]);
            let windows = windows.zip(bottom.iter().zip(&bottom[channels..]));
            for (((a, b), (c, d)), value) in windows.zip(pixel) {
                *value = *a.max(b).max(c).max(d);
            }
        }
    }
}
