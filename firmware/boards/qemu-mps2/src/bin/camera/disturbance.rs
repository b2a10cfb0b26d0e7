//! Random faults.

use camera_models::Injection;
use oorandom::Rand32;

/// One attempt in so many is disturbed.
const RARITY: u32 = 4;
/// The longest fault, in transactions.
const LONGEST: u32 = 20;

/// Where, when and how a camera fails, decided by a seed.
pub struct Disturbance(Option<Rand32>);

impl Disturbance {
    /// Every seed gives other faults, and the same ones each time; none gives none.
    pub fn new(seed: Option<u64>) -> Self {
        Self(seed.map(Rand32::new))
    }

    /// A fault for the next attempt, or none. `transactions` are those so far, and the fault begins within the next `span`.
    pub fn next<K: Copy>(
        &mut self,
        faults: &[K],
        transactions: u32,
        span: u32,
    ) -> Option<Injection<K>> {
        let numbers = self.0.as_mut()?;
        if numbers.rand_range(0..RARITY) != 0 {
            return None;
        }
        let fault = *faults.get(numbers.rand_range(0..faults.len() as u32) as usize)?;
        Some(Injection {
            fault,
            first: transactions + numbers.rand_range(0..span),
            count: numbers.rand_range(1..LONGEST + 1),
        })
    }
}
