//! Bringing up a board: asks it for what it can find out about itself and its camera, looks at frames, and says of each stage what the
//! matter is and what to try next.
//!
//! `evidence` collects, `judge` turns that into checks, `bars` and `card` look at pictures.

mod bars;
mod card;
mod evidence;
mod judge;

pub use card::Turn;
pub use evidence::{Diagnosis, Evidence, Examined, OFF, Outcome, Register, Seen, Trouble};
pub use judge::{Check, Verdict, checks};
