//! The interpreter against the naive oracle: logits, class, probabilities and every row of every layer, bit for bit.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rayon::prelude::*;
use shared_model::encode::encode;
use shared_model::{Image, Interpreter, Model, Processor};
use tests::networks::{any_spec, extreme_images, random_image};
use tests::oracle;
use tests::recorder::record;
use tests::reference::{MODEL, test_images};

/// Real images that the committed model is checked on.
const REAL_IMAGES: usize = 100;

fn assert_equals_oracle(model: &Model, interpreter: &mut Interpreter, image: &Image) {
    let expected = oracle::run(model, image);
    let (found, recorder) = record(interpreter, image);
    assert_eq!(found.logits, expected.logits.as_slice());
    assert_eq!(found.class, expected.class);
    let probabilities = oracle::probabilities(&found.logits, model.graph().logit_fraction_bits);
    assert_eq!(found.probabilities(), probabilities.as_slice());

    let (logits_rows, layers) = recorder.layers.split_last().expect("there are layers");
    assert_eq!(*logits_rows, [Vec::<i8>::new()]);
    assert_eq!(layers.len(), expected.activations.len());
    for (index, (rows, activations)) in layers.iter().zip(&expected.activations).enumerate() {
        let [height, width, channels] = model.graph().layers[index].kind.output_shape();
        assert_eq!(rows.len(), usize::from(height), "rows of layer {index}");
        let row_len = usize::from(width) * usize::from(channels);
        for (row, (found, expected)) in rows.iter().zip(activations.chunks(row_len)).enumerate() {
            assert!(found == expected, "layer {index}, row {row}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn random_networks(
        spec in any_spec(),
        processor in prop_oneof![Just(Processor::Dsp), Just(Processor::Portable)],
        extra_arena in prop_oneof![Just(0), 0..65_536_usize, Just(1 << 20)],
    ) {
        let network = spec.network();
        let blob = encode(&network).unwrap();
        let model = Model::load(&blob).unwrap();
        let expected = oracle::run(&model, &network.known_answer).logits;
        prop_assert_eq!(&model.graph().known_answer.logits, expected.as_slice());

        let mut arena = vec![0; model.arena_len() + extra_arena];
        let mut interpreter = Interpreter::for_processor(&model, processor, &mut arena).unwrap();
        for image in extreme_images().iter().chain([&random_image(!spec.seed)]) {
            assert_equals_oracle(&model, &mut interpreter, image);
        }
    }
}

/// The property above would mean little if saturation made most networks blind.
#[test]
fn most_random_networks_tell_images_apart() {
    const NETWORKS: usize = 64;
    let mut random = TestRunner::deterministic();
    let tells_apart = |_: &usize| {
        let spec = any_spec().new_tree(&mut random).unwrap().current();
        let blob = encode(&spec.network()).unwrap();
        let model = Model::load(&blob).unwrap();
        let [a, b] = [1, 2].map(|seed| oracle::run(&model, &random_image(seed)));
        a.logits != b.logits
    };
    let telling = (0..NETWORKS).filter(tells_apart).count();
    assert!(telling > NETWORKS / 2, "only {telling} of {NETWORKS}");
}

#[test]
fn committed_model_on_real_images() {
    let mut images = test_images(REAL_IMAGES).images;
    images.extend(extreme_images());
    images.par_iter().for_each_init(
        || vec![0; 64 * 1024],
        |arena, image| {
            for len in [MODEL.arena_len(), 48 * 1024, 64 * 1024] {
                for processor in [Processor::Dsp, Processor::Portable] {
                    let arena = &mut arena[..len];
                    let mut interpreter =
                        Interpreter::for_processor(&MODEL, processor, arena).unwrap();
                    assert_equals_oracle(&MODEL, &mut interpreter, image);
                }
            }
        },
    );
}
