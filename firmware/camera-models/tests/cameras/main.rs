//! The drivers of both cameras, and the pipeline around them, against the models.

mod conformance;
mod drivers;
mod habits;
mod support;
