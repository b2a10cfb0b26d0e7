//! Time that passes only when somebody waits.

use core::cell::Cell;

/// A clock that models and waits share.
#[derive(Debug, Default)]
pub struct Time {
    nanoseconds: Cell<u64>,
}

impl Time {
    /// Time zero.
    pub const fn new() -> Self {
        Self { nanoseconds: Cell::new(0) }
    }

    /// Nanoseconds since the start.
    pub const fn nanoseconds(&self) -> u64 {
        self.nanoseconds.get()
    }

    /// Lets time pass.
    pub fn advance(&self, nanoseconds: u64) {
        let now = self.nanoseconds.get();
        self.nanoseconds.set(now.saturating_add(nanoseconds));
    }
}

/// Waits by letting simulated time pass.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedDelay<'t>(pub &'t Time);

impl embedded_hal_async::delay::DelayNs for SimulatedDelay<'_> {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        self.0.advance(u64::from(nanoseconds));
    }
}
