//! From float weights to the integer network.
