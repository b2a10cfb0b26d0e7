//! Random faults.

use camera_models::Injection;
use oorandom::Rand32;

/// One attempt in so many is disturbed.
const RARITY: u32 = 3;
/// The longest fault, in transactions.
const LONGEST: u32 = 40;

/// Where, when and how a camera fails, decided by a seed.
pub struct Disturbance(Rand32);

impl Disturbance {
    /// Every seed gives other faults, and the same ones each time.
    pub fn new(seed: u64) -> Self {
        Self(Rand32::new(seed))
    }

    /// A fault for the next attempt, or none. `transactions` are those so far, and the fault begins within the next `span`.
    pub fn next<K: Copy>(
        &mut self,
        faults: &[K],
        transactions: u32,
        span: u32,
    ) -> Option<Injection<K>> {
        if self.0.rand_range(0..RARITY) != 0 {
            return None;
        }
        let fault = *faults.get(self.0.rand_range(0..faults.len() as u32) as usize)?;
        Some(Injection {
            fault,
            first: transactions + self.0.rand_range(0..span),
            count: self.0.rand_range(1..LONGEST + 1),
        })
    }
}
