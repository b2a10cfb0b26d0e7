//! The camera firmware in QEMU: through each modelled camera the host's logits bit for bit, and every frame accounted for,
//! whatever the camera does.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use image::{DynamicImage, RgbImage};
use protocol::{FaultClass, Verdict};
use qemu_runner::camera::{self, Camera, CameraJob, CameraReport};
use qemu_runner::machine::Machine;
use qemu_runner::picture;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::{AlignedBytes, Classification, Interpreter, Model};
use support::{build, root};

/// Pictures of CIFAR-10's test set that go through each camera.
const PICTURES: usize = 100;
/// Frames of a soak, missed ones among them.
const SOAK: u32 = 2_000;
/// After so many frames the stack has been as deep as it ever is.
const SETTLED: u32 = 100;
/// Bytes of stack that an exception takes: a frame of 26 words with the floating-point registers and a word that aligns
/// it (Armv7-M Architecture Reference Manual, B1.5.7), and the two registers that the clock's handler saves.
const EXCEPTION: u32 = 4 * (26 + 1 + 2);
/// Bytes that the deepest function may have reserved without writing to them, which only an exception makes visible.
const UNWRITTEN: u32 = 64;

/// The first pictures of CIFAR-10's test set as a camera sees them: a label byte, then 32×32 of each colour in the file.
fn frames(camera: Camera) -> Vec<Vec<u8>> {
    let path = root().join("data/cifar-10/test_batch.bin");
    let bytes = fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `tests/run data` fetches it", path.display()));
    let (width, height) = camera.size();
    let records = bytes.chunks_exact(1 + 3 * 32 * 32).take(PICTURES);
    records
        .map(|record| {
            let planes = &record[1..];
            let picture = RgbImage::from_fn(32, 32, |x, y| {
                let place = (32 * y + x) as usize;
                image::Rgb([planes[place], planes[1024 + place], planes[2048 + place]])
            });
            picture::frame(&DynamicImage::from(picture), width, height)
        })
        .collect()
}

/// What the host makes of frames: the network's input and its answer.
fn expected(camera: Camera, frames: &[Vec<u8>]) -> Vec<(Vec<u8>, Classification)> {
    let path = root().join("data/models/vgg3-full.blob");
    let blob = AlignedBytes::from(fs::read(path).expect("the committed model").as_slice());
    let model = Model::load(&blob).expect("the committed model is good");
    let mut arena = vec![0; 64 * 1024];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is long enough");
    let (width, height) = camera.size();
    let classify = |frame: &Vec<u8>| {
        let shape = model.input_shape();
        let mut image = vec![0; shape.elements()];
        resize::<Rgb565BigEndian>(frame, width as u16, height as u16, shape, &mut image)
            .expect("a frame has the camera's size");
        let classification = interpreter.classify(&image);
        (
            image,
            classification.expect("the picture has the model's shape"),
        )
    };
    frames.iter().map(classify).collect()
}

fn run(
    machine: Machine,
    camera: Camera,
    frames: &[Vec<u8>],
    attempts: u32,
    seed: Option<u64>,
    wants_pictures: bool,
) -> CameraReport {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("frames.rgb565");
    fs::write(&file, frames.concat()).expect("a temporary file");
    let job = CameraJob {
        elf: &build(machine),
        machine,
        camera,
        frames: &file,
        attempts,
        seed,
    };
    let report = camera::run(&job, wants_pictures, |_| {});
    report.unwrap_or_else(|error| panic!("{machine:?}, {camera:?}: {error}"))
}

/// Runs each pair in a thread of its own.
fn on_each(pairs: &[(Machine, Camera)], test: impl Fn(Machine, Camera) + Sync) {
    thread::scope(|scope| {
        for &(machine, camera) in pairs {
            let test = &test;
            scope.spawn(move || test(machine, camera));
        }
    });
}

