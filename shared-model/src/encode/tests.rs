use super::*;
use crate::testing::{Numbers, network};
use alloc::borrow::ToOwned;
use proptest::prelude::*;

/// One dense layer with one output: the smallest network there is.
fn smallest() -> Network<'static> {
    let mut weights = vec![0; 3072];
    weights[..3].copy_from_slice(&[1, -2, 127]);
    Network {
        name: "tiny",
        labels: vec!["é".to_owned()],
        padding: [-128, 0, 1],
        pixel_scaling: PixelScaling {
            mean: [0.0, 0.5, 1.0].into_iter().collect(),
            scale: [1.0, 2.0, -2.0].into_iter().collect(),
        },
        layers: vec![Layer {
            kind: LayerKind::Dense {
                inputs: 3072,
                outputs: 1,
            },
            relu: true,
            output: Output::Logits,
            weights,
            biases: vec![-3],
            multipliers: vec![1 << 30],
            offsets: vec![1 << 31],
        }],
        logit_fraction_bits: 5,
        known_answer: [130; 3072],
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
    }
}

#[test]
fn exact_bytes() {
    let blob = encode(&smallest()).unwrap();
    #[rustfmt::skip]
    let graph = [
        4, b't', b'i', b'n', b'y',                              // name
        1, 2, 0xC3, 0xA9,                                       // labels
        32, 32, 3,                                              // height, width, channels
        3, 0x80, 0, 1,                                          // padding
        3, 0, 0, 0, 0, 0, 0, 0, 0x3F, 0, 0, 0x80, 0x3F,         // mean
        3, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0, 0xC0,      // scale
        1,                                                      // layers
        1, 0x80, 0x18, 1,                                       // dense, 3072 → 1
        1,                                                      // ReLU
        1,                                                      // logits
        0, 0x80, 0x18,                                          // weights: 0, 3072
        0x80, 0x18, 4,                                          // biases: 3072, 4
        0x90, 0x18, 4,                                          // multipliers: 3088, 4
        0xA0, 0x18, 8,                                          // offsets: 3104, 8
        5,                                                      // fraction bits
        0xB0, 0x18, 0x80, 0x18,                                 // image: 3120, 3072
        1, 124,                                                 // logit 62
        0xAC, 2, 0, 0, 0x48, 0x42, 0, 0, 0xC0, 0x3F, 0, 0, 0xC8, 0x42, // accuracy
        1, b'p', 0x80, 1,                                       // preset, epochs
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, // seed
        3, b'1', b'.', b'0',                                    // trainer
    ];
    let mut section = vec![0; 3120];
    section[..3].copy_from_slice(&[1, 0xFE, 127]);
    section[3072..3076].copy_from_slice(&[0xFD, 0xFF, 0xFF, 0xFF]);
    section[3088..3092].copy_from_slice(&[0, 0, 0, 0x40]);
    section[3104..3112].copy_from_slice(&[0, 0, 0, 0x80, 0, 0, 0, 0]);
    section.extend([130; 3072]);
    let mut expected = b"INT8NET\0\x01\0\0\0".to_vec();
    let start = (24 + graph.len()).next_multiple_of(16);
    expected.extend(((start + 6192) as u32).to_le_bytes());
    expected.extend([0, 0, 0, 0]);
    expected.extend((graph.len() as u32).to_le_bytes());
    expected.extend(graph);
    expected.resize(start, 0);
    expected.extend(section);
    expected[16..20].copy_from_slice(&0xbbed865f_u32.to_le_bytes());
    assert_eq!(*blob, *expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn round_trip(
        seed in any::<u64>(),
        convolutions in prop::collection::vec((1_u16..=9, any::<bool>(), any::<bool>()), 0..=5),
        hidden in prop::collection::vec(1_u16..=20, 0..=10),
        classes in 1_u16..=16,
    ) {
        let mut dense = hidden;
        dense.push(classes);
        let network = network(seed, &convolutions, &dense);
        let blob = encode(&network).unwrap();
        let model = Model::load(&blob).unwrap();
        let graph = model.graph();
        prop_assert_eq!(graph.name, network.name);
        prop_assert_eq!(&graph.labels, network.labels.as_slice());
        prop_assert_eq!(&graph.input.padding, network.padding.as_slice());
        prop_assert_eq!(&graph.input.pixel_scaling, &network.pixel_scaling);
        prop_assert_eq!(graph.logit_fraction_bits, network.logit_fraction_bits);
        prop_assert_eq!(graph.accuracy, network.accuracy);
        prop_assert_eq!(graph.provenance, network.provenance);
        prop_assert_eq!(model.known_answer_image(), &network.known_answer);
        prop_assert_eq!(model.crc32(), checksum(&blob[20..]));
        prop_assert_eq!(model.layers().len(), network.layers.len());
        for (view, layer) in model.layers().iter().zip(&network.layers) {
            prop_assert_eq!(view.layer.kind, layer.kind);
            prop_assert_eq!(view.layer.relu, layer.relu);
            prop_assert_eq!(view.layer.output, layer.output);
            prop_assert_eq!(view.weights, layer.weights.as_slice());
            prop_assert_eq!(view.biases, layer.biases.as_slice());
            prop_assert_eq!(view.multipliers, layer.multipliers.as_slice());
            prop_assert_eq!(view.offsets, layer.offsets.as_slice());
        }
    }
}

#[test]
fn too_many_labels_or_layers() {
    let mut many = smallest();
    many.labels = vec!["x".to_owned(); 17];
    let (what, found, limit) = ("labels", 17, 16);
    assert_eq!(
        encode(&many),
        Err(EncodeError::TooMany { what, found, limit })
    );
    let many = network(5, &[], &[1; 17]);
    let (what, found, limit) = ("layers", 17, 16);
    assert_eq!(
        encode(&many),
        Err(EncodeError::TooMany { what, found, limit })
    );
}

#[test]
fn an_invalid_network_is_refused() {
    let mut network = smallest();
    network.layers[0].weights[7] = -128;
    let error = LoadError::WeightOutOfRange {
        layer: 0,
        channel: 0,
        index: 7,
    };
    assert_eq!(encode(&network), Err(EncodeError::Invalid(error)));
    let mut network = smallest();
    network.layers[0].weights.pop();
    let part = crate::SectionPart::Weights(0);
    let error = LoadError::RangeLength {
        part,
        expected: 3072,
        found: 3071,
    };
    assert_eq!(encode(&network), Err(EncodeError::Invalid(error)));
}

#[test]
fn known_answer_is_the_given_image() {
    let network = network(6, &[(3, true, true)], &[4]);
    let blob = encode(&network).unwrap();
    let (_, logits) = crate::oracle::run(&network, &Numbers(0).image());
    assert_ne!(
        Model::load(&blob).unwrap().graph().known_answer.logits,
        logits.as_slice()
    );
    let (_, logits) = crate::oracle::run(&network, &network.known_answer);
    assert_eq!(
        Model::load(&blob).unwrap().graph().known_answer.logits,
        logits.as_slice()
    );
}
