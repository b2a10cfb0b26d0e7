//! The program as a person runs it on pictures of one's own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbaImage};
use serde_json::Value;
use tempfile::TempDir;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/samples/deer-320x256.jpg");

/// The program, with these words as its arguments.
fn host_trainer(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(arguments.split_whitespace()).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Exit code, standard output and standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn success(command: &mut Command) -> String {
    let (code, output, error) = run(command);
    assert_eq!(code, 0, "{command:?}: {error}");
    output
}

/// What the committed model says about files, by file name, and the exit code with the errors.
fn predict(files: &[PathBuf]) -> (Vec<(String, String)>, i32, String) {
    let (code, output, error) = run(host_trainer("predict --json").args(files));
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let label = |value: &Value| value["label"].as_str().unwrap().to_owned();
    let name =
        |value: &Value| Path::new(value["image"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
    (lines.map(|line| (name(&line), label(&line))).collect(), code, error)
}

/// EXIF data with an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[test]
fn what_failed_for_new_users_is_answered_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let jpeg = fs::read(SAMPLE).unwrap();
    let upright = image::load_from_memory(&jpeg).unwrap();
    let mut deer = Vec::new();
    let mut file = |name: &str, content: &[u8]| {
        fs::write(at(name), content).unwrap();
        deer.push(at(name));
    };

    for orientation in 1..=8 {
        let mut stored = upright.clone();
        let inverse = match orientation {
            6 => 8,
            8 => 6,
            other => other,
        };
        stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif(orientation)).unwrap();
        stored.write_with_encoder(encoder).unwrap();
        file(&format!("turned-{orientation}.png"), &bytes);
    }
    // The library's encoder writes the standard's tables, which a webcam leaves out.
    let mut frame = std::io::Cursor::new(Vec::new());
    upright.write_to(&mut frame, ImageFormat::Jpeg).unwrap();
    let mut frame = frame.into_inner();
    while let Some(start) = frame.windows(2).position(|marker| marker == [0xFF, 0xC4]) {
        let length = usize::from(frame[start + 2]) << 8 | usize::from(frame[start + 3]);
        frame.drain(start..start + 2 + length);
    }
    file("webcam.mjpeg", &frame);
    file("jpeg.png", &jpeg);
    file("no-ending", &jpeg);
    let (answers, code, error) = predict(&deer);
    assert_eq!((answers.len(), code), (deer.len(), 0), "{error}");
    assert!(answers.iter().all(|(_, label)| label == "deer"), "{answers:?}");

    // Four cut-outs that look the same.
    let cut_outs = [0, 80, 160, 255].map(|hidden| {
        let pixel = |x: u32, y: u32| match (x.abs_diff(32), y.abs_diff(32)) {
            (0..20, 0..12) => image::Rgba([120, 60, 30, 255]),
            _ => image::Rgba([hidden, 255 - hidden, hidden / 2, 0]),
        };
        let path = at(&format!("cut-{hidden}.png"));
        DynamicImage::from(RgbaImage::from_fn(64, 64, pixel)).save(&path).unwrap();
        path
    });
    let output = success(host_trainer("predict --json").args(&cut_outs));
    let logits: Vec<Value> =
        output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["logits"].clone()).collect();
    assert!(logits.len() == 4 && logits.iter().all(|answer| *answer == logits[0]), "{output}");

    // Bad files in a list are named, and the others answered.
    fs::write(at("cut.jpg"), &jpeg[..1226]).unwrap();
    fs::write(at("text.png"), "hello").unwrap();
    fs::write(at("empty.png"), "").unwrap();
    let list = ["cut.jpg", "jpeg.png", "text.png", "nowhere.png", "no-ending", "empty.png"].map(at);
    let (answers, code, error) = predict(&list);
    let named: Vec<&str> = answers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((named, code), (vec!["jpeg.png", "no-ending"], 1));
    for part in [
        "cut.jpg: the JPEG picture is truncated or damaged: it ends early",
        "text.png: it is no picture in a format that is known here",
        "nowhere.png: cannot read",
        "empty.png: it is empty",
        "4 of 6 pictures cannot be read",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(predict(&[at("cut.jpg")]).1, 1);
}

#[test]
fn pictures_come_from_standard_input() {
    let names: &[&str] = if cfg!(unix) { &["-", "/dev/stdin"] } else { &["-"] };
    for name in names {
        let mut predict = host_trainer("predict");
        let mut child = predict.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&fs::read(SAMPLE).unwrap()).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(output.contains(": deer (4)"), "{output}");
    }
}

