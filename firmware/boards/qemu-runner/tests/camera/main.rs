//! The camera firmware in QEMU: through each modelled camera the host's logits bit for bit, every frame accounted for,
//! whatever the camera does, and recorded by the monitor exactly as it was before the camera.

mod deploy;
mod diagnosis;
mod settings;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use image::imageops::{FilterType, resize as scale};
use image::{DynamicImage, Rgb, RgbImage};
use protocol::{Candidate, FaultClass, MAX_LABEL_LEN, MAX_LABELS, Message, Verdict};
use qemu_runner::camera::{self, Camera, CameraJob, CameraReport};
use qemu_runner::picture;
use qemu_runner::qemu::{Board, Machine};
use serde_json::{Value, json};
use shared_model::encode::{Network, encode};
use shared_model::graph::Decision;
use shared_model::resize::{Rgb565BigEndian, resize};
use shared_model::testing::{Numbers, Plain, convolution, network};
use shared_model::{AlignedBytes, Backend, Classification, Interpreter, Model, Shape};

/// Pictures of CIFAR-10's test set that go through each camera.
const PICTURES: usize = 100;
/// What the program brings along.
const BUILT_IN: &str = "data/models/vgg3-full.blob";
/// A model of which an inference takes an eighth of the time, for tests of all but the inference.
const SMALL_MODEL: &str = "data/family/w8-b3-average.blob";
/// Frames of a soak, missed ones among them.
const SOAK: u32 = 2_000;
/// After so many frames the stack has been as deep as it ever is.
const SETTLED: u32 = 100;
/// Bytes of stack that an exception takes: a frame of 26 words with the floating-point registers and a word that aligns
/// it (Armv7-M Architecture Reference Manual, B1.5.7), and the two registers that the clock's handler saves.
const EXCEPTION: u32 = 4 * (26 + 1 + 2);
/// Bytes that the deepest function may have reserved without writing to them, which only an exception makes visible.
const UNWRITTEN: u32 = 64;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Builds the camera firmware around the committed model.
fn build(machine: Machine) -> PathBuf {
    let target = match machine {
        Machine::M4 | Machine::M7 => "thumbv7em-none-eabihf",
        Machine::M33 => "thumbv8m.main-none-eabihf",
        Machine::M0plus => "thumbv6m-none-eabi",
        Machine::M3 | Machine::M55 | Machine::Rv32imac => panic!("{machine:?} has no camera"),
    };
    let output = Command::new(root().join("tests/support/firmware-build"))
        .args(["qemu-mps2", target, "camera"])
        .env_remove("MODEL_BLOB")
        .output()
        .expect("tests/support/firmware-build can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The first pictures of CIFAR-10's test set as a camera sees them: a label byte, then 32×32 of each colour in the file.
fn frames(camera: Camera) -> Vec<Vec<u8>> {
    let path = root().join("data/cifar-10/test_batch.bin");
    let bytes =
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `tests/run data` fetches it", path.display()));
    let records = bytes.chunks_exact(1 + 3 * 32 * 32).take(PICTURES);
    records
        .map(|record| {
            let planes = &record[1..];
            let picture = RgbImage::from_fn(32, 32, |x, y| {
                Rgb([0, 1024, 2048].map(|plane| planes[plane + (32 * y + x) as usize]))
            });
            picture::frame(&DynamicImage::from(picture), camera.size())
        })
        .collect()
}

/// What the host makes of frames with a model of the repository: the network's input and its logits.
fn expected(model: &str, camera: Camera, frames: &[Vec<u8>]) -> Vec<(Vec<u8>, Vec<i32>)> {
    let blob = AlignedBytes::from(fs::read(root().join(model)).expect("a committed model").as_slice());
    let answers = answers(&blob, camera, frames).into_iter();
    answers.map(|(input, answer)| (input, answer.logits.to_vec())).collect()
}

/// What the host makes of frames with the model in `blob`: the network's input and what it gives.
fn answers(blob: &[u8], camera: Camera, frames: &[Vec<u8>]) -> Vec<(Vec<u8>, Classification)> {
    let model = Model::load(blob).expect("the model is good");
    let mut arena = vec![0; model.arena_len()];
    let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is long enough");
    let (width, height) = camera.size();
    let classify = |frame: &Vec<u8>| {
        let shape = model.input_shape();
        let mut image = vec![0; shape.elements()];
        resize::<Rgb565BigEndian>(frame, width as u16, height as u16, shape, &mut image)
            .expect("a frame has the camera's size");
        let answer = interpreter.classify(&image).expect("the picture has the model's shape");
        (image, answer)
    };
    frames.iter().map(classify).collect()
}

/// Runs the program, with another model of the repository if one is given.
fn run(
    model: Option<&str>,
    machine: Machine,
    camera: Camera,
    frames: &[Vec<u8>],
    attempts: u32,
    faults: Option<&str>,
    wants_pictures: bool,
) -> CameraReport {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("frames.rgb565");
    fs::write(&file, frames.concat()).expect("a temporary file");
    let model = model.map(|model| root().join(model));
    let board = Board { elf: &build(machine), machine, blob: model.as_deref() };
    let job = CameraJob { board, camera, frames: &file, attempts, faults, flash: None, cut: None };
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
        (Machine::M0plus, Camera::Arducam96),
        (Machine::M33, Camera::Arducam128),
        (Machine::M7, Camera::Ov2640),
    ];
    on_each(&pairs, |machine, camera| {
        let frames = frames(camera);
        let expected = expected(BUILT_IN, camera, &frames);
        let report = run(None, machine, camera, &frames, PICTURES as u32, None, true);
        assert!(report.faults.is_empty(), "{machine:?}: {:?}", report.faults);
        assert_eq!(report.frames.len(), PICTURES, "{machine:?}");
        for (index, (frame, (_, logits))) in report.frames.iter().zip(&expected).enumerate() {
            let context = format!("{machine:?}, {camera:?}, picture {index}");
            assert_eq!(frame.counter as usize, index, "{context}");
            assert_eq!(frame.logits, logits.as_slice(), "{context}");
            let best = frame.top[0].class;
            assert_eq!(Some(&logits[usize::from(best)]), logits.iter().max(), "{context}");
            if let Verdict::Class { class, .. } = frame.verdict {
                assert_eq!(class, best, "{context}");
            }
        }
        // The request for pictures may come after the first frames.
        assert!(report.inputs.len() > PICTURES / 2, "{machine:?}");
        for (counter, input) in &report.inputs {
            assert_eq!(*input, expected[*counter as usize].0, "{machine:?}, picture {counter}");
        }
        assert_eq!(report.totals.completed as usize, PICTURES, "{machine:?}");
        assert_eq!(report.totals.dropped, 0, "{machine:?}");
    });
}

#[test]
fn random_faults_leave_no_frame_unaccounted_and_the_stack_as_it_was() {
    let pairs = [(Machine::M4, Camera::Arducam96), (Machine::M7, Camera::Ov2640)];
    on_each(&pairs, |machine, camera| {
        let frames = frames(camera);
        let expected = expected(SMALL_MODEL, camera, &frames);
        let report = run(Some(SMALL_MODEL), machine, camera, &frames, SOAK, Some("5"), false);
        let context = format!("{machine:?}, {camera:?}");
        assert_accounted(&report, &context);
        for frame in &report.frames {
            let is_true = expected.iter().any(|(_, logits)| frame.logits == logits.as_slice());
            let counter = frame.counter;
            assert!(is_true, "{context}, frame {counter}: no picture has these logits");
        }
        assert_stack_settled(&report, &context);
    });
}

/// Each frame was either classified or missed with a fault, which was counted, and there were many of both.
fn assert_accounted(report: &CameraReport, context: &str) {
    let CameraReport { frames, faults, totals, .. } = report;
    let classified = frames.iter().map(|frame| frame.counter);
    let missed = faults.iter().map(|fault| fault.counter);
    let mut counters: Vec<u32> = classified.chain(missed).collect();
    counters.sort_unstable();
    // The last frame is taken while the one before is classified, and reported only if it was missed.
    counters.retain(|counter| *counter < SOAK);
    let is_complete = counters.into_iter().eq(0..SOAK);
    assert!(is_complete, "{context}: frames are missing or told twice");

    let last = faults.last().expect("there are faults").faults;
    for class in FaultClass::ALL {
        let told = faults.iter().filter(|fault| fault.class == class).count();
        assert_eq!(last.get(class) as usize, told, "{context}: {class:?}");
    }
    let codes: BTreeSet<u16> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(totals.faults, last.total(), "{context}");
    assert_eq!(totals.completed as usize, frames.len(), "{context}");
    assert_eq!(totals.dropped, 0, "{context}");
    assert!(codes.len() >= 6, "{context}: only {codes:?}");
    let (frames, faults, soak) = (frames.len(), faults.len(), SOAK as usize);
    assert!(faults > soak / 20, "{context}: {faults} faults");
    assert!(frames > soak / 3, "{context}: {frames} frames");
}

/// The mark may still rise by the clock's exception, which comes about every 33 frames, wherever the program is then.
fn assert_stack_settled(report: &CameraReport, context: &str) {
    let stack = &report.stack;
    let settled = stack.iter().filter(|stack| stack.images >= SETTLED);
    let first = settled.map(|stack| stack.used).min().expect("it is reported on the way");
    let last = stack.last().expect("it is reported at the end");
    assert!(last.used - first <= EXCEPTION + UNWRITTEN, "{context}: {stack:?}");
    assert_eq!(last.images, SOAK, "{context}");
    assert!(last.used < last.size, "{context}: {last:?}");
}

/// Of the random weights of models of one's own.
const OWN_SEED: u64 = 3;
/// Frames that are shown to each of them, and how often.
const SHOWN: usize = 24;
const TIMES: usize = 4;

/// What a board does with a model that was flashed alone.
struct Flashed {
    /// Or why the firmware ended.
    report: Result<CameraReport, String>,
    labels: Vec<String>,
    /// What the serial port says of a model that is not used.
    failure: Option<String>,
}

/// Runs the program that brings the committed model along, with `blob` in that one's place.
fn run_with(blob: &[u8], machine: Machine, camera: Camera, frames: &[Vec<u8>]) -> Flashed {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, blob_file) = (folder.path().join("frames.rgb565"), folder.path().join("own, new.blob"));
    fs::write(&file, frames.concat()).expect("a temporary file");
    fs::write(&blob_file, blob).expect("a temporary file");
    let board = Board { elf: &build(machine), machine, blob: Some(&blob_file) };
    let job = CameraJob {
        board,
        camera,
        frames: &file,
        attempts: (TIMES * frames.len()) as u32,
        faults: None,
        flash: None,
        cut: None,
    };
    let (mut labels, mut failure) = (Vec::new(), None);
    let report = camera::run(&job, true, |message| match message {
        Message::Label(label) => labels.push(label.text.to_owned()),
        Message::BootFailure(found) => failure = Some(found.text.to_owned()),
        Message::Start(_)
        | Message::DeviceInfo(_)
        | Message::Frame(_)
        | Message::Fault(_)
        | Message::Chunk(_)
        | Message::Acknowledgement(_)
        | Message::Unsupported { .. }
        | Message::FullFrame(_)
        | Message::FrameMarks(_)
        | Message::Finding(_)
        | Message::Models(_)
        | Message::Setting(_) => {}
    });
    Flashed { report: report.map_err(|error| error.to_string()), labels, failure }
}

