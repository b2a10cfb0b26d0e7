//! Tests across crates stand in `tests/`; this library is what they share.

pub mod blob_bytes;
pub mod networks;
pub mod oracle;
pub mod qemu;
pub mod recorder;
pub mod reference;
