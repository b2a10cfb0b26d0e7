#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! Cameras without a camera: register-level models that the real drivers talk to, on a host and in QEMU.
//!
//! A model knows its registers from the manufacturer's documents and not from the driver, lives in simulated [`Time`], sees a
//! [`Scene`], and fails on request: an [`Injection`] makes any transaction fail, and as many as wanted after it.

pub mod arducam_mega;
mod injection;
pub mod ov2640;
mod scene;
mod time;

pub use injection::{Injection, Injector};
pub use scene::{Scene, Sight, Stage};
pub use time::{SimulatedDelay, Time};
