//! The exact bytes of a blob, written by hand from `FORMAT.md`, and the round trip of any network.
//!
//! The golden blob: a convolution 3 → 1 with pool and a dense layer 256 → 2, on an image whose pixels are all 129, that is 1 after
//! the subtraction. Of the convolution only the middle weight of red counts: acc = 5 + 2 · 1 = 7 everywhere, and
//! q = floor(7 / 4 + 3.5) = 5. The dense layer adds and subtracts 256 of these: acc = -280 + 1280 = 1000 gives the logit
//! 1000 / 4 = 250, and acc = -1280 gives floor(-1280 / 4 - 2^-32) = -321.

use proptest::prelude::*;
use shared_model::encode::{Layer, Network, encode};
use shared_model::graph::{Accuracy, LayerKind, Output, PixelScaling, Provenance};
use shared_model::{AlignedBytes, Interpreter, Model};
use tests::networks::any_spec;

#[rustfmt::skip]
const HEADER: [u8; 24] = [
    0x49, 0x4E, 0x54, 0x38, 0x4E, 0x45, 0x54, 0x00, // magic
    0x01, 0x00, 0x00, 0x00, // version 1
    0x20, 0x0F, 0x00, 0x00, // total length 24 + 127 + 9 + 3712 = 3872
    0x1F, 0x8C, 0x16, 0xC4, // CRC-32 of all that follows, by zlib
    0x7F, 0x00, 0x00, 0x00, // length of the graph, 127
];

#[rustfmt::skip]
const GRAPH: [u8; 127] = [
    4, b't', b'i', b'n', b'y', // name
    2, 1, b'a', 2, b'b', b'c', // two labels
    // Input
    32, 32, 3, // height, width, channels
    3, 0xFF, 0x00, 0x07, // padding -1, 0, 7
    3, 0x00, 0x00, 0xFF, 0x42, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x3F, // mean 127.5, 0.0, 1.0
    3, 0x00, 0x00, 0x00, 0x3C, 0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0xC0, // scale 2^-7, 1.0, -2.0
    2, // layers
    // Layer 0
    0, 32, 32, 3, 1, 1, // convolution of [32, 32, 3] to 1 channel, pool
    1, // ReLU
    0, 0x00, 0x00, 0x00, 0x3F, 0xFD, // int8, scale 0.5, zero point -3
    0, 27, // weights at 0
    32, 4, // biases at 32
    48, 4, // multipliers at 48
    64, 8, // offsets at 64
    // Layer 1
    1, 0x80, 0x02, 2, // dense, 256 inputs, 2 outputs
    0, // no ReLU
    1, // logits
    80, 0x80, 0x04, // weights at 80, 512
    0xD0, 0x04, 8, // biases at 592
    0xE0, 0x04, 8, // multipliers at 608
    0xF0, 0x04, 16, // offsets at 624
    8, // F
    // KnownAnswer
    0x80, 0x05, 0x80, 0x18, // image at 640, 3072
    2, 0xF4, 0x03, 0x81, 0x05, // logits 250, -321
    // Accuracy
    0x90, 0x4E, // 10,000 images
    0x00, 0x00, 0x48, 0x42, // 50.0
    0x00, 0x00, 0x46, 0x42, // 49.5
    0x00, 0x80, 0xC2, 0x42, // 97.25
    // Provenance
    4, b'n', b'o', b'n', b'e', // preset
    0xAC, 0x02, // 300 epochs
    0x80, 0x80, 0x80, 0x80, 0x80, 0x20, // seed 2^40
    5, b'0', b'.', b'1', b'.', b'0', // trainer
];

/// The section, from S = 24 + 127 rounded up to 160.
#[rustfmt::skip]
fn section() -> Vec<u8> {
    let mut first_layer = [0; 80];
    first_layer[12] = 2; // weight [0][1][1][0]; the weights end at 27
    first_layer[32] = 5; // bias
    first_layer[51] = 0x40; // multiplier 2^30
    first_layer[64..72].copy_from_slice(&[0x00, 0x00, 0x00, 0x80, 0x03, 0x00, 0x00, 0x00]); // offset 3.5 · 2^32
    let second_layer = [
        [0x01; 256], // weights of output 0
        [0xFF; 256], // weights of output 1, -1
    ];
    let rescaling = [
        0xE8, 0xFE, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, // biases -280, 0
        0, 0, 0, 0, 0, 0, 0, 0, // up to the next multiple of 16
        0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x40, // multipliers 2^30
        0, 0, 0, 0, 0, 0, 0, 0,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // offset 0
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, // offset -1
    ];
    [&first_layer[..], second_layer.as_flattened(), &rescaling, &[129; 3072]].concat()
}