#[test]
fn every_machine_gives_the_hosts_logits_through_its_camera() {
    let pairs = [
        (Machine::M4, Camera::Arducam96),
        (Machine::M33, Camera::Arducam128),
        (Machine::M7, Camera::Ov2640),
    ];
    on_each(&pairs, |machine, camera| {
        let frames = frames(camera);
        let expected = expected(camera, &frames);
        let report = run(machine, camera, &frames, PICTURES as u32, None, true);
        assert!(report.faults.is_empty(), "{machine:?}: {:?}", report.faults);
        assert_eq!(report.frames.len(), PICTURES, "{machine:?}");
        for (index, (frame, (_, classification))) in report.frames.iter().zip(&expected).enumerate()
        {
            let context = format!("{machine:?}, {camera:?}, picture {index}");
            assert_eq!(frame.counter as usize, index, "{context}");
            assert_eq!(frame.logits, classification.logits.as_slice(), "{context}");
            assert_eq!(
                usize::from(frame.top[0].class),
                classification.class,
                "{context}"
            );
            if let Verdict::Class { class, .. } = frame.verdict {
                assert_eq!(usize::from(class), classification.class, "{context}");
            }
        }
        // The request for pictures may come after the first frames.
        assert!(report.inputs.len() > PICTURES / 2, "{machine:?}");
        for input in &report.inputs {
            let (image, _) = &expected[input.counter as usize];
            assert_eq!(
                input.bytes, *image,
                "{machine:?}, picture {}",
                input.counter
            );
        }
        assert_eq!(report.totals.completed as usize, PICTURES, "{machine:?}");
        assert_eq!(report.totals.dropped, 0, "{machine:?}");
    });
}

#[test]
fn random_faults_leave_no_frame_unaccounted_and_the_stack_as_it_was() {
    let pairs = [
        (Machine::M4, Camera::Arducam96),
        (Machine::M7, Camera::Ov2640),
    ];
    on_each(&pairs, |machine, camera| {
        let frames = frames(camera);
        let expected = expected(camera, &frames);
        let report = run(machine, camera, &frames, SOAK, Some(5), false);
        assert_accounted(&report, &format!("{machine:?}, {camera:?}"));
        for frame in &report.frames {
            let is_true = expected
                .iter()
                .any(|(_, answer)| frame.logits == answer.logits);
            assert!(
                is_true,
                "{machine:?}, frame {}: no picture has these logits",
                frame.counter
            );
        }
        assert_stack_settled(&report, &format!("{machine:?}, {camera:?}"));
    });
}

/// Each frame was either classified or missed with a fault, which was counted, and there were many of both.
fn assert_accounted(report: &CameraReport, context: &str) {
    let classified = report.frames.iter().map(|frame| frame.counter);
    let missed = report.faults.iter().map(|fault| fault.counter);
    let mut counters: Vec<u32> = classified.chain(missed).collect();
    counters.sort_unstable();
    // The last frame is taken while the one before is classified, and reported only if it was missed.
    counters.retain(|counter| *counter < SOAK);
    assert!(
        counters.into_iter().eq(0..SOAK),
        "{context}: frames are missing or told twice"
    );

    let last = report.faults.last().expect("there are faults").faults;
    for class in FaultClass::ALL {
        let told = report.faults.iter().filter(|fault| fault.class == class);
        assert_eq!(
            last.get(class) as usize,
            told.count(),
            "{context}: {class:?}"
        );
    }
    let codes: BTreeSet<u16> = report.faults.iter().map(|fault| fault.code).collect();
    assert_eq!(report.totals.faults, last.total(), "{context}");
    assert_eq!(
        report.totals.completed as usize,
        report.frames.len(),
        "{context}"
    );
    assert_eq!(report.totals.dropped, 0, "{context}");
    assert!(codes.len() >= 6, "{context}: only {codes:?}");
    assert!(
        report.faults.len() > SOAK as usize / 20,
        "{context}: {} faults",
        report.faults.len()
    );
    assert!(
        report.frames.len() > SOAK as usize / 3,
        "{context}: {} frames",
        report.frames.len()
    );
}

/// The mark may still rise by the clock's exception, which comes about every 33 frames, wherever the program is then.
fn assert_stack_settled(report: &CameraReport, context: &str) {
    let settled = report.stack.iter().filter(|s| s.images >= SETTLED);
    let depths = settled.map(|stack| stack.used);
    let first = depths.clone().min().expect("it is reported on the way");
    let last = report.stack.last().expect("it is reported at the end");
    let risen = last.used - first;
    assert!(
        risen <= EXCEPTION + UNWRITTEN,
        "{context}: {:?}",
        report.stack
    );
    assert_eq!(last.images, SOAK, "{context}");
    assert!(last.used < last.size, "{context}: {last:?}");
}
