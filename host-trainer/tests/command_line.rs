//! The program as a person runs it, on the real data set.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use host_trainer::history::History;
use host_trainer::model_files::ModelFiles;
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
    let images = if flags.contains("--images") { "" } else { "--images 256" };
    let mut command = host_trainer(&format!("train --preset {preset} {images} --plain {flags}"));
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

/// Before it is trained, `fit` knows what a network takes of a board, and afterwards it takes that.
#[test]
fn a_network_takes_what_was_known_before_it_was_trained() {
    let runs = tempfile::tempdir().unwrap();
    for (width, blocks, head) in [(4, 2, "average"), (6, 3, "hidden"), (8, 4, "average")] {
        let name = format!("w{width}-b{blocks}-{head}");
        let flags = format!("--images 64 --epochs 1 --name {name} --width {width} --blocks {blocks} --head {head}");
        success(&mut train("vgg3-best", runs.path(), &flags));
        let blob = runs.path().join(&name).join("model.blob");
        let mut quantize = host_trainer("quantize --run");
        success(quantize.arg(runs.path().join(&name)).arg("--output").arg(&blob));
        let trained: Value = serde_json::from_str(&success(host_trainer("inspect --json").arg(&blob))).unwrap();
        let least = &trained["backends"].as_array().unwrap().iter().find(|it| it["backend"] == "arm-dsp").unwrap()["arena_bytes"];

        let listed = success(&mut host_trainer("fit --board stm32h743 --all --json"));
        let mut listed = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let promised = listed
            .find(|it| it["width"] == width && it["blocks"] == blocks && it["head"].as_str().unwrap().contains(head));
        let promised = promised.unwrap();
        assert_eq!(promised["least_memory"].as_u64().unwrap(), 3072 + least.as_u64().unwrap(), "{name}");
        // A few bytes of the numbers that were learned, and of names that have fewer than ten letters.
        let spare = promised["flash"].as_u64().unwrap().checked_sub(trained["bytes"].as_u64().unwrap());
        assert!(spare.is_some_and(|spare| spare <= 96), "{name}: {promised}, {}", trained["bytes"]);
    }
}

