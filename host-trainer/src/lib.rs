//! Trains an image classifier on a PC, quantizes it to int8 and writes one blob for a microcontroller.
//!
//! Data flows one way: [`dataset`] → [`training`] (of a [`network`] by a [`recipe`]) → [`quantize`] →
//! [`evaluate`] → [`report`]; [`comparison`] puts the reports of many runs into one table.

pub mod comparison;
pub mod dataset;
pub mod device;
mod digits;
pub mod evaluate;
pub mod network;
pub mod operations;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod training;
