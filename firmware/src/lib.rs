#![no_std]
//! The board-agnostic part of the camera firmware, tested on the host: what a board does with a model
//! between reset and the label. A board adds clocks, pins and `main`.

pub mod boot;
pub mod profile;
