//! Every way in which a blob can be wrong, each with its exact error; and the limits themselves, which are valid.

mod container;
mod damage;
mod graph;
mod numbers;
mod vector;

use super::*;
use crate::{
    AlignedBytes,
    encode::{KnownPicture, Network, encode, repair_crc, unanswered, write},
    graph::{Decision, Message},
    ops::Operation,
    testing::{Numbers, Plain, network},
};
use std::{vec, vec::Vec as List};

/// Operations of every kind, three classes, a known answer of pixels, one extension.
fn small() -> Network<'static> {
    let input = Shape::new(9, 8, 3);
    let operations = [
        Plain::Convolution(2, true),
        Plain::MaxPool,
        Plain::Convolution(3, false),
        Plain::AveragePool,
        Plain::Dense(4, true),
        Plain::Dense(3, false),
    ];
    Network {
        name: "small",
        padding: vec![-128, 5, 127],
        decision: Decision {
            threshold: 300,
            none_class: Some(1),
        },
        known_picture: KnownPicture::Pixels(Numbers(2).picture(input)),
        extensions: vec![(7, vec![1, 2, 3])],
        ..network(1, input, &operations)
    }
}

/// Why the reader refuses a blob; `None` if it accepts it.
fn refusal(blob: &[u8]) -> Option<LoadError> {
    Model::load(blob).err()
}

fn refusal_of(network: &Network) -> Option<LoadError> {
    let (message, section) = unanswered(network).unwrap();
    refusal(&write(&message, &section).unwrap())
}

/// After a change of the small network.
fn with_network(change: impl FnOnce(&mut Network)) -> Option<LoadError> {
    let mut network = small();
    change(&mut network);
    refusal_of(&network)
}

/// After a change of the small network's message.
fn with_message(change: impl FnOnce(&mut Message)) -> Option<LoadError> {
    let network = small();
    let (mut message, section) = unanswered(&network).unwrap();
    change(&mut message);
    refusal(&write(&message, &section).unwrap())
}

/// After a change of the small network's blob, the CRC repaired.
fn with_bytes(change: impl FnOnce(&mut List<u8>)) -> Option<LoadError> {
    let mut bytes = encode(&small()).unwrap().to_vec();
    change(&mut bytes);
    repair_crc(&mut bytes);
    refusal(&AlignedBytes::from(bytes.as_slice()))
}

fn set_word(bytes: &mut [u8], offset: usize, word: u32) {
    bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
}

/// The end of the encoded graph.
fn graph_end(blob: &[u8]) -> usize {
    24 + u32::from_le_bytes(blob[20..24].try_into().unwrap()) as usize
}
