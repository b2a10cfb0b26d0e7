//! How long each step of an inference takes, by any clock that a board has.

use shared_model::Hook;
use shared_model::graph::MAX_OPERATIONS;
use shared_model::heapless::Vec;

/// Sums up the time that each step takes over one inference, in units of a clock that counts upwards.
pub struct StepTimes<C> {
    clock: C,
    entered: u64,
    steps: Vec<u64, MAX_OPERATIONS>,
}

impl<C: Fn() -> u64> StepTimes<C> {
    /// Nothing measured yet.
    pub fn new(clock: C) -> Self {
        Self { clock, entered: 0, steps: Vec::new() }
    }

    /// The time of each step so far, first step first.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }
}

impl<C: Fn() -> u64> Hook for StepTimes<C> {
    fn enter(&mut self, step: usize) {
        if step >= self.steps.len() {
            // There are at most as many steps as operations, so that there is room for each.
            let _ = self.steps.resize(step + 1, 0);
        }
        self.entered = (self.clock)();
    }

    fn leave(&mut self, step: usize, _row: &[i8]) {
        let elapsed = (self.clock)() - self.entered;
        if let Some(time) = self.steps.get_mut(step) {
            *time += elapsed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn rows_of_a_step_add_up_and_time_between_rows_counts_for_none() {
        let now = Cell::new(100);
        let wait = |time: u64| now.set(now.get() + time);
        let mut times = StepTimes::new(|| now.get());
        for (step, between, within) in [(0, 7, 1), (0, 5, 2), (1, 3, 40), (0, 0, 4), (2, 9, 500)] {
            wait(between);
            times.enter(step);
            wait(within);
            times.leave(step, &[]);
        }
        assert_eq!(times.steps(), [1 + 2 + 4, 40, 500]);
    }
}
