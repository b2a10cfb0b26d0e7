//! The firmware on every emulated machine: the host's logits bit for bit, and every error by its name.

use std::fs;

use host_trainer::dataset::Image;
use shared_model::encode::{encode, repair_crc};
use shared_model::testing::{Numbers, Plain, any_network, convolution, network, oracle};
use shared_model::{Backend, Interpreter, Model, Shape};
use tests::qemu::{Machine, Options, QemuError, Report, firmware, on_all_machines};
use tests::reference::{BLOB, MODEL, test_images};

/// Real images on a machine, with each arena.
const IMAGES: usize = 100;

/// How many of them a machine classifies: a core with neither the DSP extension nor vectors takes longer.
const fn images_on(machine: Machine) -> usize {
    match machine {
        Machine::CortexM4 | Machine::CortexM7 | Machine::CortexM33 | Machine::CortexM55 => IMAGES,
        Machine::CortexM3 | Machine::CortexM0Plus | Machine::Rv32imac => 20,
    }
}

/// Bytes of arena: for the fastest plan and for a lean one.
const ARENAS: [usize; 2] = [64 * 1024, 20 * 1024];

/// Bytes of the committed model's picture.
const IMAGE_LEN: usize = 32 * 32 * 3;

fn run_on_all(images: &[Image], options: Options) -> [Report; Machine::ALL.len()] {
    on_all_machines(|machine| {
        let report = firmware(machine).classify(options, &images[..images_on(machine).min(images.len())]);
        report.unwrap_or_else(|error| panic!("{machine:?}: {error}"))
    })
}

/// What the firmware says when it fails on the M4.
fn failure(result: Result<Report, QemuError>) -> String {
    match result {
        Err(QemuError::Run(message)) => message,
        other => panic!("expected a failing run, got {other:?}"),
    }
}

#[test]
fn every_machine_gives_the_logits_of_the_host_in_every_arena() {
    let images = test_images(IMAGES).images;
    let model = &*MODEL;
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(model, &mut arena).expect("the arena is as asked for");
    let expected: Vec<_> = images
        .iter()
        .map(|image| {
            let classification = interpreter.classify(image);
            classification.expect("the image has the model's shape")
        })
        .collect();
    for arena_len in ARENAS {
        let options = Options { arena_len: Some(arena_len), ..Options::default() };
        let reports = run_on_all(&images, options);
        for (machine, report) in Machine::ALL.iter().zip(&reports) {
            let run = format!("{machine:?} with {arena_len} bytes");
            assert_eq!(report.device.crc32, model.crc32(), "{run}");
            assert!(report.device.arena_len <= arena_len, "{run}");
            assert_eq!(report.images.len(), images_on(*machine), "{run}");
            let stack = report.stack;
            assert!(stack.boot < stack.size, "{run}: {stack:?}");
            assert!(stack.inference < stack.size, "{run}: {stack:?}");
            if *machine == Machine::CortexM4 {
                // As the documentation of shared-model has it.
                assert!(stack.boot <= 10 << 10 && stack.inference <= 7 << 10, "{run}: {stack:?}");
            }
            for (index, (record, expected)) in report.images.iter().zip(&expected).enumerate() {
                let run = format!("{run}, image {index}");
                let label = model.label(expected.class);
                assert_eq!(record.index, index, "{run}");
                assert_eq!(record.logits, expected.logits.as_slice(), "{run}");
                assert_eq!(record.class, expected.class, "{run}");
                assert_eq!(record.label, label, "{run}");
            }
        }
    }
}

#[test]
fn steps_account_for_the_instructions_of_an_inference() {
    let options = Options { profile: true, ..Options::default() };
    for report in run_on_all(&test_images(1).images, options) {
        let record = &report.images[0];
        let sum: u64 = record.steps.iter().sum();
        println!("{} instructions, steps {:?}", record.instructions, record.steps);
        assert_eq!(record.steps.len(), MODEL.steps().len());
        assert!(sum <= record.instructions);
        assert!(sum * 100 >= record.instructions * 97, "{sum} of {} instructions", record.instructions);
    }
}

