//! The program as a person runs it, on the real data set.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use host_trainer::history::History;
use host_trainer::network::{Network, load_weights, to_vec};
use host_trainer::recipe::PRESETS;
use host_trainer::run::Run;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shared_model::Shape;
use shared_model::encode::{KnownPicture, Layer, Network as Content, encode, repair_crc};
use shared_model::graph::{Accuracy, Decision, Provenance};
use shared_model::ops::{self, Convolution, Dense, Epilogue, MaxPool, Operation};

/// The program, in the repository, with these words as its arguments.
fn host_trainer(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(arguments.split_whitespace()).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// A short training of `preset`.
fn train(preset: &str, runs: &Path, flags: &str) -> Command {
    let mut command = host_trainer(&format!("train --preset {preset} --images 256 --plain {flags}"));
    command.arg("--runs").arg(runs);
    command
}

/// What a command that succeeds says.
fn success(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that a command fails and that its error says so.
fn assert_fails(command: &mut Command, expected: &str) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {error}");
    assert!(error.contains(expected), "{command:?}: {error}");
}

fn assert_files(folder: &Path, names: &[&str]) {
    for name in names {
        let file = folder.join(name);
        assert!(file.is_file(), "{}", file.display());
    }
}

#[test]
fn every_preset_trains_and_leaves_its_curves() {
    let runs = tempfile::tempdir().unwrap();
    for (preset, _) in PRESETS {
        success(&mut train(preset, runs.path(), "--epochs 1"));
        let files = ["recipe.json", "history.json", "weights.bpk", "learning-curves.png", "learning-curves.svg"];
        assert_files(&runs.path().join(preset), &files);
    }
}

/// Weights and history of a run, but for the times.
fn outcome(run: &Path) -> (Vec<u32>, History) {
    let mut history = Run::at(run).history().unwrap();
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    (weights(&network(run)), history)
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_like_an_undisturbed_one() {
    let runs = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for optimizer in ["nesterov", "muon"] {
        let trained = |name: &str, more| {
            let flags = "--epochs 4 --batch-size 64 --dropout 0.2 --weight-decay 0";
            let flags = format!("{flags} --optimizer {optimizer} --name {optimizer}-{name} {more}");
            train("vgg3-best", runs.path(), &flags)
        };
        let begin = Instant::now();
        success(&mut trained("undisturbed", ""));
        let whole = begin.elapsed();
        let [undisturbed, killed] =
            ["undisturbed", "killed"].map(|name| runs.path().join(format!("{optimizer}-{name}")));
        for _ in 0..10 {
            let resume = if Run::at(&killed).recipe_file().exists() { "--resume" } else { "" };
            let mut training = trained("killed", resume).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(random.random_range(0.2..0.9)));
            training.kill().unwrap();
            training.wait().unwrap();
        }
        let resume = if Run::at(&killed).recipe_file().exists() { "--resume" } else { "" };
        success(&mut trained("killed", resume));
        assert_eq!(outcome(&killed), outcome(&undisturbed), "{optimizer}");
    }
}

#[test]
#[cfg(unix)]
fn a_run_whose_disk_was_full_goes_on_when_there_is_room() {
    let runs = tempfile::tempdir().unwrap();
    let flags = "--epochs 2 --batch-size 64";
    success(train("vgg1", runs.path(), flags).args(["--name", "undisturbed"]));
    let interrupted = runs.path().join("interrupted");
    // No file may become longer than so many blocks of 1,024 bytes: there is no room
    // for the recipe, for other small files, for the weights.
    for blocks in [0, 1, 100] {
        let resume = if Run::at(&interrupted).recipe_file().exists() { "--resume" } else { "" };
        let mut limited = Command::new("bash");
        limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("bash");
        let training = train("vgg1", runs.path(), &format!("{flags} --name interrupted {resume}"));
        limited.arg(training.get_program()).args(training.get_args()).current_dir(training.get_current_dir().unwrap());
        assert_fails(&mut limited, "cannot write");
    }
    let resume = if Run::at(&interrupted).recipe_file().exists() { "--resume" } else { "" };
    success(&mut train("vgg1", runs.path(), &format!("{flags} --name interrupted {resume}")));
    assert_eq!(outcome(&interrupted), outcome(&runs.path().join("undisturbed")));
}

/// A training of several epochs, when the first of them is over.
fn after_an_epoch(command: &mut Command) -> Child {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut training = piped.spawn().unwrap();
    let lines = BufReader::new(training.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("epoch 1/") && line.contains(": loss"))
        .expect("epoch 1 is reported");
    training
}

#[test]
#[cfg(unix)]
fn a_run_that_is_interrupted_says_how_to_go_on() {
    let runs = tempfile::tempdir().unwrap();
    let training = after_an_epoch(&mut train("vgg1", runs.path(), "--epochs 1000"));
    let pid = training.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = training.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("train --resume --recipe"), "{error}");
}