fn golden_bytes() -> AlignedBytes {
    let bytes = [&HEADER[..], &GRAPH, &[0; 9], &section()].concat();
    AlignedBytes::from(bytes.as_slice())
}

/// The same network as values.
fn network() -> Network<'static> {
    let mut middle_of_red = vec![0; 27];
    middle_of_red[12] = 2;
    let convolution = Layer {
        kind: LayerKind::Convolution {
            input: [32, 32, 3],
            output_channels: 1,
            pool: true,
        },
        relu: true,
        output: Output::Int8 {
            scale: 0.5,
            zero_point: -3,
        },
        weights: middle_of_red,
        biases: vec![5],
        multipliers: vec![1 << 30],
        offsets: vec![7 << 31],
    };
    let dense = Layer {
        kind: LayerKind::Dense {
            inputs: 256,
            outputs: 2,
        },
        relu: false,
        output: Output::Logits,
        weights: [[1; 256], [-1; 256]].concat(),
        biases: vec![-280, 0],
        multipliers: vec![1 << 30; 2],
        offsets: vec![0, -1],
    };
    Network {
        name: "tiny",
        labels: vec!["a".to_owned(), "bc".to_owned()],
        padding: [-1, 0, 7],
        pixel_scaling: PixelScaling {
            mean: [127.5, 0.0, 1.0].into_iter().collect(),
            scale: [0.0078125, 1.0, -2.0].into_iter().collect(),
        },
        layers: vec![convolution, dense],
        logit_fraction_bits: 8,
        known_answer: [129; 3072],
        accuracy: Accuracy {
            images: 10_000,
            float_top1: 50.0,
            int8_top1: 49.5,
            agreement: 97.25,
        },
        provenance: Provenance {
            preset: "none",
            epochs: 300,
            seed: 1 << 40,
            trainer: "0.1.0",
        },
    }
}

#[test]
fn the_writer_writes_these_bytes() {
    let written = encode(&network()).unwrap();
    let golden = golden_bytes();
    let differing = written.iter().zip(golden.iter()).position(|(a, b)| a != b);
    assert_eq!((written.len(), differing), (golden.len(), None));
}

#[test]
fn the_reader_reads_these_bytes() {
    let golden = golden_bytes();
    let model = Model::load(&golden).unwrap();
    assert_eq!(model.graph().known_answer.logits, [250, -321]);
    assert_eq!(model.crc32().to_le_bytes(), HEADER[16..20]);
    assert_holds(&model, &network());
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).unwrap();
    assert!(interpreter.known_answer_holds());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_written_is_read(spec in any_spec()) {
        let network = spec.network();
        let blob = encode(&network).unwrap();
        assert_holds(&Model::load(&blob).unwrap(), &network);
    }
}

/// Checks that everything that was to be written can be read.
fn assert_holds(model: &Model, network: &Network) {
    let graph = model.graph();
    let input = &graph.input;
    assert_eq!(graph.name, network.name);
    assert_eq!(graph.labels, network.labels.as_slice());
    assert_eq!([input.height, input.width, input.channels], [32, 32, 3]);
    assert_eq!(input.padding, network.padding);
    assert_eq!(input.pixel_scaling, network.pixel_scaling);
    assert_eq!(graph.logit_fraction_bits, network.logit_fraction_bits);
    assert_eq!(graph.accuracy, network.accuracy);
    assert_eq!(graph.provenance, network.provenance);
    assert_eq!(*model.known_answer_image(), network.known_answer);
    assert_eq!(model.layers().len(), network.layers.len());
    for (found, written) in model.layers().iter().zip(&network.layers) {
        assert_eq!(found.layer.kind, written.kind);
        assert_eq!(found.layer.relu, written.relu);
        assert_eq!(found.layer.output, written.output);
        assert_eq!(found.weights, written.weights);
        assert_eq!(found.biases, written.biases);
        assert_eq!(found.multipliers, written.multipliers);
        assert_eq!(found.offsets, written.offsets);
    }
}
