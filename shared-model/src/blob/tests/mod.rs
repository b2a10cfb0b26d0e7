//! Every way in which a blob can be wrong.

mod container;
mod damage;
mod graph;
mod numbers;

use super::*;
use crate::{
    AlignedBytes,
    encode::{Network, encode, repair_crc, unanswered, write},
    testing::network,
};
use std::vec::Vec as List;

/// Two convolutions, two dense layers, three classes.
fn small() -> Network<'static> {
    network(1, &[(2, true, true), (3, true, false)], &[4, 3])
}

fn error_of(bytes: &[u8]) -> LoadError {
    Model::load(bytes).expect_err("the blob must be refused")
}

/// The error for the small network after a change of its bytes, the CRC repaired.
fn error_after(change: impl FnOnce(&mut List<u8>)) -> LoadError {
    let mut bytes = encode(&small()).unwrap().to_vec();
    change(&mut bytes);
    repair_crc(&mut bytes);
    error_of(&AlignedBytes::from(bytes.as_slice()))
}

/// The error for the small network after a change of its graph.
fn error_of_graph<R>(change: impl FnOnce(&mut Graph) -> R) -> LoadError {
    let network = small();
    let (mut graph, section) = unanswered(&network).unwrap();
    change(&mut graph);
    error_of(&write(&graph, &section).unwrap())
}

/// The error for the small network after a change of its numbers.
fn error_of_network(change: impl FnOnce(&mut Network)) -> LoadError {
    let mut network = small();
    change(&mut network);
    let (graph, section) = unanswered(&network).unwrap();
    error_of(&write(&graph, &section).unwrap())
}

fn set_word(bytes: &mut [u8], offset: usize, word: u32) {
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
}

/// The end of the encoded graph.
fn graph_end(blob: &[u8]) -> usize {
    24 + u32::from_le_bytes(blob[20..24].try_into().unwrap()) as usize
}
