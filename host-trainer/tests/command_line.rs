//! The program as a person runs it, on the real data set.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use host_trainer::network::{self, load_weights, to_vec};
use host_trainer::recipe::PRESETS;
use host_trainer::run::Run;
use shared_model::Shape;
use shared_model::encode::{KnownPicture, Layer, Network, encode, repair_crc};
use shared_model::graph::{Accuracy, Decision, Provenance};
use shared_model::ops::{self, Convolution, Dense, Epilogue, MaxPool, Operation};

fn host_trainer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    let output = host_trainer(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {error}");
    output
}

/// The flags of a short run of `preset`.
fn short<'a>(preset: &'a str, runs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "train", "--preset", preset, "--runs", runs, "--images", "256", "--plain",
    ];
    arguments.extend(more);
    arguments
}

#[test]
fn every_preset_trains_and_leaves_its_curves() {
    let runs = tempfile::tempdir().unwrap();
    for (preset, _) in PRESETS {
        run(&short(
            preset,
            runs.path().to_str().unwrap(),
            &["--epochs", "1"],
        ));
        for file in [
            "recipe.json",
            "history.json",
            "weights.bpk",
            "learning-curves.png",
            "learning-curves.svg",
        ] {
            assert!(
                runs.path().join(preset).join(file).is_file(),
                "{preset} left no {file}"
            );
        }
    }
}

#[test]
fn a_killed_and_resumed_run_ends_with_the_weights_of_an_undisturbed_one() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().to_str().unwrap();
    let flags = ["--epochs", "3", "--batch-size", "64", "--dropout", "0.2"];
    for optimizer in ["nesterov", "muon"] {
        let optimizer = ["--optimizer", optimizer, "--weight-decay", "0"];
        let names = ["undisturbed", "interrupted"].map(|name| format!("{name}-{}", optimizer[1]));
        let [undisturbed, interrupted] = names.each_ref().map(|name| {
            let more = [&["--name", name], &flags[..], &optimizer].concat();
            short("vgg3-best", folder, &more)
        });
        run(&undisturbed);
        run_killed_after_an_epoch(&interrupted);
        run(&[&interrupted[..], &["--resume"]].concat());
        let [undisturbed, interrupted] = names.map(|name| weights(&runs.path().join(name)));
        assert_eq!(interrupted, undisturbed, "{optimizer:?}");
    }
}

fn run_killed_after_an_epoch(arguments: &[&str]) {
    let mut interrupted = host_trainer(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(interrupted.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("epoch 1/3: loss"))
        .expect("epoch 1 is reported");
    interrupted.kill().unwrap();
    interrupted.wait().unwrap();
}

#[test]
fn a_run_is_not_overwritten_and_bad_values_are_named() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().to_str().unwrap();
    run(&short("vgg1", folder, &["--epochs", "1"]));
    let cases: [(&[&str], &str); 7] = [
        (&["--epochs", "1"], "--resume"),
        (&["--epochs", "2", "--resume"], "another recipe"),
        (&["--name", "b", "--dropout", "1.5"], "1.5"),
        (
            &["--name", "b", "--dropout", "0.1,0.2,0.3"],
            "2 for vgg1, not 3",
        ),
        (
            &["--name", "b", "--optimizer", "muon", "--momentum", "1"],
            "momentum is 1",
        ),
        (
            &["--name", "b", "--optimizer", "muon", "--rest-rate", "0"],
            "parameters is 0",
        ),
        (
            &[
                "--name",
                "b",
                "--optimizer",
                "muon",
                "--weight-decay",
                "0.1",
            ],
            "a weight decay of 0",
        ),
    ];
    for (flags, expected) in cases {
        let output = host_trainer(&short("vgg1", folder, flags))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains(expected),
            "{flags:?}: {error}"
        );
    }
}

