//! The program as a person runs it, on the real data set.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use host_trainer::network::numbers;
use host_trainer::recipe::{PRESETS, Recipe};
use host_trainer::training::load_weights;

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
    let first_weights = |run: &str| {
        let run = runs.path().join(run);
        let text = std::fs::read(run.join("recipe.json")).unwrap();
        let recipe: Recipe = serde_json::from_slice(&text).unwrap();
        let network = load_weights(&recipe, &run.join("weights.bpk"), &Device::flex()).unwrap();
        numbers(network.blocks[0].convolutions[0].convolution.weight.val())
    };
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

/// Every weight of a run's network, to the bit.
fn weights(run: &Path) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0
                .extend(numbers(parameter.val()).into_iter().map(f32::to_bits));
        }
    }
    let text = std::fs::read(run.join("recipe.json")).unwrap();
    let recipe: Recipe = serde_json::from_slice(&text).unwrap();
    let network = load_weights(&recipe, &run.join("weights.bpk"), &Device::flex()).unwrap();
    let mut bits = Bits(Vec::new());
    network.visit(&mut bits);
    bits.0
}