/// The blob of a network of these operations with random weights and such a decision that the board is sure of some of `frames`,
/// not of others, and sees the class of none in more; and what the host makes of the frames.
fn own_model(
    input: Shape,
    operations: &[Plain],
    labels: Vec<String>,
    camera: Camera,
    frames: &[Vec<u8>],
) -> (AlignedBytes, Vec<(Vec<u8>, Classification)>) {
    let mut network = network(OWN_SEED, input, operations);
    network.name = "own";
    network.labels = labels;
    let mut numbers = Numbers(OWN_SEED);
    let head = network.layers.last_mut().expect("there are layers");
    head.weights.fill_with(|| numbers.within(127) as i8);
    head.biases.fill(0);
    head.multipliers.fill(1 << 26);
    head.offsets.fill(0);
    network.logit_fraction_bits = 8;
    network.decision = Decision::default();
    let answer = |network: &Network<'_>| answers(&encode(network).expect("the network is valid"), camera, frames);
    let first = answer(&network);
    // Every logit is 0 on average, so that no class wins always.
    let sum = |class: usize| first.iter().map(|(_, answer)| i64::from(answer.logits[class])).sum::<i64>();
    let offsets = (0..network.labels.len()).map(|class| -(sum(class) << 32) / frames.len() as i64).collect();
    network.layers.last_mut().expect("there are layers").offsets = offsets;
    let answers = answer(&network);
    let winner = |answer: &Classification| (answer.probability(answer.class), answer.class as u8);
    let mut winners: Vec<(u16, u8)> = answers.iter().map(|(_, answer)| winner(answer)).collect();
    winners.sort_unstable();
    let surest = winners.last().expect("there are frames");
    network.decision = Decision { threshold: winners[winners.len() / 3].0, none_class: Some(surest.1) };
    (encode(&network).expect("the network is valid"), answers)
}