#[test]
fn convolutions_are_transferred_to_other_classes() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().to_str().unwrap();
    let source = runs.path().join("source");
    let pets = ["--epochs", "1", "--name", "source", "--classes", "cat,dog"];
    run(&short("vgg1", folder, &pets));
    let vehicles = ["--name", "other", "--classes", "truck,ship,airplane"];
    let onwards = ["--transfer", source.to_str().unwrap(), "--epochs", "1"];
    // So slow that the convolutions stay what they were.
    let slow = ["--learning-rate", "1e-12"];
    run(&short(
        "vgg1",
        folder,
        &[&vehicles[..], &onwards, &slow].concat(),
    ));
    let first_weights = |name: &str| network(&runs.path().join(name)).float_layers().swap_remove(0).weights;
    for (source, other) in first_weights("source").iter().zip(first_weights("other")) {
        assert!((source - other).abs() < 1e-6, "{source} became {other}");
    }

    let other = runs.path().join("other");
    run(&["quantize", "--run", other.to_str().unwrap()]);
    let blob = other.join("other.blob");
    let output = run(&["inspect", "--json", blob.to_str().unwrap()]);
    let content: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let labels = serde_json::json!(["truck", "ship", "airplane"]);
    assert_eq!(content["labels"], labels);
    let operations = content["operations"].as_array().unwrap();
    let steps = operations
        .iter()
        .map(|operation| operation["step"].as_u64().unwrap());
    assert_eq!(steps.collect::<Vec<_>>(), [0, 1, 1, 2, 3]);
    assert_eq!(content["accuracy"]["images"], 3000);
    assert!(other.join("other.html").is_file());

    let deeper = ["--name", "deeper", "--transfer", source.to_str().unwrap()];
    let refused = host_trainer(&short("vgg2", folder, &deeper))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("is that of vgg1"), "{error}");
    assert!(!runs.path().join("deeper").exists());
}

#[test]
fn a_comparison_shows_what_is_there_and_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("compare-rehearsal-128/table");
    let flags = [
        "compare",
        "--rehearse",
        "128",
        "--plain",
        "--best",
        "none.blob",
    ];
    let places = ["--runs", folder.path().to_str().unwrap()];
    let compare = |more: &[&str]| {
        let result = run(&[&flags[..], &places, more].concat());
        (
            String::from_utf8(result.stdout).unwrap(),
            std::fs::read(output.join("tutorial.json")).unwrap(),
        )
    };

    let (text, table) = compare(&["--only", "vgg1"]);
    assert!(text.contains("missing: vgg2,vgg3,"), "{text}");
    let content: serde_json::Value = serde_json::from_slice(&table).unwrap();
    assert_eq!(content["rows"].as_array().unwrap().len(), 10);
    assert_eq!(content["rows"][0]["measured"]["test_images"], 10_000);
    assert!(content["rows"][1]["measured"].is_null());
    for file in ["tutorial.md", "tutorial.png", "tutorial.svg"] {
        assert!(output.join(file).is_file(), "{file}");
    }
    for file in ["recipe.json", "history.json", "learning-curves.svg"] {
        assert!(
            output.join("runs/tutorial/vgg1").join(file).is_file(),
            "{file}"
        );
    }

    // Nothing is trained again, and the table is the same.
    let (text, again) = compare(&["--only", "vgg1"]);
    assert!(text.contains("vgg1: there already"), "{text}");
    assert_eq!(again, table);

    // The row outlives its run.
    std::fs::remove_dir_all(folder.path().join("compare-rehearsal-128/vgg1")).unwrap();
    assert_eq!(compare(&["--collect"]).1, table);

    let unknown = host_trainer(&["compare", "--only", "vgg9"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        error.contains("vgg9") && error.contains("vgg3-full"),
        "{error}"
    );
}

