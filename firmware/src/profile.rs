//! How long each layer takes, by any clock that a board has.

use shared_model::Hook;
use shared_model::graph::MAX_LAYERS;
use shared_model::heapless::Vec;

/// Sums up the time that each layer takes over one inference, in units of a clock that counts upwards.
pub struct LayerTimes<C> {
    clock: C,
    entered: u64,
    layers: Vec<u64, MAX_LAYERS>,
}

impl<C: Fn() -> u64> LayerTimes<C> {
    /// Nothing measured yet.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            entered: 0,
            layers: Vec::new(),
        }
    }

    /// The time of each layer so far, first layer first.
    pub fn layers(&self) -> &[u64] {
        &self.layers
    }
}

impl<C: Fn() -> u64> Hook for LayerTimes<C> {
    fn enter(&mut self, layer: usize) {
        if layer >= self.layers.len() {
            // A network has at most MAX_LAYERS layers, so that there is room for each.
            let _ = self.layers.resize(layer + 1, 0);
        }
        self.entered = (self.clock)();
    }

    fn leave(&mut self, layer: usize, _row: &[i8]) {
        let elapsed = (self.clock)() - self.entered;
        if let Some(time) = self.layers.get_mut(layer) {
            *time += elapsed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn rows_of_a_layer_add_up_and_time_between_rows_counts_for_none() {
        let now = Cell::new(100);
        let wait = |time: u64| now.set(now.get() + time);
        let mut times = LayerTimes::new(|| now.get());
        for (layer, between, within) in [(0, 7, 1), (0, 5, 2), (1, 3, 40), (0, 0, 4), (2, 9, 500)] {
            wait(between);
            times.enter(layer);
            wait(within);
            times.leave(layer, &[]);
        }
        assert_eq!(times.layers(), [1 + 2 + 4, 40, 500]);
    }
}
