use super::*;
use crate::{
    ops::{Dense, Epilogue, Output},
    testing::{any_network, oracle},
};
use alloc::borrow::ToOwned;
use proptest::prelude::*;

/// One dense layer with two outputs: the smallest network there is.
fn smallest() -> Network<'static> {
    let mut weights = vec![0; 2 * 64];
    weights[..3].copy_from_slice(&[1, -2, 127]);
    let epilogue = Epilogue {
        relu: true,
        output: Output::Logits,
        multipliers: Range::EMPTY,
        offsets: Range::EMPTY,
    };
    Network {
        name: "tiny",
        labels: vec!["é".to_owned(), "b".to_owned()],
        input: Shape::new(8, 8, 1),
        padding: vec![-128],
        mean: vec![0.5],
        scale: vec![-2.0],
        layers: vec![Layer {
            operation: Operation::Dense(Dense::new(2, epilogue)),
            weights,
            biases: vec![-3, 4],
            multipliers: vec![1 << 30, -1],
            offsets: vec![1 << 31, 0],
        }],
        logit_fraction_bits: 5,
        decision: Decision {
            threshold: 300,
            none_class: Some(1),
        },
        known_picture: KnownPicture::Pixels(vec![130; 64]),
        accuracy: Accuracy {
            images: 300,
            float_top1: 50.0,
            int8_top1: 1.5,
            agreement: 100.0,
        },
        provenance: Provenance {
            preset: "p",
            epochs: 128,
            seed: u64::MAX,
            trainer: "1.0",
        },
        extensions: vec![(300, vec![7, 8])],
    }
}

#[test]
fn exact_bytes() {
    let blob = encode(&smallest()).unwrap();
    #[rustfmt::skip]
    let graph = [
        4, b't', b'i', b'n', b'y',                              // name
        2, 2, 0xC3, 0xA9, 1, b'b',                              // labels
        8, 8, 1,                                                // height, width, channels
        1, 0x80,                                                // padding
        1, 0, 0, 0, 0x3F,                                       // mean
        1, 0, 0, 0, 0xC0,                                       // scale
        1,                                                      // operations
        3, 2,                                                   // dense, 2 outputs
        0, 0x80, 1,                                             // weights: 0, 128
        0x80, 1, 8,                                             // biases: 128, 8
        1,                                                      // ReLU
        1,                                                      // logits
        0x90, 1, 8,                                             // multipliers: 144, 8
        0xA0, 1, 16,                                            // offsets: 160, 16
        5,                                                      // fraction bits
        0xAC, 2, 1, 1,                                          // threshold 300, class 1 is none
        1, 0xB0, 1, 64,                                         // pixels: 176, 64
        2, 124, 1,                                              // logits 62 and -1
        0xAC, 2, 0, 0, 0x48, 0x42, 0, 0, 0xC0, 0x3F, 0, 0, 0xC8, 0x42, // accuracy
        1, b'p', 0x80, 1,                                       // preset, epochs
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, // seed
        3, b'1', b'.', b'0',                                    // trainer
        1, 0xAC, 2, 0xF0, 1, 2,                                 // extension 300: 240, 2
    ];
    let mut section = vec![0; 176];
    section[..3].copy_from_slice(&[1, 0xFE, 127]);
    section[128..136].copy_from_slice(&[0xFD, 0xFF, 0xFF, 0xFF, 4, 0, 0, 0]);
    section[144..152].copy_from_slice(&[0, 0, 0, 0x40, 0xFF, 0xFF, 0xFF, 0xFF]);
    section[160..168].copy_from_slice(&[0, 0, 0, 0x80, 0, 0, 0, 0]);
    section.extend([130; 64]);
    section.extend([7, 8]);
    let mut expected = b"INT8NET\0\x02\0\0\0".to_vec();
    let start = (24 + graph.len()).next_multiple_of(16);
    expected.extend(((start + 242) as u32).to_le_bytes());
    expected.extend([0, 0, 0, 0]);
    expected.extend((graph.len() as u32).to_le_bytes());
    expected.extend(graph);
    expected.resize(start, 0);
    expected.extend(section);
    let crc = checksum(&expected[20..]).to_le_bytes();
    expected[16..20].copy_from_slice(&crc);
    assert_eq!(*blob, *expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn round_trip(seed in any::<u64>()) {
        let network = any_network(seed);
        let blob = encode(&network).unwrap();
        let model = Model::load(&blob).unwrap();
        let graph = model.graph();
        prop_assert_eq!(graph.name, network.name);
        prop_assert!(graph.labels.iter().eq(network.labels.iter().map(String::as_str)));
        prop_assert_eq!(graph.input.shape, network.input);
        prop_assert_eq!(model.input_shape(), network.input);
        prop_assert!(graph.input.padding == *network.padding);
        prop_assert!(graph.input.mean == *network.mean);
        prop_assert!(graph.input.scale == *network.scale);
        prop_assert_eq!(graph.logit_fraction_bits, network.logit_fraction_bits);
        prop_assert_eq!(graph.decision, network.decision);
        prop_assert_eq!(graph.accuracy, network.accuracy);
        prop_assert_eq!(graph.provenance, network.provenance);
        prop_assert_eq!(model.crc32(), checksum(&blob[20..]));
        let picture: Vec<u8> = model.known_pixels().collect();
        match &network.known_picture {
            KnownPicture::Pattern => prop_assert_eq!(picture[1], 49),
            KnownPicture::Pixels(pixels) => prop_assert_eq!(&picture, pixels),
        }
        prop_assert!(graph.known_answer.logits == *oracle(&model, &picture).logits);
        prop_assert_eq!(graph.extensions.len(), network.extensions.len());
        for (found, (kind, content)) in graph.extensions.iter().zip(&network.extensions) {
            prop_assert_eq!(found.kind, *kind);
            prop_assert_eq!(model.extension(*kind), Some(content.as_slice()));
        }
        prop_assert_eq!(model.operations().count(), network.layers.len());
        for (view, layer) in model.operations().zip(&network.layers) {
            prop_assert_eq!(view.operation.kind(), layer.operation.kind());
            prop_assert_eq!(view.weights, layer.weights.as_slice());
            prop_assert_eq!(view.biases, layer.biases.as_slice());
            prop_assert_eq!(view.multipliers, layer.multipliers.as_slice());
            prop_assert_eq!(view.offsets, layer.offsets.as_slice());
        }
    }
}

#[test]
fn an_invalid_network_is_refused() {
    let mut network = smallest();
    network.layers[0].weights[7] = -128;
    let error = LoadError::WeightOutOfRange {
        operation: 0,
        channel: 0,
        index: 7,
    };
    assert_eq!(encode(&network), Err(EncodeError::Invalid(error)));
    let mut network = smallest();
    network.layers[0].weights.pop();
    let error = LoadError::RangeLength {
        part: crate::SectionPart::Weights(0),
        expected: 128,
        found: 127,
    };
    assert_eq!(encode(&network), Err(EncodeError::Invalid(error)));
}