#[test]
fn networks_are_listed_for_boards_and_what_fits_none_says_why() {
    let listed = success(&mut host_trainer(
        "fit --flash 48K --ram 24K --core cortex-m4@80MHz --ms 40 --input 32x32x1 --classes 3",
    ));
    assert!(
        listed.contains("cortex-m4 at 80 MHz") && listed.contains("32x32x1") || listed.contains("32×32×1"),
        "{listed}"
    );
    let next = listed.lines().last().unwrap();
    assert!(next.starts_with("next: cargo run -p host-trainer -- train --width"), "{listed}");
    assert!(next.contains(" --input 32x32x1 --name "), "{listed}");
    let runs = tempfile::tempdir().unwrap();
    let budget = "fit --flash 8K --ram 16K --core cortex-m4@64MHz --input 16x16x1";
    let largest = success(&mut host_trainer(&format!("{budget} --json")));
    let largest: Value = serde_json::from_str(largest.lines().next().unwrap()).unwrap();
    let name = format!("w{}-b{}-average-16x16x1", largest["width"], largest["blocks"]);
    let mut best = host_trainer(&format!("{budget} --best -- --images 64 --epochs 1 --plain --runs"));
    success(best.arg(runs.path()));
    let run = runs.path().join(&name);
    assert_files(&run, &["weights.bpk"]);
    success(host_trainer("quantize --run").arg(&run));
    let card = fs::read_to_string(run.join(&name).with_extension("md")).unwrap();
    assert!(card.contains(&format!(" --name {name} --input 16x16x1\n")), "{card}");
    assert_fails(
        &mut host_trainer("fit --board pico2 --ms 0.001"),
        "no network of the family fits Raspberry Pi Pico 2 in 0.001 ms",
    );
    for (arguments, expected) in [
        ("fit", "--board"),
        ("fit --board pico3", "pico2"),
        ("fit --flash 1K --ram 1K --core cortex-m9@1MHz", "cores are"),
        ("fit --flash 1K --ram 1K", "--core"),
        ("fit --flash none --ram 1K --core cortex-m4@1MHz", "64K"),
    ] {
        let output = host_trainer(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

/// Weights and history of a run, but for the times.
fn outcome(run: &Path) -> (Vec<u32>, History) {
    let mut history = Run::at(run).history().unwrap();
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    (weights(&network(run)), history)
}

/// `--resume` if the run is begun.
fn resume(run: &Path) -> &'static str {
    if Run::at(run).recipe_file().exists() { "--resume" } else { "" }
}

/// Killed as often as the environment variable `KILLS` says.
#[test]
fn a_run_that_is_killed_again_and_again_ends_like_an_undisturbed_one() {
    let runs = tempfile::tempdir().unwrap();
    let kills: u32 = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    thread::scope(|scope| {
        for (seed, optimizer) in [(11, "nesterov"), (12, "muon")] {
            let runs = runs.path();
            scope.spawn(move || kill_again_and_again(runs, optimizer, kills / 2, ChaCha8Rng::seed_from_u64(seed)));
        }
    });
}

fn kill_again_and_again(runs: &Path, optimizer: &str, kills: u32, mut random: ChaCha8Rng) {
    let trained = |name: &str, epochs: u32, more| {
        let flags = format!("--images 64 --epochs {epochs} --batch-size 32 --dropout 0.2 --weight-decay 0");
        let flags = format!("{flags} --optimizer {optimizer} --name {optimizer}-{name} {more}");
        train("vgg3-best", runs, &flags)
    };
    let begin = Instant::now();
    success(&mut trained("timed", 4, ""));
    let whole = begin.elapsed();
    let killed = runs.join(format!("{optimizer}-killed"));
    // There is always an epoch to be killed in.
    let epochs = 4 + kills;
    for _ in 0..kills {
        let mut training = trained("killed", epochs, resume(&killed)).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(whole.mul_f64(random.random_range(0.2..0.9)));
        training.kill().unwrap();
        training.wait().unwrap();
    }
    success(&mut trained("killed", epochs, resume(&killed)));
    success(&mut trained("undisturbed", epochs, ""));
    assert_eq!(outcome(&killed), outcome(&runs.join(format!("{optimizer}-undisturbed"))), "{optimizer}");
}

/// On a real disk, an empty one of 40 MiB that the environment variable `SMALL_DISK` names, or with limited files.
#[test]
#[cfg(unix)]
fn a_run_whose_disk_was_full_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = std::env::var_os("SMALL_DISK").map(PathBuf::from);
    let runs = disk.as_deref().unwrap_or(folder.path());
    let flags = "--images 64 --epochs 2 --batch-size 32 --optimizer adam";
    success(&mut train("vgg3-best", folder.path(), &format!("{flags} --name undisturbed")));
    let full = runs.join("full");
    let trained = || train("vgg3-best", runs, &format!("{flags} --name full {}", resume(&full)));
    match &disk {
        Some(disk) => {
            let ballast = disk.join("ballast");
            // There is room for nothing, for some of the small files, for some of the weights, for some of the checkpoints.
            let rooms = (0..40).step_by(4).chain((256..24_000).step_by(256));
            let mut training = rooms.map(|kib| {
                leave(&ballast, kib);
                trained().output().unwrap()
            });
            let mut failures = 0;
            training.find(|output| {
                let error = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() || error.contains("No space left"), "{error}");
                failures += usize::from(!output.status.success());
                output.status.success()
            });
            fs::remove_file(ballast).unwrap();
            assert!(failures > 20, "{failures} failures");
        }
        None => {
            // No file may become longer than so many blocks of 1,024 bytes. The last is enough for the weights, but not for Adam's state, which
            // a checkpoint has as well.
            for blocks in [0, 1, 100, 3000] {
                let mut limited = Command::new("bash");
                limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("bash");
                let training = trained();
                limited.arg(training.get_program()).args(training.get_args());
                assert_fails(limited.current_dir(training.get_current_dir().unwrap()), "cannot write");
            }
        }
    }
    success(&mut trained());
    assert_eq!(outcome(&full), outcome(&folder.path().join("undisturbed")));
}

