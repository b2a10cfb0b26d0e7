//! The memory that a model gets.

use flash_model::LEAST_ARENA_LEN;
pub use flash_model::PICTURE_LEN;

/// Enough for the fastest plan of the committed model; a run may take a part of it.
const FAST_ARENA_LEN: usize = 64 * 1024;

/// Bytes of an arena, at least what the model that is built in needs.
pub const ARENA_LEN: usize = if LEAST_ARENA_LEN > FAST_ARENA_LEN { LEAST_ARENA_LEN } else { FAST_ARENA_LEN };

/// Bytes of a picture of that model and of the arena.
pub const MEMORY_LEN: usize = PICTURE_LEN + ARENA_LEN;