/// A folder `photos` with so many pictures of each class; of the first the upper half is bright, of the others less and less.
fn photos(classes: &[&str], count: u8) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in (0_u8..).zip(classes) {
        let class_folder = folder.path().join("photos").join(name);
        fs::create_dir_all(&class_folder).unwrap();
        for number in 0..count {
            let pixel = |x: u32, y: u32| {
                let cell = (x / 6 * 71 + y / 5 * 113 + u32::from(number) * 5003 + u32::from(class) * 17)
                    .wrapping_mul(2_654_435_761);
                // Twice: else two pictures differ by little more than their brightness.
                let noise = (cell ^ cell >> 15).wrapping_mul(2_246_822_519) >> 26;
                let level = if y < 20 { 180 - 60 * class } else { 60 * class };
                image::Rgb([level + noise as u8; 3])
            };
            let picture = image::RgbImage::from_fn(50, 40, pixel);
            let format = if number % 2 == 0 { ImageFormat::Png } else { ImageFormat::Jpeg };
            picture.save_with_format(class_folder.join(number.to_string()), format).unwrap();
        }
    }
    folder
}

fn with_cache(arguments: &str, folder: &TempDir) -> Command {
    let mut command = host_trainer(arguments);
    command.arg("--cache").arg(folder.path().join("cache"));
    command
}

fn with_data(arguments: &str, folder: &TempDir) -> Command {
    let mut command = with_cache(arguments, folder);
    command.arg("--data").arg(folder.path().join("photos"));
    command
}

