//! The program as a person or a script runs it, against a board that speaks the firmware's protocol.

mod board;
mod deploy;
mod diagnosis;
mod lines;
mod settings;
#[cfg(target_os = "linux")]
mod terminal;