/// Four classes on grey pictures of 48 x 48 pixels.
fn four(camera: Camera, frames: &[Vec<u8>]) -> (AlignedBytes, Vec<(Vec<u8>, Classification)>) {
    let operations = [&convolution(8, true)[..], &convolution(16, true), &[Plain::Dense(4, false)]];
    let labels = ["Füchse 🦊", "猫", "très petit", "none of these"].map(String::from).to_vec();
    own_model(Shape::new(48, 48, 1), &operations.concat(), labels, camera, frames)
}

/// As many classes as there may be, with the longest names, on coloured pictures of 32 x 32 pixels.
fn most(camera: Camera, frames: &[Vec<u8>]) -> (AlignedBytes, Vec<(Vec<u8>, Classification)>) {
    let operations = [&convolution(12, true)[..], &convolution(20, true), &[Plain::Dense(64, false)]];
    let labels = (0..MAX_LABELS).map(|class| format!("{class:02}{}", "é".repeat((MAX_LABEL_LEN - 2) / 2))).collect();
    own_model(Shape::new(32, 32, 3), &operations.concat(), labels, camera, frames)
}

/// Whether a board that takes each frame on its own is sure, as the model's decision has it.
fn assert_verdict(verdict: Verdict, answer: &Classification, decision: &Decision, context: &str) {
    let expected = match answer.decide(decision) {
        Some(class) => Verdict::Class { class: class as u8, probability: answer.probability(class) },
        None => Verdict::NotSure,
    };
    assert_eq!(verdict, expected, "{context}");
}