#[test]
fn a_run_that_ends_beside_a_checkpoint_goes_on() {
    let runs = tempfile::tempdir().unwrap();
    let run = Run::at(runs.path().join("vgg1"));
    let trained = || train("vgg1", runs.path(), &format!("--images 64 --epochs 1 {}", resume(&run.folder)));
    // The first checkpoint cannot be written, by nobody.
    fs::create_dir_all(&run.folder).unwrap();
    fs::write(run.checkpoints(), "").unwrap();
    assert_fails(&mut trained(), "cannot write");
    fs::remove_file(run.checkpoints()).unwrap();
    success(&mut trained());
    let history = run.history().unwrap();
    assert_eq!(history.epochs.len(), 1);
    // The last one was written, but the history was not.
    fs::remove_file(run.history_file()).unwrap();
    success(&mut trained());
    assert_eq!(run.history().unwrap(), history);
    // What is damaged is named, with the remedy.
    for (file, expected) in [
        (run.weights_file(), "weights.bpk holds no weights that can be read: "),
        (run.checkpoints().join("1/optimizer.bpk"), "optimizer.bpk cannot be used: "),
        (run.checkpoints().join("1/network.bpk"), "network.bpk holds no weights that can be read: "),
        (run.recipe_file(), "recipe.json cannot be understood: "),
    ] {
        fs::File::options().write(true).open(file).unwrap().set_len(100).unwrap();
        let output = trained().output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected) && error.contains("put a whole copy there"), "{error}");
    }
}

/// Fills a disk with a file, but for so many KiB.
#[cfg(unix)]
fn leave(ballast: &Path, kib: u64) {
    let mut file = fs::File::create(ballast).unwrap();
    let written = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
    assert_eq!(written.kind(), std::io::ErrorKind::StorageFull);
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(1024 * kib)).unwrap();
}

/// A training of several epochs, when the first of them is over.
fn after_an_epoch(command: &mut Command) -> Child {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut training = piped.spawn().unwrap();
    let lines = BufReader::new(training.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("epoch ") && line.contains(": loss"))
        .expect("an epoch is reported");
    training
}

#[test]
#[cfg(unix)]
fn a_run_that_is_interrupted_says_how_to_go_on() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("my runs");
        let training = after_an_epoch(&mut train("vgg1", &runs, "--epochs 300"));
        let pid = training.id().to_string();
        // Meanwhile it is nobody else's.
        let mut second = train("vgg1", &runs, "--epochs 300 --resume");
        assert_fails(&mut second, &format!("is being trained by process {pid}"));
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let output = training.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{signal}: {error}");
        let run = Run::at(runs.join("vgg1"));
        let epochs = run.history().unwrap().epochs.len();
        assert!(run.checkpoints().join(epochs.to_string()).is_dir(), "{signal}: {epochs}");
        let expected = format!(
            "stopped after {epochs} epochs, which are kept; go on with\n  cargo run -p host-trainer -- train --resume \
             --preset vgg1 --images 256 --plain --epochs 300 --runs '{}'\n",
            runs.display()
        );
        assert!(error.contains(&expected), "{signal}: {error}");
    }
}

#[test]
#[cfg(unix)]
fn a_second_interruption_ends_a_training_at_once() {
    use std::os::unix::process::ExitStatusExt;
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let runs = tempfile::tempdir().unwrap();
        let flags = "--images 1000 --batch-size 1000 --epochs 1000";
        let mut training = after_an_epoch(&mut train("vgg1", runs.path(), flags));
        // The step that the first one waits for takes far longer than the two of them.
        let twice = format!("kill -{signal} $0; sleep 0.02; kill -{signal} $0");
        assert!(Command::new("bash").args(["-c", &twice, &training.id().to_string()]).status().unwrap().success());
        assert_eq!(training.wait().unwrap().signal(), Some(number));
    }
}