#[test]
fn a_run_is_not_overwritten_and_bad_values_are_named() {
    let runs = tempfile::tempdir().unwrap();
    success(&mut train("vgg1", runs.path(), "--epochs 1"));
    for (flags, expected) in [
        ("--epochs 1", "--resume"),
        ("--epochs 2 --resume", "epochs is 1 there and 2 here"),
        ("--name vgg --resume", "nothing to resume"),
        ("--name b --dropout 0.1,0.2,0.3", "2 for vgg1, not 3"),
        ("--name b --optimizer muon --weight-decay 0.1", "a weight decay of 0"),
        ("--name b --cutout 64", "a cutout of 64 pixels"),
        ("--name b --classes cat,unicorn", "no class unicorn"),
        ("--name ../b", "no name for a run"),
        ("--name recipe", "no name for a run"),
        ("--name b --transfer nowhere", "nowhere"),
    ] {
        assert_fails(&mut train("vgg1", runs.path(), flags), expected);
    }
    for flags in [
        "--dropout 1.5",
        "--optimizer muon --momentum 1",
        "--optimizer sgd --momentum nan",
        "--optimizer muon --rest-rate 0",
        "--warm-up nan",
        "--plateau-factor=-1",
        "--patience 0",
        "--learning-rate inf",
        "--weight-decay=-1",
    ] {
        let output = train("vgg1", runs.path(), flags).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("it must be a"), "{flags}: {error}");
    }
    let left: Vec<_> = fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["vgg1"]);
}

#[test]
fn a_training_that_diverges_says_so_and_keeps_what_was_good() {
    let runs = tempfile::tempdir().unwrap();
    for (name, flags) in [
        ("at-once", "--epochs 1 --learning-rate 1e30"),
        ("unvalidated", "--epochs 1 --learning-rate 1e30 --all-images"),
        ("later", "--epochs 3 --schedule one-cycle --warm-up 0.99 --learning-rate 3000"),
    ] {
        assert_fails(&mut train("vgg1", runs.path(), &format!("--name {name} {flags}")), "diverged");
        let run = Run::at(runs.path().join(name));
        if run.weights_file().exists() {
            assert!(network(&run.folder).is_finite(), "{name}");
            let losses = run.history().unwrap().epochs.into_iter().map(|epoch| epoch.train_loss);
            assert!(losses.into_iter().all(f64::is_finite), "{name}");
        }
    }
}

#[test]
fn a_finished_run_and_its_files_are_never_rewritten() {
    let runs = tempfile::tempdir().unwrap();
    success(&mut train("vgg1", runs.path(), "--epochs 1"));
    let run = Run::at(runs.path().join("vgg1"));
    let before = weights(&network(&run.folder));
    for output in ["weights.blob", "recipe.blob", "../vgg1/History.blob", "model.json"] {
        let mut quantize = host_trainer("quantize --run");
        quantize.arg(&run.folder).arg("--output").arg(run.folder.join(output));
        assert_fails(&mut quantize, "is no name for");
    }
    fs::remove_dir_all(run.checkpoints()).unwrap();
    success(&mut train("vgg1", runs.path(), "--epochs 1 --resume"));
    assert_eq!(weights(&network(&run.folder)), before);
    // An unfinished one cannot go on without them.
    let history = fs::read_to_string(run.history_file()).unwrap();
    let mut recipe = run.recipe().unwrap();
    recipe.epochs = 2;
    host_trainer::files::write_json(&run.recipe_file(), &recipe).unwrap();
    assert_fails(&mut train("vgg1", runs.path(), "--epochs 2 --resume"), "no checkpoints any more");
    assert_eq!(fs::read_to_string(run.history_file()).unwrap(), history);
    fs::write(run.recipe_file(), "{").unwrap();
    assert_fails(&mut train("vgg1", runs.path(), "--epochs 2 --resume"), "recipe.json cannot be understood");
}

