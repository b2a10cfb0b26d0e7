//! Runs the programs of `qemu-mps2` in QEMU and decodes what it reports: for `cargo run`, for the tests and for `tests/bench`.
//!
//! It runs on the host and stands here because it must decode exactly what the board's defmt encodes.

pub mod camera;
pub mod picture;
mod process;
pub mod protocol;
pub mod session;