/// No firmware is built anew for another model: shape, labels and decision come from the blob.
#[test]
fn models_of_ones_own_are_seen_through_by_the_same_program() {
    type Make = fn(Camera, &[Vec<u8>]) -> (AlignedBytes, Vec<(Vec<u8>, Classification)>);
    let cases: [(Make, Machine, Camera); 2] =
        [(four, Machine::M4, Camera::Arducam96), (most, Machine::M33, Camera::Arducam128)];
    for (make, machine, camera) in cases {
        let mut frames = frames(camera);
        frames.truncate(SHOWN);
        let (blob, expected) = make(camera, &frames);
        let model = Model::load(&blob).expect("the model is good");
        let graph = model.graph();
        let flashed = run_with(&blob, machine, camera, &frames);
        let report = flashed.report.unwrap_or_else(|error| panic!("{machine:?}: {error}"));
        assert_eq!((report.device.model.as_str(), report.device.crc32), ("own", model.crc32()), "{machine:?}");
        assert_eq!(flashed.labels, graph.labels.iter().collect::<Vec<_>>(), "{machine:?}");
        assert_eq!(report.frames.len(), TIMES * SHOWN, "{machine:?}: {:?}", report.faults);
        let (mut sure, mut none) = (0, 0);
        for (frame, (_, answer)) in report.frames.iter().zip(expected.iter().cycle()) {
            let context = format!("{machine:?}, frame {}", frame.counter);
            assert_eq!(frame.logits, answer.logits.as_slice(), "{context}");
            assert_eq!(frame.top.as_slice(), Candidate::top(&answer.probabilities()).as_slice(), "{context}");
            assert_verdict(frame.verdict, answer, &graph.decision, &context);
            sure += usize::from(frame.verdict != Verdict::NotSure);
            none += usize::from(graph.decision.none_class == Some(frame.top[0].class));
        }
        assert!(sure > 0 && none > 0 && sure + none < TIMES * SHOWN, "{machine:?}: {sure} sure, {none} of none");
        assert!(!report.inputs.is_empty(), "{machine:?}");
        for (counter, input) in &report.inputs {
            assert_eq!(*input, expected[*counter as usize % SHOWN].0, "{machine:?}, frame {counter}");
        }
    }
}