/// With a bar instead of lines, in a pseudo-terminal that makes a signal of Ctrl-C.
#[test]
#[cfg(target_os = "linux")]
fn a_training_is_interrupted_from_its_terminal() {
    use std::io::Write;
    let runs = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_host-trainer");
    // The terminal interrupts the shell as well, and not every shell goes on by itself after that.
    let training = format!(
        "trap : INT; '{program}' train --preset vgg1 --images 256 --epochs 1000 --runs {}; stty -a | tr ' ' '\\n'",
        runs.path().display()
    );
    let mut script = Command::new("script");
    let mut script = script
        .args(["--quiet", "--flush", "--command", &training, "/dev/null"])
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is missing: apt-get install bsdutils");
    let mut keys = script.stdin.take().unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines().map(|line| line.unwrap_or_default());
    lines.find(|line| line.contains("epoch 1/1000: loss")).expect("epoch 1 is reported");
    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    let rest: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    let text = rest.join("\n");
    assert!(text.contains("train --resume --preset vgg1"), "{text}");
    for setting in ["icanon", "echo", "isig"] {
        assert!(rest.iter().any(|line| line == setting), "{setting}: {text}");
    }
    drop(keys);
    script.wait().unwrap();
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
    // Whatever lies where a model's files would, and is none.
    let notes = runs.path().join("README.md");
    fs::write(&notes, "notes").unwrap();
    for (output, file) in
        [(runs.path().join("README.blob"), "README.md"), (run.checkpoints().join("1/average.blob"), "average.bpk")]
    {
        let mut quantize = host_trainer("quantize --run");
        assert_fails(quantize.arg(&run.folder).arg("--output").arg(output), &format!("{file} would be overwritten"));
    }
    // What another process writes.
    let model = ModelFiles::of_blob(runs.path().join("model.blob"));
    let lock = model.lock().unwrap();
    let mut quantize = host_trainer("quantize --run");
    let holder = format!("model.blob is being written by process {}", std::process::id());
    assert_fails(quantize.arg(&run.folder).arg("--output").arg(&model.blob), &holder);
    drop(lock);
    let left: Vec<_> = fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read_to_string(notes).unwrap(), "notes");
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

    // Once a run has its own checkpoints, it does not need its source any more.
    let hidden = runs.path().join("hidden");
    fs::rename(&source, &hidden).unwrap();
    let mut longer = Run::at(&other).recipe().unwrap();
    longer.epochs = 2;
    host_trainer::files::write_json(&Run::at(&other).recipe_file(), &longer).unwrap();
    let vehicles = vehicles.replace("--epochs 1", "--epochs 2");
    success(train("vgg1", runs.path(), &vehicles).arg("--resume").arg("--transfer").arg(&source));
    assert_eq!(Run::at(&other).history().unwrap().epochs.len(), 2);
    let mut new = train("vgg1", runs.path(), &vehicles.replace("--name other", "--name new"));
    assert_fails(new.arg("--transfer").arg(&source), "cannot start with the convolutions of");
    fs::rename(&hidden, &source).unwrap();

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

    // A model that is there anyway makes no collection.
    let [nothing, nowhere] = ["nothing", "nowhere"].map(|name| folder.path().join(name));
    let mut collect = host_trainer("compare --collect --runs");
    assert_fails(collect.arg(nothing).arg("--output").arg(&nowhere), "there is nothing to collect");
    assert!(!nowhere.exists());

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

/// A folder with links to the data set's files.
#[cfg(unix)]
fn linked_data(folder: &Path) {
    success(&mut host_trainer("data fetch"));
    fs::create_dir_all(folder).unwrap();
    for batch in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/cifar-10")).unwrap() {
        let batch = batch.unwrap();
        if batch.file_name().to_string_lossy().ends_with(".bin") {
            std::os::unix::fs::symlink(batch.path(), folder.join(batch.file_name())).unwrap();
        }
    }
}

