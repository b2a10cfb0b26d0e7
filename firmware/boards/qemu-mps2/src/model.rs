//! The model, in flash.

use core::hint::black_box;

use shared_model::Aligned;

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_BLOB")));

/// Bytes of a picture and of an arena, found out by `build.rs`.
const MEMORY: (usize, usize) = include!(concat!(env!("OUT_DIR"), "/model_memory.rs"));

/// Bytes of a picture of the model's shape.
pub const PICTURE_LEN: usize = MEMORY.0;

/// At least what the model needs.
pub const ARENA_LEN: usize = MEMORY.1;

/// Bytes of both.
pub const MEMORY_LEN: usize = PICTURE_LEN + ARENA_LEN;

/// The blob, which may be exchanged in flash without a build: the compiler must not compute with its bytes.
pub fn blob() -> &'static [u8] {
    &black_box(BLOB).0
}
