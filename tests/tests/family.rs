//! The family of networks: what `fit` and the ladder say beforehand is what the machines then do.

use std::fs;

use host_trainer::boards::BOARDS;
use host_trainer::family::{self, FAST_ARENA, LADDER, REFERENCE, Rung};
use shared_model::{AlignedBytes, Backend, Interpreter, Model};
use tempfile::NamedTempFile;
use tests::qemu::{Machine, Options, Report, firmware, on_all_machines};
use tests::reference::{BLOB, root, test_images};

/// What a machine reports that classifies `images` with the model in `blob`.
fn run(machine: Machine, blob: &[u8], arena_len: usize, images: &[impl AsRef<[u8]>]) -> Report {
    let file = NamedTempFile::new().expect("there is room for a temporary file");
    fs::write(file.path(), blob).expect("and for a blob");
    // Its memory is an arena, and a picture of the model that is built in.
    let arena_len = arena_len + images[0].as_ref().len() - 32 * 32 * 3;
    let options = Options { arena_len: Some(arena_len), ..Options::default() };
    let report = firmware(machine).with_blob(file.path()).classify(options, images);
    report.unwrap_or_else(|error| panic!("{machine:?}: {error}"))
}

fn backend(machine: Machine) -> &'static Backend {
    Backend::of_core(machine.core()).expect("each machine has kernels")
}

/// Fails unless `executed` is `predicted`, but for a twentieth.
fn assert_predicted(what: &str, predicted: u64, executed: u64) {
    let ratio = executed as f64 / predicted as f64;
    assert!((0.95..=1.05).contains(&ratio), "{what}: {executed} instructions, {predicted} predicted ({ratio:.3})");
}

/// The blobs of the ladder that are in the repository: of its two smallest networks, and the reference model.
fn committed_blobs() -> Vec<(String, AlignedBytes)> {
    let ladder = family::ladder().expect("it can be read");
    assert!(!ladder.is_empty());
    let small = ladder.into_iter().map(|rung| rung.name).filter(|name| *name != REFERENCE.name()).take(2).map(|name| {
        let file = root().join(family::FOLDER).join(&name).with_added_extension("blob");
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (name, AlignedBytes::from(bytes.as_slice()))
    });
    small.chain([(REFERENCE.name(), BLOB.clone())]).collect()
}

#[test]
fn instructions_of_every_member_are_predicted_on_every_machine() {
    let members = LADDER.map(|(member, _)| member).into_iter().chain([REFERENCE]);
    let blobs = members.map(|member| (member.name(), member.untrained(&member.cifar10()).expect("it fits a blob")));
    let blobs: Vec<_> = blobs.collect();
    on_all_machines(|machine| {
        for (name, blob) in &blobs {
            let model = Model::load(blob).expect("it is well-formed");
            let Some(plan) = model.plan_on(backend(machine), FAST_ARENA) else {
                panic!("{name} fits no {FAST_ARENA} bytes on {machine:?}");
            };
            let image = vec![128_u8; model.input_shape().elements()];
            let report = run(machine, blob, FAST_ARENA, std::slice::from_ref(&image));
            let what = format!("{name} on {machine:?}");
            assert_predicted(&what, plan.instructions(), report.images[0].instructions);
        }
    });
}

#[test]
fn the_ladder_is_what_plans_say_today() {
    let ladder = family::ladder().expect("it can be read");
    for (name, blob) in committed_blobs() {
        let rung = ladder.iter().find(|rung| rung.name == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(rung.blob_bytes, blob.len(), "{name}");
    }
    for Rung { name, arena_bytes, instructions, .. } in &ladder {
        let mut members = LADDER.iter().map(|(member, _)| *member).chain([REFERENCE]);
        let member = members.find(|member| member.name() == *name).unwrap_or_else(|| panic!("{name} is no member"));
        let blob = member.untrained(&member.cifar10()).expect("it fits a blob");
        let model = Model::load(&blob).expect("it is well-formed");
        for (core, planned) in instructions {
            let backend = Backend::of_core(core).unwrap_or_else(|| panic!("{name}: {core} has no kernels"));
            let plan = model.plan_on(backend, FAST_ARENA).expect("it has fitted");
            assert_eq!(
                plan.instructions(),
                *planned,
                "{name}, {core}: `compare --table family --collect` writes the ladder again"
            );
        }
        assert_eq!(arena_bytes.least, model.arena_len_on(Backend::ARM_DSP), "{name}");
    }
}

#[test]
fn members_give_the_same_logits_on_host_and_machines() {
    let images = test_images(10).images;
    for (name, blob) in committed_blobs() {
        let model = Model::load(&blob).expect("it is well-formed");
        let mut arena = vec![0; model.arena_len()];
        let mut interpreter = Interpreter::new(&model, &mut arena).expect("the arena is as asked for");
        let logits = images.iter().map(|image| interpreter.classify(image).expect("it has the shape").logits);
        let expected: Vec<Vec<i32>> = logits.map(|logits| logits.to_vec()).collect();
        on_all_machines(|machine| {
            let report = run(machine, &blob, 32 * 1024, &images);
            let found: Vec<_> = report.images.into_iter().map(|image| image.logits).collect();
            assert_eq!(found, expected, "{name} on {machine:?}");
        });
    }
}

#[test]
fn fit_promises_what_a_board_then_takes() {
    let image = vec![128_u8; 32 * 32 * 3];
    for board in &BOARDS {
        let machine = Machine::ALL.into_iter().find(|machine| machine.core() == board.core);
        let machine = machine.unwrap_or_else(|| panic!("no machine has the core of {}", board.name));
        for (name, blob) in committed_blobs() {
            let model = Model::load(&blob).expect("it is well-formed");
            let needs = board.needs(&model, blob.len());
            let what = format!("{name} on {}", board.name);
            let Some(speed) = needs.speed else {
                assert!(blob.len() > board.flash, "{what}: it fits the memory of all of them");
                continue;
            };
            let report = run(machine, &blob, board.memory - image.len(), std::slice::from_ref(&image));
            assert_eq!(report.device.blob_len, needs.flash, "{what}");
            assert_eq!(report.device.arena_len, speed.memory - image.len(), "{what}");
            assert_predicted(&what, speed.instructions, report.images[0].instructions);
        }
    }
}