#[test]
#[cfg(unix)]
fn a_complete_data_set_needs_no_lock_and_a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    linked_data(&data);
    // Nobody can make a lock of this, not even root.
    let lock = data.join(".lock");
    fs::create_dir(&lock).unwrap();
    let on_it = |words: &str| {
        let mut command = host_trainer(words);
        command.arg("--data").arg(&data);
        command
    };
    assert!(success(&mut on_it("data fetch")).contains("complete already"));
    success(&mut on_it("data summary"));

    let damaged = data.join("data_batch_3.bin");
    let content = fs::read(&damaged).unwrap();
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, &content[1..]).unwrap();
    assert_fails(&mut on_it("data summary"), ".lock");

    // There is neither a network nor npm.
    fs::remove_dir(&lock).unwrap();
    let held = host_trainer::files::lock(&lock, |_| Ok(())).unwrap();
    let mut fetch = on_it("data summary");
    let fetch = fetch.env("ALL_PROXY", "http://127.0.0.1:9").env("PATH", folder.path()).stderr(Stdio::piped());
    let mut fetch = fetch.spawn().unwrap();
    let stderr = BufReader::new(fetch.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || stderr.for_each(|line| sender.send(line).unwrap_or_default()));
    // Who says nothing waits for ever.
    let line = || lines.recv_timeout(Duration::from_secs(60)).ok();
    let holder = format!("Waiting for process {}, which fetches into {}.", std::process::id(), data.display());
    assert_eq!(line(), Some(holder));
    drop(held);
    assert_eq!(line(), Some(format!("{} is damaged: it is fetched again.", damaged.display())));
    let rest: Vec<String> = lines.iter().collect();
    assert!(rest.join("\n").contains("CIFAR-10 could not be fetched"), "{rest:?}");
    assert_eq!(fetch.wait().unwrap().code(), Some(1));
}

#[test]
fn default_paths_lie_in_the_repository_wherever_one_is() {
    let elsewhere = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/samples/deer.png");
    for words in ["inspect", "data summary", "data fetch", &format!("predict {sample}")] {
        success(host_trainer(words).current_dir(&elsewhere));
    }
    let relative = host_trainer("inspect data/models/vgg3-full.blob").current_dir(&elsewhere).output().unwrap();
    assert!(String::from_utf8_lossy(&relative.stderr).contains("cannot read data/models/vgg3-full.blob"));
    let repository = host_trainer::files::repository();
    let mut collect = host_trainer("compare --collect --schedule tutorial --runs no-such-folder");
    let table = format!("and no table in {}", repository.join("data/comparison").display());
    assert_fails(collect.current_dir(&elsewhere), &table);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let commands = ["", "train", "quantize", "evaluate", "report", "compare", "predict", "inspect"];
    let data = ["data fetch", "data summary", "data preview", "data samples"];
    for command in commands.into_iter().chain(data) {
        let help = success(host_trainer(&format!("{command} --help")).current_dir(&elsewhere));
        let defaults = help.split("[default: ").skip(1).filter_map(|text| Some(text.split_once(']')?.0));
        // Neither numbers and words, nor sentences about a default.
        let paths: Vec<&str> = defaults.filter(|text| text.contains(['/', '\\']) && !text.contains(", ")).collect();
        let are_there = paths.iter().all(|path| Path::new(path).starts_with(repository));
        assert!(are_there && !paths.is_empty(), "{command}: {paths:?}");
    }
    let help = success(&mut host_trainer("--help"));
    assert!(
        help.contains("Paths that you give are relative to the working directory; default ones lie in the repository.")
    );
}

