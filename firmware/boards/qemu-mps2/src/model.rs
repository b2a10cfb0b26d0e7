//! The model, in flash.

use core::hint::black_box;

use shared_model::Aligned;

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("MODEL_BLOB")));

/// At least what the model needs, found out by `build.rs`.
pub const ARENA_LEN: usize = include!(concat!(env!("OUT_DIR"), "/arena_len.rs"));

/// The blob, which may be exchanged in flash without a build: the compiler must not compute with its bytes.
pub fn blob() -> &'static [u8] {
    &black_box(BLOB).0
}
