//! What people look at: learning curves, confusion matrices, previews of the data.
//!
//! Nothing here computes: every function draws what it is given. Text is set in a font that is compiled in, so that
//! pictures look the same on every machine.

pub(crate) mod canvas;
mod confusion_matrix;
mod gallery;
mod learning_curves;
pub mod model;
mod reliability_diagram;
#[cfg(test)]
mod tests;

pub use canvas::ReportError;
pub use confusion_matrix::confusion_matrix;
pub use gallery::preview;
pub use learning_curves::learning_curves;
