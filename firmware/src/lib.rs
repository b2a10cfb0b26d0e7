//! The board-agnostic part of the camera firmware.
