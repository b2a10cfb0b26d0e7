#![no_std]
//! What the two programs of this board have in common: one classifies image files, the other what a modelled camera sees.

pub mod clock;
pub mod host;