#[test]
fn a_blob_that_is_damaged_or_missing_or_takes_too_much_memory_is_refused_in_words() {
    let camera = Camera::Arducam96;
    let mut frames = frames(camera);
    frames.truncate(SHOWN);
    let (good, _) = four(camera, &frames);
    let mut damaged = good.to_vec();
    damaged[good.len() / 2] ^= 1;
    let large = network(OWN_SEED, Shape::new(160, 160, 3), &[Plain::Convolution(8, true), Plain::Dense(2, false)]);
    let large = encode(&large).expect("the network is valid");
    let model = Model::load(&large).expect("the model is good");
    let needed = model.input_shape().elements() + model.arena_len_on(Backend::ARM_DSP);
    let cases: [(&[u8], &[&str]); 3] = [
        (&damaged, &["the model blob in flash cannot be used", "CRC", "flash a good one"]),
        (&[0xFF; 4096], &["the model blob in flash cannot be used", "not a blob", "flash a good one"]),
        (
            &large,
            &[&format!("this model needs {needed} bytes of working memory, but the board gives it"), "take a smaller"],
        ),
    ];
    for (blob, parts) in cases {
        let flashed = run_with(blob, Machine::M4, camera, &frames);
        let error = flashed.report.err().expect("the model is not used");
        let failure = flashed.failure.expect("the serial port says why");
        assert!(error.contains(&failure), "{error}\n{failure}");
        for part in parts {
            assert!(failure.contains(part), "{part}\n{failure}");
        }
        assert!(flashed.labels.is_empty());
    }
}

/// A program that is the first of its process group, and is killed in the end with all that it has started, whatever comes before.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // They may have ended by themselves.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// As the command line calls it.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("all have names").get_name().to_owned()
}

/// Every PNG in the folders of `folder`, behind its frame's number.
fn recorded(folder: &Path) -> Vec<(usize, RgbImage)> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder of the recording");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let folders = entries(folder).into_iter().filter(|path| path.is_dir());
    let pictures = folders.flat_map(|path| entries(&path));
    pictures
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let (counter, _) = name.split_once('-').expect("COUNTER-PERCENT.png");
            let picture = image::open(&path).expect("a picture").to_rgb8();
            (counter.parse().expect("a counter"), picture)
        })
        .collect()
}

