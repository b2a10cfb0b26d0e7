//! The float network as a burn module.
