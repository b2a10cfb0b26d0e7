//! Trains an image classifier on a PC, quantizes it to int8 and writes one blob for a microcontroller.
//!
//! Data flows one way: [`dataset`] → [`training`] (of a [`network`] by a [`recipe`]) → [`quantize`] →
//! [`evaluate`] → [`report`]; [`comparison`] puts the reports of many runs into one table.
//!
//! `device`, `network` and `training` stand on burn; without the feature `training` everything else builds without it.

pub mod boards;
pub mod camera;
pub mod comparison;
pub mod dataset;
#[cfg(feature = "training")]
pub mod device;
pub mod evaluate;
pub mod family;
pub mod files;
pub mod fit;
mod format;
pub mod history;
pub mod model_files;
#[cfg(feature = "training")]
pub mod network;
pub mod operations;
pub mod output;
pub mod pictures;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod run;
#[cfg(feature = "training")]
pub mod training;
