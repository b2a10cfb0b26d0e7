//! A blob in flash may hold anything. The loader takes it or says why not, and what it takes can be read to the end.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared_model::encode::{encode, repair_crc};
use shared_model::testing::{Plain, network, with_transformed_filters};
use shared_model::{AlignedBytes, Model, Shape};

/// Good blobs of all operations, of a kilobyte or so.
static BLOBS: LazyLock<[AlignedBytes; 5]> = LazyLock::new(|| {
    let networks: [&[Plain]; 5] = [
        &[Plain::Dense(2, false)],
        &[Plain::Convolution(4, true), Plain::MaxPool, Plain::Dense(3, false)],
        &[Plain::Convolution(3, false), Plain::AveragePool, Plain::Dense(2, true), Plain::Dense(2, false)],
        &[Plain::MaxPool, Plain::Convolution(2, true), Plain::Convolution(2, true), Plain::Dense(4, false)],
        &[Plain::Convolution(4, true), Plain::Convolution(2, true), Plain::MaxPool, Plain::Dense(2, false)],
    ];
    let mut seed = 0;
    networks.map(|operations| {
        seed += 1;
        let channels = if seed % 2 == 0 { 1 } else { 3 };
        let network = with_transformed_filters(network(seed, Shape::new(8, 8, channels), operations));
        encode(&network).expect("the network is valid")
    })
});

/// A blob with bytes changed: two say where, and one to what.
fn changed(blob: &AlignedBytes, patches: &[u8]) -> AlignedBytes {
    let (mut blob, len) = (AlignedBytes::from(&blob[..]), blob.len());
    let (patches, rest) = patches.as_chunks();
    for &[low, high, value] in patches {
        blob[usize::from(u16::from_le_bytes([low, high])) % len] = value;
    }
    match *rest {
        // Cut off.
        [low, high] => AlignedBytes::from(&blob[..usize::from(u16::from_le_bytes([low, high])).min(len)]),
        _ => blob,
    }
}

fuzz_target!(|input: (Option<u8>, bool, &[u8])| {
    let (base, is_mended, bytes) = input;
    let mut blob = match base {
        Some(base) => changed(&BLOBS[usize::from(base) % BLOBS.len()], bytes),
        None => AlignedBytes::from(bytes),
    };
    // A checksum needs room.
    if is_mended && blob.len() >= 32 {
        repair_crc(&mut blob);
    }
    let Ok(model) = Model::load(&blob) else { return };
    let graph = model.graph();
    assert!(graph.labels.iter().all(|label| label.len() < blob.len()));
    assert_eq!(model.known_pixels().count(), model.input_shape().elements());
    let last = model.operations().last().expect("a network has an operation");
    assert_eq!(usize::from(last.output.channels), graph.labels.iter().count());
    assert!(model.steps().len() <= model.operations().count());
});
