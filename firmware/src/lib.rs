#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! The board-agnostic part of the camera firmware, tested on the host: what a board does with a model and a camera
//! between reset and the label. A board adds clocks, pins, DMA and `main`.

pub mod boot;
pub mod camera;
pub mod deployment;
pub mod fault;
pub mod pipeline;
pub mod profile;
pub mod report;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod watchdog;
