//! Every error of the reader, each caused by breaking one rule of a valid blob.

use shared_model::encode::{EncodeError, Layer, Network, encode};
use shared_model::graph::{Graph, LayerKind, Output, Range};
use shared_model::{AlignedBytes, LoadError, Model, SectionPart};
use tests::blob_bytes::{damaged, forged, graph_end_and_section_start, with_graph};
use tests::networks::small;

/// [`small`]: convolutions 0 … 2, of which 0 and 2 pool, and dense layers 3 and 4.
const LAYERS: usize = 5;

fn blob() -> AlignedBytes {
    encode(&small()).unwrap()
}

#[track_caller]
fn assert_refused(blob: &[u8], expected: &LoadError) {
    assert_eq!(Model::load(blob).err().as_ref(), Some(expected));
}

#[track_caller]
fn assert_graph_refused<T>(change: impl FnOnce(&mut Graph) -> T, expected: LoadError) {
    let changed = with_graph(&blob(), |graph| {
        change(graph);
    });
    assert_refused(&changed, &expected);
}

/// What the reader says about a network that the writer was asked to write.
fn refusal(change: impl FnOnce(&mut Network)) -> Option<LoadError> {
    let mut network = small();
    change(&mut network);
    match encode(&network) {
        Ok(_) => None,
        Err(EncodeError::Invalid(error)) => Some(error),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_unchanged_blob_is_accepted() {
    assert_eq!(with_graph(&blob(), |_| ()), blob());
    let layers = Model::load(&blob()).unwrap().layers().len();
    assert_eq!(layers, LAYERS);
}

#[test]
fn header() {
    let good = blob();
    let len = good.len();
    assert_refused(
        &[],
        &LoadError::TooShort {
            needed: 24,
            given: 0,
        },
    );
    let magic = damaged(&good, |bytes| bytes[0] = b'J');
    let found = *b"JNT8NET\0";
    assert_refused(&magic, &LoadError::BadMagic { found });
    let version = forged(&good, |bytes| bytes[8] = 2);
    let (found, supported) = (2, 1);
    assert_refused(
        &version,
        &LoadError::UnsupportedVersion { found, supported },
    );
    let (expected, given) = (len as u32, len - 1);
    assert_refused(&good[..given], &LoadError::Truncated { expected, given });
    let longer = damaged(&good, |bytes| bytes.push(0));
    let given = len + 1;
    assert_refused(&longer, &LoadError::TrailingBytes { expected, given });
    let last_bit = damaged(&good, |bytes| bytes[len - 1] ^= 1);
    assert!(
        matches!(Model::load(&last_bit), Err(LoadError::CrcMismatch { stored, computed }) if stored != computed)
    );
}

#[test]
fn address() {
    let good = blob();
    for remainder in 1..16 {
        let moved = AlignedBytes::from([&vec![0; remainder], &*good].concat().as_slice());
        assert_refused(&moved[remainder..], &LoadError::Misaligned { remainder });
    }
}

#[test]
fn graph_message() {
    let good = blob();
    let (graph_end, section_start) = graph_end_and_section_start(&good);
    assert!(
        graph_end < section_start,
        "this test needs zero bytes behind the graph"
    );
    let with_len = |graph_len: usize| {
        forged(&good, |bytes| {
            bytes[20..24].copy_from_slice(&(graph_len as u32).to_le_bytes())
        })
    };
    let graph_len = graph_end - 24;
    for too_long in [good.len() - 23, u32::MAX as usize] {
        let error = LoadError::GraphOutsideBlob {
            graph_len: too_long as u32,
            available: good.len() - 24,
        };
        assert_refused(&with_len(too_long), &error);
    }
    let last_byte_left_out = with_len(graph_len - 1);
    assert_refused(&last_byte_left_out, &LoadError::PaddingNotZero);
    let unused = 1;
    assert_refused(
        &with_len(graph_len + 1),
        &LoadError::GraphTrailingBytes { unused },
    );
    let padding = forged(&good, |bytes| bytes[graph_end] = 1);
    assert_refused(&padding, &LoadError::PaddingNotZero);
    let not_utf8 = forged(&good, |bytes| bytes[25] = 0xFF);
    assert!(matches!(Model::load(&not_utf8), Err(LoadError::Graph(_))));
}

#[test]
fn input() {
    assert_graph_refused(
        |graph| graph.input.width = 31,
        LoadError::InputShape { found: [32, 31, 3] },
    );
    let field = |field, found| LoadError::InputField {
        field,
        channels: 3,
        found,
    };
    assert_graph_refused(|graph| graph.input.padding.pop(), field("padding", 2));
    assert_graph_refused(
        |graph| graph.input.pixel_scaling.mean.push(0.0),
        field("mean", 4),
    );
    assert_graph_refused(
        |graph| graph.input.pixel_scaling.scale.clear(),
        field("scale", 0),
    );
}

#[test]
fn shapes() {
    assert_graph_refused(|graph| graph.layers.clear(), LoadError::NoLayers);
    assert_graph_refused(
        |graph| graph.layers.remove(1),
        LoadError::InputMismatch {
            layer: 1,
            expected: [16, 16, 2],
            found: [16, 16, 3],
        },
    );
    assert_graph_refused(
        |graph| graph.layers.remove(2),
        LoadError::DenseInputMismatch {
            layer: 2,
            expected: 16 * 16 * 3,
            found: 8 * 8 * 2,
        },
    );
    let no_outputs = |graph: &mut Graph| {
        if let LayerKind::Convolution {
            output_channels, ..
        } = &mut graph.layers[0].kind
        {
            *output_channels = 0;
        }
    };
    assert_graph_refused(no_outputs, LoadError::NoOutputs { layer: 0 });
}

#[test]
fn pool_of_an_odd_side() {
    // Six pools: of 32, 16, 8, 4, 2 and 1.
    let pool = |network: &mut Network| {
        network.layers = (0..6).map(|index| pooling_layer(32 >> index)).collect();
    };
    let (layer, height, width) = (5, 1, 1);
    assert_eq!(
        refusal(pool),
        Some(LoadError::OddPool {
            layer,
            height,
            width
        })
    );
}

fn pooling_layer(side: u16) -> Layer {
    let input = [side, side, 3];
    Layer {
        kind: LayerKind::Convolution {
            input,
            output_channels: 3,
            pool: true,
        },
        weights: vec![1; 81],
        biases: vec![0; 3],
        multipliers: vec![0; 3],
        offsets: vec![0; 3],
        ..small().layers[0].clone()
    }
}

#[test]
fn logits_and_labels() {
    let last = LAYERS - 1;
    assert_graph_refused(
        |graph| graph.layers[1].output = Output::Logits,
        LoadError::EarlyLogits { layer: 1 },
    );
    assert_graph_refused(
        |graph| graph.layers[last].output = graph.layers[0].output,
        LoadError::NoLogits { layer: last },
    );
    let ends_in_convolution = |graph: &mut Graph| {
        graph.layers.truncate(1);
        graph.layers[0].output = Output::Logits;
    };
    assert_graph_refused(ends_in_convolution, LoadError::LogitsNotDense { layer: 0 });
    let (labels, logits) = (4, 3);
    assert_graph_refused(
        |graph| graph.labels.push("one too many").is_ok(),
        LoadError::LabelCount { labels, logits },
    );
    let (expected, found) = (3, 2);
    assert_graph_refused(
        |graph| graph.known_answer.logits.pop(),
        LoadError::KnownAnswerLogits { expected, found },
    );
    let (found, limit) = (17, 16);
    assert_graph_refused(
        |graph| graph.logit_fraction_bits = 17,
        LoadError::FractionBits { found, limit },
    );
}

type RangeOf = for<'g> fn(&'g mut Graph<'_>) -> &'g mut Range;

/// A range of each kind, and where it stands in the graph.
fn ranges() -> [(SectionPart, RangeOf); 5] {
    [
        (SectionPart::Weights(0), |graph| {
            &mut graph.layers[0].weights
        }),
        (SectionPart::Biases(1), |graph| &mut graph.layers[1].biases),
        (SectionPart::Multipliers(3), |graph| {
            &mut graph.layers[3].multipliers
        }),
        (SectionPart::Offsets(4), |graph| {
            &mut graph.layers[4].offsets
        }),
        (SectionPart::KnownAnswerImage, |graph| {
            &mut graph.known_answer.image
        }),
    ]
}

#[test]
fn range_lengths() {
    for (part, range) in ranges() {
        let mut len = 0;
        let changed = with_graph(&blob(), |graph| {
            len = range(graph).len;
            range(graph).len += 1;
        });
        let (expected, found) = (u64::from(len), len + 1);
        assert_refused(
            &changed,
            &LoadError::RangeLength {
                part,
                expected,
                found,
            },
        );
    }
}

#[test]
fn range_positions() {
    let good = blob();
    let section_len = Model::load(&good).unwrap().graph().known_answer.image;
    let section_len = (section_len.offset + section_len.len) as usize;
    for (part, range) in ranges() {
        let mut offset = 0;
        let changed = with_graph(&good, |graph| {
            range(graph).offset += 8;
            offset = range(graph).offset;
        });
        assert_refused(&changed, &LoadError::RangeMisaligned { part, offset });
        for beyond in [section_len as u32 & !15, u32::MAX - 15] {
            let mut end = 0;
            let changed = with_graph(&good, |graph| {
                range(graph).offset = beyond;
                end = u64::from(beyond) + u64::from(range(graph).len);
            });
            let error = LoadError::RangeOutside {
                part,
                end,
                section_len,
            };
            assert_refused(&changed, &error);
        }
    }
}

#[test]
fn overlapping_ranges() {
    let shared_biases = |graph: &mut Graph| graph.layers[1].biases = graph.layers[1].multipliers;
    assert_graph_refused(
        shared_biases,
        LoadError::RangesOverlap {
            first: SectionPart::Biases(1),
            second: SectionPart::Multipliers(1),
        },
    );
    let image_over_weights = |graph: &mut Graph| graph.known_answer.image.offset = 0;
    assert_graph_refused(
        image_over_weights,
        LoadError::RangesOverlap {
            first: SectionPart::Weights(0),
            second: SectionPart::KnownAnswerImage,
        },
    );
}

#[test]
fn weights_below_their_range() {
    let weight = |network: &mut Network| network.layers[1].weights[18 + 5] = -128;
    let (layer, channel, index) = (1, 1, 5);
    assert_eq!(
        refusal(weight),
        Some(LoadError::WeightOutOfRange {
            layer,
            channel,
            index
        })
    );
}

/// The last layer of [`small`] with all weights 1, so that Σ|w| = 5 and B = |bias| + 640.
fn with_rescaling(bias: i32, multiplier: i32, offset: i64) -> Option<LoadError> {
    refusal(|network| {
        let layer = network.layers.last_mut().unwrap();
        layer.weights.fill(1);
        layer.biases = vec![0, bias, 0];
        layer.multipliers = vec![0, multiplier, 0];
        layer.offsets = vec![0, offset, 0];
    })
}

#[test]
fn accumulators_up_to_32_bits() {
    let overflow = |bound| {
        Some(LoadError::AccumulatorOverflow {
            layer: LAYERS - 1,
            channel: 1,
            bound,
        })
    };
    assert_eq!(with_rescaling(i32::MAX - 640, 1, 0), None);
    assert_eq!(with_rescaling(640 - i32::MAX, 1, 0), None);
    assert_eq!(with_rescaling(i32::MAX - 639, 1, 0), overflow(1 << 31));
    assert_eq!(with_rescaling(639 - i32::MAX, 1, 0), overflow(1 << 31));
    assert_eq!(with_rescaling(i32::MIN, 1, 0), overflow((1 << 31) + 640));
}

#[test]
fn requantizations_up_to_64_bits() {
    let overflow = |bound| {
        Some(LoadError::RequantizationOverflow {
            layer: LAYERS - 1,
            channel: 1,
            bound,
        })
    };
    // B = 1000.
    assert_eq!(with_rescaling(360, 7, i64::MAX - 7000), None);
    assert_eq!(with_rescaling(-360, -7, 7000 - i64::MAX), None);
    assert_eq!(with_rescaling(360, 7, i64::MAX - 6999), overflow(1 << 63));
    assert_eq!(with_rescaling(-360, -7, 6999 - i64::MAX), overflow(1 << 63));
    assert_eq!(with_rescaling(360, i32::MIN, 0), None);
    assert_eq!(with_rescaling(360, 0, i64::MIN), overflow(1 << 63));
}
