//! What a board has after whatever may happen to it: power cuts, strangers, bad lines, bad models.

mod arithmetic;
mod cuts;
mod line;
mod refusals;
mod settings;
mod support;
mod trial;
