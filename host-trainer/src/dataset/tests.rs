//! `fetching` needs neither network nor data; `real` needs the data set.

mod fetching;
mod fixture;
mod real;
mod server;