#[test]
#[cfg(unix)]
fn work_goes_on_where_its_output_is_closed() {
    use std::os::unix::net::UnixStream;
    let runs = tempfile::tempdir().unwrap();
    for (flags, closed) in [("inspect", true), ("data summary", true), ("inspect", false)] {
        let output: Stdio = if closed {
            std::os::fd::OwnedFd::from(UnixStream::pair().unwrap().0).into()
        } else {
            fs::File::options().write(true).open("/dev/full").unwrap().into()
        };
        let status = host_trainer(flags).stdout(output).output().unwrap();
        let error = String::from_utf8_lossy(&status.stderr);
        assert_eq!(status.status.code(), Some(if closed { 0 } else { 1 }), "{flags}: {error}");
        assert_eq!(error.contains("standard output is incomplete"), !closed, "{flags}: {error}");
    }
    let closed: Stdio = std::os::fd::OwnedFd::from(UnixStream::pair().unwrap().0).into();
    let mut training = train("vgg1", runs.path(), "--epochs 1");
    assert!(training.stdout(closed).status().unwrap().success());
    assert!(runs.path().join("vgg1/weights.bpk").exists());
}

#[test]
fn convolutions_are_transferred_to_other_classes() {
    let runs = tempfile::tempdir().unwrap();
    let [source, other] = ["source", "other"].map(|name| runs.path().join(name));
    let pets = "--epochs 1 --name source --classes cat,dog";
    success(&mut train("vgg1", runs.path(), pets));
    // So slow that the convolutions stay what they were.
    let vehicles = "--epochs 1 --name other --classes truck,ship,airplane --learning-rate 1e-12";
    success(train("vgg1", runs.path(), vehicles).arg("--transfer").arg(&source));
    let first_weights = |run: &Path| network(run).float_layers().swap_remove(0).weights;
    for (source, other) in first_weights(&source).iter().zip(first_weights(&other)) {
        assert!((source - other).abs() < 1e-6, "{source} became {other}");
    }

    success(host_trainer("quantize --run").arg(&other));
    assert_files(&other, &["other.html"]);
    let content = success(host_trainer("inspect --json").arg(other.join("other.blob")));
    let content: Value = serde_json::from_str(&content).unwrap();
    assert_eq!(content["labels"], json!(["truck", "ship", "airplane"]));
    assert_eq!(content["accuracy"]["images"], 3000);
    let operations = content["operations"].as_array().unwrap().iter();
    let steps: Value = operations.map(|operation| operation["step"].clone()).collect();
    assert_eq!(steps, json!([0, 1, 1, 2, 3]));

    let mut deeper = train("vgg2", runs.path(), "--name deeper");
    assert_fails(deeper.arg("--transfer").arg(&source), "is that of vgg1");
    assert!(!runs.path().join("deeper").exists());
}

#[test]
fn a_comparison_shows_what_is_there_and_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("compare-rehearsal-128");
    let output = runs.join("table");
    let compare = |rows: &str| {
        let flags = "compare --rehearse 128 --plain --best none.blob";
        let mut command = host_trainer(&format!("{flags} {rows}"));
        let text = success(command.arg("--runs").arg(folder.path()));
        (text, fs::read_to_string(output.join("tutorial.json")).unwrap())
    };

    let (text, table) = compare("--only vgg1");
    assert!(text.contains("missing: vgg2,vgg3,"), "{text}");
    let content: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(content["rows"].as_array().unwrap().len(), 10);
    assert_eq!(content["rows"][0]["measured"]["test_images"], 10_000);
    assert!(content["rows"][1]["measured"].is_null());
    let kept = ["recipe.json", "history.json", "learning-curves.svg"];
    assert_files(&output.join("runs/tutorial/vgg1"), &kept);

    // Nothing is trained again, and the table is the same.
    let (text, again) = compare("--only vgg1");
    assert!(text.contains("vgg1: there already"), "{text}");
    assert_eq!(again, table);

    // The row outlives its run.
    fs::remove_dir_all(runs.join("vgg1")).unwrap();
    assert_eq!(compare("--collect").1, table);

    let unknown = "there is no row vgg9: the rows are vgg1, vgg2, ";
    assert_fails(&mut host_trainer("compare --only vgg9"), unknown);
}

#[test]
fn the_committed_model_knows_a_deer_of_any_size() {
    let pictures = "data/samples/deer.png data/samples/deer-320x256.jpg";
    let output = success(&mut host_trainer(&format!("predict --json {pictures}")));
    let predictions: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&output).into_iter().collect();
    let predictions = predictions.unwrap();
    assert_eq!(predictions.len(), 2);
    for prediction in predictions {
        let named = ["class", "label", "float_class"].map(|key| &prediction[key]);
        assert_eq!(named, [&json!(4), &json!("deer"), &json!(4)], "{prediction}");
    }
}

