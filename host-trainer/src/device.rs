//! Which device computes, and why.
