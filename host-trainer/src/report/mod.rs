//! What people look at: learning curves, confusion matrices, previews of the data.
//!
//! Nothing here computes: every function draws what it is given. Text is set in a font that is compiled in, so that
//! pictures look the same on every machine.

mod canvas;
mod confusion_matrix;
pub mod history;
mod learning_curves;
pub mod model;
mod preview;
#[cfg(test)]
mod tests;

pub use canvas::ReportError;
pub use confusion_matrix::confusion_matrix;
pub use learning_curves::learning_curves;
pub use preview::preview;