/// The emulator with the firmware, whose ArduCAM Mega has 128 x 128 pixels and sees `frames`, and the TCP port of its serial line.
/// Another model than the committed one lies in `blob`.
fn emulate(folder: &Path, frames: &[Vec<u8>], attempts: u32, blob: Option<&Path>) -> (Killed, u16) {
    let arguments = blob.into_iter().flat_map(|blob| ["--blob".as_ref(), blob.as_os_str()]);
    start(Machine::M4, Camera::Arducam128, folder, frames, attempts, arguments)
}

/// The emulator with the firmware behind `camera`, with further arguments of its runner, and the TCP port of its serial line.
fn start<'a>(
    machine: Machine,
    camera: Camera,
    folder: &Path,
    frames: &[Vec<u8>],
    attempts: u32,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> (Killed, u16) {
    let file = folder.join("frames.rgb565");
    fs::write(&file, frames.concat()).expect("a temporary file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    drop(listener);
    let emulator = Command::new(env!("CARGO_BIN_EXE_camera"))
        .arg(build(machine))
        .args(arguments)
        .args(["--frames", &attempts.to_string(), "--machine", &name(machine), "--camera", &name(camera)])
        .args(["--port", &port.to_string(), "--raw"])
        .arg(&file)
        .process_group(0)
        .spawn();
    (Killed(emulator.expect("the runner can be started")), port)
}

/// The colours that are left in RGB565, with the top bits repeated below.
fn in_rgb565(picture: &RgbImage) -> RgbImage {
    let mut picture = picture.clone();
    for Rgb([red, green, blue]) in picture.pixels_mut() {
        *red = *red >> 3 << 3 | *red >> 5;
        *green = *green >> 2 << 2 | *green >> 6;
        *blue = *blue >> 3 << 3 | *blue >> 5;
    }
    picture
}

/// What the monitor prints about the board at a TCP port.
fn monitor(port: u16, arguments: &[&str]) -> String {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "monitor", "--"])
        .args([&format!("tcp:127.0.0.1:{port}"), "--timeout", "60"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

#[test]
fn the_monitor_records_what_the_camera_sees() {
    const RECORDED: usize = 5;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let samples = ["airplane", "cat", "deer", "frog", "ship", "truck"].map(|name| {
        let path = root().join(format!("data/samples/{name}.png"));
        image::open(path).unwrap_or_else(|error| panic!("{name}: {error}")).to_rgb8()
    });
    // Each pixel of a sample fills a square of the camera's, so that the reduction gives it back.
    let frames = samples.each_ref().map(|sample| {
        let large = scale(sample, 128, 128, FilterType::Nearest);
        picture::frame(&DynamicImage::from(large), Camera::Arducam128.size())
    });
    let (_emulator, port) = emulate(folder.path(), &frames, 40, None);

    let recording = folder.path().join("recording");
    let text = monitor(port, &["--plain", "--frames", &RECORDED.to_string(), "--record", &recording.to_string_lossy()]);
    assert!(text.contains("board qemu-mps2, started by: power, camera ArduCAM Mega"), "{text}");

    let pictures = recorded(&recording);
    assert_eq!(pictures.len(), RECORDED, "{text}");
    for (counter, picture) in pictures {
        let expected = in_rgb565(&samples[counter % samples.len()]);
        assert_eq!(picture.as_raw(), expected.as_raw(), "frame {counter}");
    }
}

#[test]
fn the_monitor_names_as_many_classes_as_there_may_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut frames = frames(Camera::Arducam128);
    frames.truncate(SHOWN);
    let (blob, expected) = most(Camera::Arducam128, &frames);
    let file = folder.path().join("most.blob");
    fs::write(&file, &blob[..]).expect("a temporary file");
    let (_emulator, port) = emulate(folder.path(), &frames, 1_000, Some(&file));

    let text = monitor(port, &["--json", "--frames", "10"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let of_type = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    let (boards, seen) = (of_type("board"), of_type("frame"));
    assert_eq!(of_type("start")[0], &json!({ "type": "start", "cause": "power", "crash": null }));
    let model = Model::load(&blob).expect("the model is good");
    let graph = model.graph();
    let labels: Vec<&str> = graph.labels.iter().collect();
    assert!(boards.iter().all(|board| board["labels"] == json!(labels)), "{text}");
    assert!(!boards.is_empty() && seen.len() >= 10, "{text}");
    for line in seen {
        let number = line["frame"].as_u64().expect("the number of a frame") as usize;
        let (_, answer) = &expected[number % SHOWN];
        assert_eq!(line["logits"], json!(answer.logits.as_slice()), "frame {number}");
        let label = answer.decide(&graph.decision).map(|class| labels[class]);
        assert_eq!(line["label"], json!(label), "frame {number}");
    }
}

/// No test waits longer for a file.
const PATIENCE: Duration = Duration::from_secs(120);

/// A person at a terminal takes one picture and a burst of a new class, of which each is a whole frame of the camera, bit for bit.
#[test]
fn the_monitor_takes_whole_frames_of_the_camera() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenes: [RgbImage; 5] = std::array::from_fn(|scene| {
        let shade = 30 * scene as u8;
        RgbImage::from_fn(128, 128, |x, y| Rgb([2 * x as u8, 2 * y as u8, shade + (x * y / 128) as u8]))
    });
    let frames = scenes.each_ref().map(|scene| {
        let picture = DynamicImage::from(scene.clone());
        picture::frame(&picture, Camera::Arducam128.size())
    });
    let (_emulator, port) = emulate(folder.path(), &frames, 1_000, None);
    let photos = folder.path().join("photos");
    let monitor = format!(
        "stty rows 24 cols 80; exec cargo run --quiet --package monitor -- tcp://127.0.0.1:{port} --timeout 100 --capture '{}'",
        photos.display()
    );
    // `script` makes a terminal of what it runs.
    let person = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &monitor, "/dev/null"])
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut person = Killed(person.expect("`script` is missing: apt-get install bsdutils"));
    let mut keys = person.0.stdin.take().expect("it is piped");
    let mut screen = BufReader::new(person.0.stdout.take().expect("it is piped"));
    // Keys that come before the monitor would be changed by the terminal; its footer names the space bar.
    let mut shown = Vec::new();
    while !shown.ends_with(b"space") {
        assert!(screen.read_until(b'e', &mut shown).expect("a screen") > 0, "the monitor has ended");
    }
    thread::spawn(move || io::copy(&mut screen, &mut io::sink()));
    let mut press = |text: &str, number: u32| {
        keys.write_all(text.as_bytes()).expect("the monitor runs");
        let file = photos.join(format!("mug/{number:06}.png"));
        let start = Instant::now();
        while !file.exists() {
            assert!(start.elapsed() < PATIENCE, "{} does not come", file.display());
            thread::sleep(Duration::from_millis(50));
        }
    };
    press("nmug\r ", 1);
    // The file before is complete by then, and so is the last one when the monitor has ended.
    thread::sleep(Duration::from_millis(500));
    press("b", 11);
    keys.write_all(b"q").expect("the monitor runs");
    assert_eq!(person.0.wait().expect("it ends").code(), Some(0));
    let expected = scenes.each_ref().map(in_rgb565);
    for number in 1..=11 {
        let picture = image::open(photos.join(format!("mug/{number:06}.png"))).expect("a picture").to_rgb8();
        assert!(expected.contains(&picture), "picture {number} is no frame of the camera");
    }
    let bytes = fs::read(photos.join("mug/000011.png")).expect("a picture");
    assert!(bytes.windows(10).any(|text| text == b"tEXtburst\0"));
}
