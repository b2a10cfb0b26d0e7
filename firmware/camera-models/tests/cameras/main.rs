//! The drivers of both cameras, and the pipeline around them, against the models.

mod drivers;
mod faults;
mod support;
