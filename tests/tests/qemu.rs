//! The firmware on every emulated machine: the host's logits bit for bit, and every error by its name.

use std::fs;
use std::sync::LazyLock;
use std::thread;

use shared_model::{IMAGE_LEN, Image, Interpreter};
use tests::qemu::{Firmware, Machine, Options, QemuError, Report};
use tests::reference::{BLOB, MODEL, test_images};

/// Real images on each machine, with each arena.
const IMAGES: usize = 100;

/// Bytes of arena: for the fastest plan and for a lean one.
const ARENAS: [usize; 2] = [64 * 1024, 20 * 1024];

static FIRMWARE: LazyLock<[Firmware; 3]> = LazyLock::new(|| {
    Machine::ALL.map(|machine| Firmware::build(machine).unwrap_or_else(|error| panic!("{error}")))
});

fn firmware(machine: Machine) -> &'static Firmware {
    &FIRMWARE[machine as usize]
}

fn run_on_all(images: &[Image], options: Options) -> [Report; 3] {
    let run = |machine| {
        let report = firmware(machine).classify(options, images);
        report.unwrap_or_else(|error| panic!("{machine:?}: {error}"))
    };
    thread::scope(|scope| {
        let runs = Machine::ALL.map(|machine| scope.spawn(move || run(machine)));
        runs.map(|run| run.join().expect("the run succeeds"))
    })
}

/// What the firmware says when it fails on the M4.
fn failure(result: Result<Report, QemuError>) -> String {
    match result {
        Err(QemuError::Run(message)) => message,
        other => panic!("expected a failing run, got {other:?}"),
    }
}

/// Ranges of the section are counted from here: behind the graph, at a multiple of 16.
fn section_start(blob: &[u8]) -> usize {
    let graph_len = u32::from_le_bytes(blob[20..24].try_into().expect("four bytes"));
    (24 + graph_len as usize).next_multiple_of(16)
}

#[test]
fn every_machine_gives_the_logits_of_the_host_in_every_arena() {
    let images = test_images(IMAGES).images;
    let model = &*MODEL;
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(model, &mut arena).expect("the arena is as asked for");
    let expected: Vec<_> = images
        .iter()
        .map(|image| interpreter.classify(image))
        .collect();
    for arena_len in ARENAS {
        let options = Options {
            arena_len: Some(arena_len),
            ..Options::default()
        };
        let reports = run_on_all(&images, options);
        for (machine, report) in Machine::ALL.iter().zip(&reports) {
            let run = format!("{machine:?} with {arena_len} bytes");
            assert_eq!(report.device.crc32, model.crc32(), "{run}");
            assert!(report.device.arena_len <= arena_len, "{run}");
            assert_eq!(report.images.len(), images.len(), "{run}");
            let stack = report.stack;
            assert!(stack.boot < stack.size, "{run}: {stack:?}");
            assert!(stack.inference < stack.size, "{run}: {stack:?}");
            for (index, (record, expected)) in report.images.iter().zip(&expected).enumerate() {
                let run = format!("{run}, image {index}");
                let label = model.graph().labels[expected.class];
                assert_eq!(record.index, index, "{run}");
                assert_eq!(record.logits, expected.logits.as_slice(), "{run}");
                assert_eq!(record.class, expected.class, "{run}");
                assert_eq!(record.label, label, "{run}");
            }
        }
    }
}

#[test]
fn layers_account_for_the_instructions_of_an_inference() {
    let options = Options {
        profile: true,
        ..Options::default()
    };
    for report in run_on_all(&test_images(1).images, options) {
        let record = &report.images[0];
        let sum: u64 = record.layers.iter().sum();
        println!(
            "{} instructions, layers {:?}",
            record.instructions, record.layers
        );
        assert_eq!(record.layers.len(), MODEL.graph().layers.len());
        assert!(sum <= record.instructions);
        assert!(
            sum * 100 >= record.instructions * 97,
            "{sum} of {} instructions",
            record.instructions
        );
    }
}

#[test]
fn an_arena_that_is_too_small_or_that_there_is_not_is_refused() {
    let run = |arena_len| {
        let options = Options {
            arena_len: Some(arena_len),
            ..Options::default()
        };
        failure(firmware(Machine::CortexM33).classify(options, &[[0; IMAGE_LEN]]))
    };
    let needed = MODEL.arena_len();
    let message = run(needed - 1);
    assert!(message.contains("arena does not fit"), "{message}");
    assert!(message.contains(&format!("{needed} bytes")), "{message}");
    assert!(message.contains(&(needed - 1).to_string()), "{message}");
    let message = run(1 << 30);
    assert!(message.contains("bytes of arena up to"), "{message}");
}

#[test]
fn a_damaged_blob_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut damaged = BLOB.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let elf = folder.path().join("damaged.elf");
    let firmware = firmware(Machine::CortexM4)
        .with_blob(&BLOB, &damaged, &elf)
        .expect("the firmware holds the blob");
    let message = failure(firmware.classify(Options::default(), &[[0; IMAGE_LEN]]));
    assert!(
        message.contains("blob in flash cannot be used") && message.contains("CRC"),
        "{message}"
    );
}

#[test]
fn another_known_answer_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut altered = BLOB.to_vec();
    let start = section_start(&altered) + MODEL.graph().known_answer.image.offset as usize;
    for pixel in &mut altered[start..start + IMAGE_LEN] {
        *pixel = !*pixel;
    }
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&altered[20..]);
    altered[16..20].copy_from_slice(&crc.to_le_bytes());
    let elf = folder.path().join("altered.elf");
    let firmware = firmware(Machine::CortexM4)
        .with_blob(&BLOB, &altered, &elf)
        .expect("the firmware holds the blob");
    let message = failure(firmware.classify(Options::default(), &[[0; IMAGE_LEN]]));
    assert!(message.contains("known-answer test failed"), "{message}");
    assert!(message.contains(&format!("{crc:08x}")), "{message}");
}

#[test]
fn a_bad_image_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&str, Option<usize>, &str); 3] = [
        (
            "missing.rgb",
            None,
            "image file missing.rgb: it cannot be opened",
        ),
        (
            "empty, really.rgb",
            Some(0),
            "image file empty, really.rgb: it has 0 bytes",
        ),
        (
            "truncated.rgb",
            Some(2 * IMAGE_LEN - 1),
            "image file truncated.rgb: it has 6143 bytes",
        ),
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
