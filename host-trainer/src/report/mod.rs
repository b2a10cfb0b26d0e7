//! What people look at: learning curves, confusion matrices, model reports.
pub mod history;
