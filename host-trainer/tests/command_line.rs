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
    let named = |name| {
        short(
            "vgg3-best",
            folder,
            &[&["--name", name], &flags[..]].concat(),
        )
    };
    run(&named("undisturbed"));

    let mut interrupted = host_trainer(&named("interrupted"))
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
    run(&[&named("interrupted")[..], &["--resume"]].concat());

    assert_eq!(
        weights(&runs.path().join("interrupted")),
        weights(&runs.path().join("undisturbed"))
    );
}

#[test]
fn a_run_is_not_overwritten_and_bad_values_are_named() {
    let runs = tempfile::tempdir().unwrap();
    let folder = runs.path().to_str().unwrap();
    run(&short("vgg1", folder, &["--epochs", "1"]));
    let cases: [(&[&str], &str); 4] = [
        (&["--epochs", "1"], "--resume"),
        (&["--epochs", "2", "--resume"], "another recipe"),
        (&["--name", "b", "--dropout", "1.5"], "1.5"),
        (
            &["--name", "b", "--dropout", "0.1,0.2,0.3"],
            "2 for vgg1, not 3",
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
