//! Tests across crates stand in `tests/`; this library is what they share.

pub mod qemu;
pub mod reference;