#[test]
fn a_huge_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let blob = folder.path().join("huge.blob");
    // More than any memory.
    fs::File::create(&blob).unwrap().set_len(1 << 40).unwrap();
    for words in ["inspect", "predict data/samples/deer.png --blob", "evaluate --blob", "report --blob"] {
        assert_fails(
            host_trainer(words).arg(&blob),
            "huge.blob cannot be understood: it is longer than 67108864 bytes",
        );
    }
    fs::File::create(folder.path().join("recipe.json")).unwrap().set_len(1 << 40).unwrap();
    for (words, given) in [("train --recipe", blob.as_path()), ("quantize --output m.blob --run", folder.path())] {
        assert_fails(host_trainer(words).arg(given), "cannot be understood: it is longer than 268435456 bytes");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn paths_that_are_no_text_work_or_are_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    linked_data(&odd);
    let [run, table] = ["vgg1", "table"].map(|name| odd.join(name));
    let model = run.join("vgg1.blob");
    let sample = odd.join(std::ffi::OsStr::from_bytes(b"\xff.png"));
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/samples/deer.png"), &sample).unwrap();
    let training = "train --preset vgg1 --images 64 --epochs 1 --plain --runs";
    for (words, path, more, code) in [
        ("data fetch --data", &odd, "", 0),
        ("data summary --data", &odd, "", 0),
        ("data preview --output", &odd.join("preview.png"), "", 0),
        ("data samples --output", &odd.join("samples"), "", 0),
        (training, &odd, "", 0),
        ("train --recipe", &odd.join("recipe.json"), "", 1),
        ("train --preset vgg1 --images 64 --plain --name b --transfer", &run, "", 1),
        ("quantize --run", &run, "", 0),
        ("evaluate --blob", &model, "", 0),
        ("report --blob", &model, "", 0),
        ("inspect", &model, "", 0),
        ("predict data/samples/deer.png --blob", &model, "", 0),
        ("predict", &sample, "", 0),
        ("predict --json", &sample, "", 0),
        ("predict", &odd, "", 1),
        ("train --name", &odd, "", 2),
        ("compare --collect --output no-such-folder --runs", &table, "", 1),
        ("compare --collect --runs no-such-folder --output", &table, "", 1),
        ("compare --collect --runs no-such-folder --output no-such-folder --best", &model, "", 1),
        ("monitor", &odd, "--plain", 2),
        ("monitor tcp:127.0.0.1:1 --plain --record", &table, "", 1),
        ("monitor tcp:127.0.0.1:1 --plain --when unsure --capture", &table, "", 1),
    ] {
        let mut command = host_trainer(words);
        let output = command.arg(path).args(more.split_whitespace()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {error}");
        let is_named = error.lines().any(|line| line.starts_with("error: "));
        assert!(code == 0 || is_named, "{command:?}: {error}");
    }
    assert_fails(
        host_trainer("train --preset vgg1 --name b --transfer").arg(&run),
        "a recipe keeps paths as text: name one in UTF-8",
    );
}

#[test]
fn a_model_of_any_shape_is_inspected_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    let blob = folder.path().join("wide.blob");
    let mut content = wide_grey_blob(["day", "night"]);
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

    // Columns are those of a terminal, where some characters take two and some none.
    let long = folder.path().join("long.blob");
    fs::write(&long, wide_grey_blob(["橋".repeat(16).as_str(), "d\u{e4}mmerung, spa\u{308}t, in a garden with trees"]))
        .unwrap();
    let text = success(host_trainer(&format!("predict {sample} --blob")).arg(&long));
    let ends: Vec<usize> = text.lines().skip(1).map(|line| host_trainer::output::columns(line.trim_end())).collect();
    let heads: Vec<usize> = text
        .lines()
        .skip(2)
        .map(|line| host_trainer::output::columns(line.split_at(line.find('.').unwrap()).0))
        .collect();
    assert!(heads.len() == 2 && heads[0] == heads[1] && ends.iter().all(|&end| end <= 80), "{text}");

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
fn wide_grey_blob(labels: [&str; 2]) -> Vec<u8> {
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
        labels: labels.map(str::to_owned).to_vec(),
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