#[test]
fn a_folder_of_pictures_becomes_a_model() {
    let folder = photos(&["day", "dämmerung", "_none"], 40);
    let day = folder.path().join("photos/day");
    fs::copy(day.join("39"), day.join("copy")).unwrap();
    fs::write(day.join("movie.mp4"), "x").unwrap();
    let runs = folder.path().join("runs");
    let summary = success(&mut with_data("data summary --input 24x32x1", &folder));
    // However wide the columns are.
    let words = summary.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "training [84, 24, 32, 1]",
        "test [18, 24, 32, 1]",
        "1 dämmerung 28 6 6",
        "2 none of these 28 6 6",
        "all 84 18 18",
    ] {
        assert!(words.contains(part), "{part}: {summary}");
    }
    let preview = folder.path().join("preview.png");
    success(with_data("data preview", &folder).arg("--output").arg(&preview));
    assert!(image::open(preview).unwrap().width() > 3 * 256);

    let train = "train --preset vgg1 --epochs 2 --batch-size 16 --plain --input 24x32x1 --name own";
    success(with_data(train, &folder).arg("--runs").arg(&runs));
    let run_folder = runs.join("own");
    let of_run = |mut command: Command| {
        command.arg("--run").arg(&run_folder);
        command
    };
    // The run knows where its pictures are, and how they were reduced.
    let text = success(&mut of_run(with_cache("quantize", &folder)));
    assert!(text.contains("own.blob"), "{text}");
    let mut among = of_run(with_cache("quantize", &folder));
    let (code, _, error) = run(among.arg("--output").arg(day.join("own.blob")));
    assert!(code == 1 && error.contains("are taken for pictures: choose another place with --output"), "{error}");
    let blob = run_folder.join("own.blob");
    let evaluate = |command: &mut Command| success(command.arg("--blob").arg(&blob)).lines().last().unwrap().to_owned();
    let json: Value = serde_json::from_str(&evaluate(&mut with_cache("evaluate --json", &folder))).unwrap();
    assert_eq!(json["images"], 18);
    // Card and page tell what was found when the run began, also where broken files are gone.
    let of_findings = |text: &str| {
        for part in [
            "day | 28 | 6 | 6 |",
            "none of these | 28 | 6 | 6 |",
            "1 file passed over, no readable pictures: day/movie.mp4: it is no picture",
            "1 file not taken again",
            "none of the classes by ",
            "WeAct MiniSTM32H743",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    of_findings(&text);
    fs::remove_file(day.join("movie.mp4")).unwrap();
    success(with_cache("report", &folder).arg("--blob").arg(&blob));
    of_findings(&fs::read_to_string(blob.with_extension("md")).unwrap());
    let content: Value = serde_json::from_str(&success(host_trainer("inspect --json").arg(&blob))).unwrap();
    assert_eq!(content["labels"], serde_json::json!(["day", "dämmerung", "none of these"]));
    let picture = folder.path().join("photos/day/1");
    let answer = success(host_trainer("predict").arg(picture).arg("--blob").arg(&blob));
    assert!(answer.contains("dämmerung"), "{answer}");

    // Moved pictures are the same ones; others are not.
    let moved = folder.path().join("moved");
    fs::rename(folder.path().join("photos"), &moved).unwrap();
    let (code, _, error) = run(with_cache("evaluate", &folder).arg("--blob").arg(&blob));
    assert!(code == 1 && error.contains("which is not there: say where they are now with --data"), "{error}");
    fs::rename(&moved, folder.path().join("photos")).unwrap();
    evaluate(&mut with_data("evaluate --json", &folder));
    for number in 0..4 {
        fs::remove_file(folder.path().join(format!("photos/day/{number}"))).unwrap();
    }
    for (mut command, expected) in [
        (of_run(with_cache("quantize", &folder)), "day had 28 pictures to train with and has 26"),
        (of_run(with_data("quantize --input 32x32x1", &folder)), "--input was 24x32x1 and is 32x32x1"),
    ] {
        let (code, _, error) = run(&mut command);
        assert!(code == 1 && error.contains(expected), "{error}");
    }
    let (code, _, error) = run(with_data(&format!("{train} --resume"), &folder).arg("--runs").arg(&runs));
    assert!(code == 1 && error.contains("was made otherwise: day had 28 pictures"), "{error}");
}

#[test]
fn the_whole_way_is_one_command_and_better_pictures_are_a_new_run() {
    let folder = photos(&["day", "dusk"], 20);
    let runs = folder.path().join("runs");
    let job = || {
        let flags = "--input 16x16x3 --none cifar10 --camera any --no-flip --plain";
        success(with_data(flags, &folder).arg("--runs").arg(&runs))
    };
    let text = job();
    for part in ["own-pictures: 30 epochs", "2 none of these", "photos.blob", "photos.html"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let blob = runs.join("photos/photos.blob");
    let content: Value = serde_json::from_str(&success(host_trainer("inspect --json").arg(&blob))).unwrap();
    assert_eq!(content["labels"], serde_json::json!(["day", "dusk", "none of these"]));
    let recipe: Value = serde_json::from_slice(&fs::read(runs.join("photos/recipe.json")).unwrap()).unwrap();
    assert_eq!((&recipe["augmentation"]["flip"], &recipe["frozen_epochs"]), (&false.into(), &5.into()));
    let first = fs::read(&blob).unwrap();
    // Other flags are another run, here one that somebody else trains.
    let held = host_trainer::files::lock(&runs.join("photos-2/run.lock"), |_| Ok(())).unwrap();
    let others = "--input 16x16x3 --none cifar10 --camera ov2640 --plain";
    let (code, text, error) = run(with_data(others, &folder).arg("--runs").arg(&runs));
    let expected = "was trained otherwise (augmentation.camera is \"any\" there and \"ov2640\" here, augmentation.flip is false there and true here): it is kept.";
    assert!(code == 1 && text.contains(expected), "{text}");
    let process = std::process::id();
    let expected =
        format!("photos-2 is being trained by process {process}; wait for it, or choose another folder with --runs");
    assert!(error.contains(&expected), "{error}");
    drop(held);

    let added = folder.path().join("photos/day/added.png");
    fs::copy(SAMPLE, &added).unwrap();
    let text = job();
    assert!(text.contains("day had 14 pictures to train with and has") || text.contains("but other ones"), "{text}");
    assert!(text.contains("it is kept") && runs.join("photos-2/photos-2.blob").exists(), "{text}");
    fs::remove_file(added).unwrap();
    job();
    assert!(fs::read(&blob).unwrap() == first && !runs.join("photos-3").exists());
    // The folder may get another name, and what was chosen with quantize stays.
    let renamed = folder.path().join("renamed");
    fs::rename(folder.path().join("photos"), &renamed).unwrap();
    let mut quantize = with_cache("quantize --precision 50 --temperature 3", &folder);
    success(quantize.arg("--run").arg(runs.join("photos")).arg("--data").arg(&renamed));
    let chosen = fs::read(&blob).unwrap();
    assert!(chosen != first);
    fs::rename(renamed, folder.path().join("photos")).unwrap();
    job();
    assert!(fs::read(&blob).unwrap() == chosen);
}

#[test]
fn what_data_is_not_is_said_with_the_remedy() {
    let folder = photos(&["day", "night"], 10);
    fs::write(folder.path().join("photos/day/movie.mp4"), "x").unwrap();
    fs::write(folder.path().join("photos/\u{1b}[31m.txt"), "x").unwrap();
    let mut inside = with_data("data summary", &folder);
    inside.arg("--none").arg(folder.path().join("photos/day"));
    let among = |words: &str| {
        let mut command = host_trainer(words);
        command.arg(folder.path().join("photos/day/new.png")).arg("--data").arg(folder.path().join("photos"));
        command
    };
    for (mut command, expected) in [
        (with_data("data summary", &folder), "has 22 files, 2 of which are no readable pictures"),
        (with_data("data summary --skip-broken --input 33x32x2", &folder), "as in 48x64x3"),
        (with_data("train --skip-broken --plain --input 256x256x3", &folder), "take shorter sides"),
        (with_data("--skip-broken --plain --input 28x36x1", &folder), "sides must be multiples of 8, as in 24x32x1"),
        (with_data("--skip-broken --full", &folder), "--full is for CIFAR-10"),
        (host_trainer("--no-flip --plain"), "--no-flip is for folders of pictures"),
        (host_trainer("--none nowhere --plain"), "--none is for folders of pictures"),
        (with_data("data summary --none nowhere", &folder), "give a folder of pictures, or cifar10"),
        (with_data("data summary --none README.md", &folder), "is no folder: say with --none"),
        (inside, "lie in one another"),
        (among("data summary --skip-broken --cache"), "are taken for pictures: choose another place with --cache"),
        (among("--skip-broken --plain --runs"), "are taken for pictures: choose another place with --runs"),
        (among("train --skip-broken --plain --runs"), "are taken for pictures: choose another place with --runs"),
        (among("data preview --skip-broken --output"), "are taken for pictures: choose another place with --output"),
        (with_data("--skip-broken --plain --runs README.md", &folder), "it is a file: give a folder"),
        (with_data("compare --skip-broken", &folder), "this command is about CIFAR-10"),
        (host_trainer("data summary --data nowhere"), "nowhere is not there: give the folder of your pictures"),
        (host_trainer("data summary --data README.md"), "README.md is a file: give the folder"),
        (host_trainer("data samples --input 48x48x3"), "CIFAR-10 as it is: leave --input out"),
    ] {
        let (code, _, error) = run(&mut command);
        assert!(code > 0 && error.contains(expected) && !error.contains('\u{1b}'), "{expected}: {error}");
    }
    let summary = success(&mut with_data("data summary --skip-broken", &folder));
    assert!(
        summary.contains("2 files passed over") && summary.contains("day/movie.mp4: it is no picture"),
        "{summary}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_whose_name_is_long_or_no_text_is_no_surprise_after_the_training() {
    use std::os::unix::ffi::OsStrExt;
    let folder = photos(&["day", "night"], 10);
    let runs = folder.path().join("runs");
    let job = |name: &std::ffi::OsStr| {
        let renamed = folder.path().join(name);
        fs::rename(folder.path().join("photos"), &renamed).unwrap();
        let outcome =
            run(with_cache("--input 16x16x3 --plain", &folder).arg("--data").arg(&renamed).arg("--runs").arg(&runs));
        fs::rename(&renamed, folder.path().join("photos")).unwrap();
        outcome
    };
    // Somebody trains the run that has the name as far as there is room for it.
    let short = "x".repeat(180);
    let _held = host_trainer::files::lock(&runs.join(&short).join("run.lock"), |_| Ok(())).unwrap();
    let (code, _, error) = job("x".repeat(240).as_ref());
    assert!(code == 1 && error.contains(&format!("/{short} is being trained by")), "{error}");
    let (code, _, error) = job(std::ffi::OsStr::from_bytes(b"ph\xf6tos"));
    assert!(code == 1 && error.contains("has a name that is no UTF-8, and a run keeps as text"), "{error}");
    let (code, _, error) =
        run(with_data("train --plain", &folder).arg("--name").arg("x".repeat(240)).arg("--runs").arg(&runs));
    assert!(code == 1 && error.contains("it has 240 bytes, and its files' names have room for 200"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_cache_whose_name_is_no_text_is_filled() {
    use std::os::unix::ffi::OsStrExt;
    let folder = photos(&["day", "night"], 10);
    let cache = folder.path().join(std::ffi::OsStr::from_bytes(b"\xfe"));
    success(host_trainer("data summary --data").arg(folder.path().join("photos")).arg("--cache").arg(&cache));
    assert!(cache.is_dir());
}

#[test]
fn pictures_without_any_variation_are_trained_with() {
    let folder = tempfile::tempdir().unwrap();
    for (class, level) in [("dark", 0), ("light", 100)] {
        let class_folder = folder.path().join("photos").join(class);
        fs::create_dir_all(&class_folder).unwrap();
        for number in 0..10 {
            // Green and blue are the same everywhere.
            let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([level + number, 0, 7]));
            picture.save(class_folder.join(format!("{number}.png"))).unwrap();
        }
    }
    let mut train = with_data("train --epochs 1 --plain --input 16x16x3 --name flat", &folder);
    success(train.arg("--runs").arg(folder.path().join("runs")));
}
