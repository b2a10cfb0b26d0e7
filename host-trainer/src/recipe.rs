//! Every preset as data.