#[test]
fn the_committed_model_knows_a_deer_of_any_size() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = host_trainer(&["predict", "--json"])
        .args(["data/samples/deer.png", "data/samples/deer-320x256.jpg"])
        .current_dir(repository)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let predictions: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(predictions.len(), 2);
    for prediction in predictions {
        assert_eq!(prediction["class"], 4, "{prediction}");
        assert_eq!(prediction["label"], "deer", "{prediction}");
        assert_eq!(prediction["float_class"], 4, "{prediction}");
    }
}

#[test]
fn a_model_of_any_shape_is_inspected_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    let blob = folder.path().join("wide.blob");
    let mut content = wide_grey_blob();
    std::fs::write(&blob, &content).unwrap();
    let path = blob.to_str().unwrap();

    let text = String::from_utf8(run(&["inspect", path]).stdout).unwrap();
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
    let output = run(&["inspect", path, "--plan", "49152", "--core", "rv32imac"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("direct"));

    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/samples/deer.png");
    let output = run(&["predict", "--json", "--blob", path, sample]);
    let prediction: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(prediction["probabilities"].as_array().unwrap().len(), 2);
    assert!(prediction.get("float_class").is_none(), "{prediction}");

    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/models/vgg3-full.json");
    std::fs::copy(report, folder.path().join("wide.json")).unwrap();
    let output = host_trainer(&["predict", "--blob", path, sample])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("wide.json reports on the blob with CRC-32"), "{error}");

    // The last pixels of the known answer's picture lie in front of the extension.
    let end = content.len() - 3;
    content[end - 100..end].fill(0);
    repair_crc(&mut content);
    std::fs::write(&blob, &content).unwrap();
    let output = host_trainer(&["inspect", path]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("the known answer does not hold"), "{error}");
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
    let activations = ops::Output::Int8 {
        scale: 0.5,
        zero_point: -10,
    };
    let convolution = Convolution::same_3x3(2, epilogue(true, activations));
    let network = Network {
        name: "wide",
        labels: vec!["day".to_owned(), "night".to_owned()],
        input: Shape::new(16, 24, 1),
        padding: vec![-3],
        mean: vec![125.0],
        scale: vec![0.01],
        layers: vec![
            layer(Operation::Convolution(convolution), 9),
            Layer::without_numbers(Operation::MaxPool(MaxPool::HALVING)),
            layer(
                Operation::Dense(Dense::new(2, epilogue(false, ops::Output::Logits))),
                8 * 12 * 2,
            ),
        ],
        logit_fraction_bits: 8,
        decision: Decision {
            threshold: 32768,
            none_class: Some(1),
        },
        known_picture: KnownPicture::Pixels((0..=255).chain(0..128).collect()),
        accuracy: Accuracy {
            images: 0,
            float_top1: 0.0,
            int8_top1: 0.0,
            agreement: 0.0,
        },
        provenance: Provenance {
            preset: "none",
            epochs: 0,
            seed: 0,
            trainer: "a test",
        },
        extensions: vec![(7, vec![1, 2, 3])],
    };
    encode(&network).unwrap().to_vec()
}

/// Every weight of a run's network, to the bit.
fn weights(run: &Path) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0
                .extend(to_vec(parameter.val()).into_iter().map(f32::to_bits));
        }
    }
    let mut bits = Bits(Vec::new());
    network(run).visit(&mut bits);
    bits.0
}

/// A run's network with its best weights.
fn network(run: &Path) -> network::Network {
    let run = Run::at(run);
    let recipe = run.recipe().unwrap();
    let dataset = run.dataset(&recipe).unwrap();
    load_weights(&recipe, &dataset, None, &run.weights_file(), &Device::flex()).unwrap()
}

#[test]
fn the_monitor_is_a_command_too() {
    let output = host_trainer(&["monitor", "/dev/ttyNOSUCH7", "--plain"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.starts_with("error: /dev/ttyNOSUCH7: there is no such port"),
        "{error}"
    );
    let help = run(&["monitor", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("  host-trainer monitor /dev/ttyACM0 "),
        "{help}"
    );
}