#[test]
fn an_arena_that_is_too_small_or_that_there_is_not_is_refused() {
    let run = |arena_len| {
        let options = Options { arena_len: Some(arena_len), ..Options::default() };
        failure(firmware(Machine::CortexM33).classify(options, &[[0; IMAGE_LEN]]))
    };
    let needed = MODEL.arena_len_on(Backend::ARM_DSP);
    let message = run(needed - 1);
    let memory = format!("needs {} bytes of working memory", IMAGE_LEN + needed);
    assert!(message.contains(&memory), "{message}");
    let given = IMAGE_LEN + needed - 1;
    assert!(message.contains(&given.to_string()), "{message}");
    let message = run(1 << 30);
    assert!(message.contains("bytes of arena up to"), "{message}");
}

#[test]
fn a_damaged_blob_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut damaged = BLOB.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let file = folder.path().join("damaged.blob");
    fs::write(&file, damaged).expect("a temporary file");
    let firmware = firmware(Machine::CortexM4).with_blob(&file);
    let message = failure(firmware.classify(Options::default(), &[[0; IMAGE_LEN]]));
    assert!(message.contains("blob in flash cannot be used") && message.contains("CRC"), "{message}");
}

#[test]
fn another_known_answer_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut altered = BLOB.to_vec();
    let biases = MODEL.steps()[0].biases.as_ptr().addr() - BLOB.as_ptr().addr();
    altered[biases + 1] ^= 0x10;
    repair_crc(&mut altered);
    let crc = u32::from_le_bytes(altered[16..20].try_into().expect("four bytes"));
    let file = folder.path().join("altered.blob");
    fs::write(&file, altered).expect("a temporary file");
    let firmware = firmware(Machine::CortexM4).with_blob(&file);
    let message = failure(firmware.classify(Options::default(), &[[0; IMAGE_LEN]]));
    assert!(message.contains("known-answer test failed"), "{message}");
    assert!(message.contains(&format!("{crc:08x}")), "{message}");
}

#[test]
fn a_bad_image_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&str, Option<usize>, &str); 3] = [
        ("missing.rgb", None, "image file missing.rgb: it cannot be opened"),
        ("empty, really.rgb", Some(0), "image file empty, really.rgb: it has 0 bytes"),
        ("truncated.rgb", Some(2 * IMAGE_LEN - 1), "image file truncated.rgb: it has 6143 bytes"),
    ];
    for (name, len, expected) in cases {
        let file = folder.path().join(name);
        if let Some(len) = len {
            fs::write(&file, vec![0; len]).expect("a temporary file");
        }
        let message = failure(firmware(Machine::CortexM7).classify_file(Options::default(), &file));
        assert!(message.contains(expected), "{message}");
    }
}

/// No firmware is built anew for another model: shape, labels and operations come from the blob.
#[test]
fn networks_of_other_shapes_and_classes_run_unchanged() {
    let grey = [&convolution(8, true)[..], &convolution(16, true), &[Plain::Dense(4, false)]];
    let many = [&convolution(12, true)[..], &convolution(20, false), &[Plain::AveragePool, Plain::Dense(64, false)]];
    let mut networks =
        vec![network(1, Shape::new(48, 48, 1), &grey.concat()), network(2, Shape::new(23, 40, 3), &many.concat())];
    networks.extend((0..10).map(any_network));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut run = 0;
    for (index, network) in networks.iter().enumerate() {
        let blob = encode(network).expect("the network is valid");
        let model = Model::load(&blob).expect("the blob is good");
        let needed = model.input_shape().elements() + model.arena_len_on(Backend::ARM_DSP);
        if needed > IMAGE_LEN + ARENAS[0] {
            continue;
        }
        let file = folder.path().join(format!("{index}.blob"));
        fs::write(&file, &blob[..]).expect("a temporary file");
        let machine = Machine::ALL[index % Machine::ALL.len()];
        let firmware = firmware(machine).with_blob(&file);
        let mut numbers = Numbers(index as u64);
        let pictures = [(); 2].map(|()| numbers.picture(model.input_shape()));
        let report = firmware.classify(Options::default(), &pictures);
        let report = report.unwrap_or_else(|error| panic!("network {index}: {error}"));
        for (record, picture) in report.images.iter().zip(&pictures) {
            let expected = oracle(&model, picture).logits;
            assert_eq!(record.logits, expected, "network {index}, {machine:?}");
            assert_eq!(record.label, network.labels[record.class]);
        }
        assert_eq!(report.images.len(), pictures.len());
        run += 1;
    }
    assert!(run >= 6, "only {run} networks are small enough");
}
