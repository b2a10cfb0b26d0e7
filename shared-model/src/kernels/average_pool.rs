//! Global average pools.

use super::{Costs, Job, Kernel, Need, Place, Places, Turn, parts};
use crate::{ops::OperationKind, step::Step};

/// Sums up the rows as they come, and makes means of the sums after the last one.
pub(crate) struct AveragePool;

/// Instructions for one input and, beside them, for a pixel, about.
const INSTRUCTIONS: [u64; 2] = [10, 200];

impl Kernel for AveragePool {
    fn name(&self) -> &'static str {
        "average pool"
    }

    fn fits(&self, step: &Step) -> bool {
        step.kind == OperationKind::AveragePool
    }

    fn need(&self, step: &Step, _: usize) -> Need {
        Need { kept: step.input.channels.into(), ..Need::rows(1) }
    }

    fn weight_fetches(&self, _: &Step, _: usize, _: usize) -> usize {
        0
    }

    fn instructions(&self, step: &Step, _: usize, _: usize, _: &Costs) -> u64 {
        let pixels = u64::from(step.input.height) * u64::from(step.input.width);
        let [value, pixel] = INSTRUCTIONS;
        value * step.input.elements() as u64 + pixel * pixels
    }

    fn turn(&self, step: &Step, turn: usize, _: usize) -> Option<Turn> {
        let height = usize::from(step.input.height);
        (turn < height).then(|| Turn { input_rows: turn + 1, output: 0..usize::from(turn + 1 == height) })
    }

    fn run(&self, job: Job<'_, '_>) {
        let (step, turn) = (job.step, job.turn);
        let row = job.input_rows.row(turn);
        let is_last = !job.rows.is_empty();
        let mean = job.output_rows.row(0);
        let Places { input, kept, .. } = job.places;
        let [input, sums, output, _] = parts(job.arena, [input, kept, job.output, Place::EMPTY]);
        let input: &[i8] = bytemuck::cast_slice(input);
        let sums: &mut [i32] = bytemuck::cast_slice_mut(sums);
        if turn == 0 {
            sums.fill(0);
        }
        for pixel in input[row].chunks_exact(sums.len()) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value);
            }
        }
        if is_last {
            let output: &mut [i8] = &mut bytemuck::cast_slice_mut(output)[mean];
            for (channel, (value, &sum)) in output.iter_mut().zip(&*sums).enumerate() {
                *value = step.epilogue(channel).activation(sum);
            }
        }
    }
}