#[test]
fn a_model_of_any_shape_is_inspected_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    let blob = folder.path().join("wide.blob");
    let mut content = wide_grey_blob();
    fs::write(&blob, &content).unwrap();
    let sample = "data/samples/deer.png";

    let text = success(host_trainer("inspect").arg(&blob));
    // However wide the columns are.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "input: grey, 16×24×1",
        "2 classes: day, night",
        "from a probability of 50.00 % on, but night stands for",
        "extension of kind 7: 3 bytes",
        " 0 max pool 2×2 16×24×2 8×12×2 0 0 0.50000 -10 ",
        " 1 dense 8×12×2 1×1×2 384 416 0.00391 0 ",
        "known answer, for a picture: holds",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let plan = success(host_trainer("inspect --plan 49152 --core rv32imac").arg(&blob));
    assert!(plan.contains("direct"), "{plan}");

    let output = success(host_trainer(&format!("predict --json {sample} --blob")).arg(&blob));
    let prediction: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(prediction["probabilities"].as_array().unwrap().len(), 2);
    assert!(prediction.get("float_class").is_none(), "{prediction}");

    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/models/vgg3-full.json");
    fs::copy(report, folder.path().join("wide.json")).unwrap();
    let mut predict = host_trainer(&format!("predict {sample} --blob"));
    assert_fails(predict.arg(&blob), "wide.json reports on the blob with CRC-32");

    // The last pixels of the known answer's picture lie in front of the extension.
    let end = content.len() - 3;
    content[end - 100..end].fill(0);
    repair_crc(&mut content);
    fs::write(&blob, &content).unwrap();
    assert_fails(host_trainer("inspect").arg(&blob), "the known answer does not hold");
}

/// The blob of a made-up network for grey pictures of 24×16 pixels.
fn wide_grey_blob() -> Vec<u8> {
    let layer = |operation, inputs: usize| Layer {
        weights: (0..2 * inputs).map(|i| (i * 37 % 255) as i8 / 2).collect(),
        biases: vec![100, -100],
        multipliers: vec![1 << 24; 2],
        offsets: vec![1 << 31; 2],
        ..Layer::without_numbers(operation)
    };
    let epilogue = |relu, output| Epilogue {
        relu,
        output,
        multipliers: shared_model::Range::EMPTY,
        offsets: shared_model::Range::EMPTY,
    };
    let activations = ops::Output::Int8 { scale: 0.5, zero_point: -10 };
    let convolution = Convolution::same_3x3(2, epilogue(true, activations));
    let network = Content {
        name: "wide",
        labels: vec!["day".to_owned(), "night".to_owned()],
        input: Shape::new(16, 24, 1),
        padding: vec![-3],
        mean: vec![125.0],
        scale: vec![0.01],
        layers: vec![
            layer(Operation::Convolution(convolution), 9),
            Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING)),
            layer(Operation::Dense(Dense::new(2, epilogue(false, ops::Output::Logits))), 8 * 12 * 2),
        ],
        logit_fraction_bits: 8,
        decision: Decision { threshold: 32768, none_class: Some(1) },
        known_picture: KnownPicture::Pixels((0..=255).chain(0..128).collect()),
        accuracy: Accuracy { images: 0, float_top1: 0.0, int8_top1: 0.0, agreement: 0.0 },
        provenance: Provenance { preset: "none", epochs: 0, seed: 0, trainer: "a test" },
        extensions: vec![(7, vec![1, 2, 3])],
    };
    encode(&network).unwrap().to_vec()
}

/// The best weights of a run.
fn network(run: &Path) -> Network {
    let run = Run::at(run);
    let recipe = run.recipe().unwrap();
    let dataset = run.dataset(&recipe).unwrap();
    load_weights(&recipe, &dataset, None, &run.weights_file(), &Device::flex()).unwrap()
}

/// Every weight of a network, to the bit.
fn weights(network: &Network) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let weights = to_vec(parameter.val()).into_iter();
            self.0.extend(weights.map(f32::to_bits));
        }
    }
    let mut bits = Bits(Vec::new());
    network.visit(&mut bits);
    bits.0
}

#[test]
fn the_monitor_is_a_command_too() {
    let mut missing = host_trainer("monitor /dev/ttyNOSUCH7 --plain");
    assert_fails(&mut missing, "error: /dev/ttyNOSUCH7: there is no such port");
    let help = success(&mut host_trainer("monitor --help"));
    assert!(help.contains("  host-trainer monitor /dev/ttyACM0 "), "{help}");
}
