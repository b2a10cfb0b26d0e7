//! One module a command.

pub mod compare;
pub mod data;
pub mod evaluate;
pub mod fit;
pub mod inspect;
pub mod pipeline;
pub mod predict;
pub mod quantize;
pub mod report;
pub mod train;

/// What a command ends with: its error says what went wrong, where, and what to do.
pub type CommandResult = Result<(), Box<dyn std::error::Error>>;
