//! `monitor --diagnose` in front of boards with something the matter: the first thing that it calls bad is that thing.

use super::*;
use image::imageops::rotate180;

/// A board whose camera has this fault, and what its scene is like.
#[derive(Clone, Copy)]
enum Scene {
    Pictures,
    Black,
    White,
}

/// What is the matter, and the first check that says so, with a part of what it says.
struct Case {
    camera: Camera,
    fault: Option<&'static str>,
    scene: Scene,
    check: &'static str,
    says: &'static str,
}

const fn case(camera: Camera, fault: &'static str, check: &'static str, says: &'static str) -> Case {
    Case { camera, fault: Some(fault), scene: Scene::Pictures, check, says }
}

const fn scene(camera: Camera, scene: Scene, check: &'static str, says: &'static str) -> Case {
    Case { camera, fault: None, scene, check, says }
}

const CASES: [Case; 25] = [
    case(Camera::Ov2640, "Nack", "camera", "does not acknowledge"),
    case(Camera::Ov2640, "Bus", "camera", "bus failed"),
    case(Camera::Ov2640, "Hang", "camera", "does not end"),
    case(Camera::Ov2640, "WrongProduct", "camera", "another camera answers"),
    case(Camera::Ov2640, "WeakSupply", "registers", "differ"),
    case(Camera::Ov2640, "LostWrite", "registers", "differ"),
    case(Camera::Ov2640, "NoVsync", "one frame", "no VSYNC"),
    case(Camera::Ov2640, "NoPixels", "one frame", "but no data"),
    case(Camera::Ov2640, "ShortFrame", "one frame", "a frame of 38080 bytes came in place of 38400"),
    case(Camera::Ov2640, "LongFrame", "one frame", "more than 38400 bytes"),
    case(Camera::Ov2640, "Overrun", "one frame", "pixels were lost"),
    case(Camera::Ov2640, "OpenLine", "test pattern", "D5 is always low"),
    case(Camera::Ov2640, "CrossedLines", "test pattern", "D2 and D7 are exchanged"),
    case(Camera::Ov2640, "ReversedLines", "test pattern", "opposite order"),
    case(Camera::Ov2640, "LateByte", "test pattern", "begins a byte late"),
    case(Camera::Ov2640, "Blank", "test pattern", "no data come"),
    case(Camera::Ov2640, "Frozen", "light", "frame after frame is the same"),
    scene(Camera::Ov2640, Scene::Black, "light", "it is dark"),
    scene(Camera::Ov2640, Scene::White, "light", "nearly everything is white"),
    case(Camera::Arducam96, "StuckHigh", "camera", "ones"),
    case(Camera::Arducam96, "StuckLow", "camera", "zeros"),
    case(Camera::Arducam96, "Busy", "camera", "stays busy"),
    case(Camera::Arducam96, "StuckFifo", "one frame", "does not fill"),
    case(Camera::Arducam96, "WrongLength", "one frame", "a frame of 18430 bytes came in place of 18432"),
    case(Camera::Arducam96, "TooEarly", "one frame", "fill bytes"),
];

/// The lines of JSON that a diagnosis prints, and whether it calls the board good.
fn diagnose(camera: Camera, frames: &[Vec<u8>], fault: Option<&str>, further: &[&str]) -> (bool, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let machine = if camera == Camera::Ov2640 { Machine::M7 } else { Machine::M4 };
    let small = root().join(SMALL_MODEL);
    let blob = ["--blob".as_ref(), small.as_os_str()];
    let arguments =
        blob.into_iter().chain(fault.into_iter().flat_map(|fault| ["--faults".as_ref(), OsStr::new(fault)]));
    let (_emulator, port) = start(machine, camera, folder.path(), frames, 0, arguments);
    let page = folder.path().join("page");
    let output = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--package",
            "monitor",
            "--",
            &format!("tcp:127.0.0.1:{port}"),
            "--diagnose",
            "--json",
        ])
        .arg("--page")
        .arg(&page)
        .args(further)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let checks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(!checks.is_empty(), "{fault:?}: {errors}");
    // All of it is on the page as well.
    let page =
        fs::read_to_string(page.join("diagnosis.md")).unwrap_or_else(|error| panic!("{fault:?}: {error}\n{errors}"));
    for check in &checks {
        let text = check["text"].as_str().expect("a text");
        assert!(page.contains(text), "{fault:?}: {text}\n{page}");
    }
    (output.status.success(), checks)
}

fn shown(scene: Scene, camera: Camera) -> Vec<Vec<u8>> {
    let (width, height) = camera.size();
    let flat = |level| vec![vec![level; (2 * width * height) as usize]];
    match scene {
        Scene::Pictures => frames(camera),
        Scene::Black => flat(0x00),
        Scene::White => flat(0xFF),
    }
}

#[test]
fn a_diagnosis_names_what_is_the_matter() {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Case { camera, fault, scene, check, says } = *case;
                    let (is_good, checks) = diagnose(camera, &shown(scene, camera), fault, &[]);
                    assert!(!is_good, "{camera:?}, {fault:?}");
                    let first = checks.iter().find(|check| check["verdict"] == "bad");
                    let first = first.unwrap_or_else(|| panic!("{camera:?}, {fault:?}: nothing is bad: {checks:#?}"));
                    let is_right =
                        first["check"] == check && first["text"].as_str().is_some_and(|text| text.contains(says));
                    assert!(is_right, "{camera:?}, {fault:?}: {checks:#?}");
                    assert!(first["next"].is_string(), "{camera:?}, {fault:?}");
                }
            });
        }
    });
}

#[test]
fn a_diagnosis_finds_nothing_wrong_with_a_board_that_is_right() {
    for camera in [Camera::Ov2640, Camera::Arducam96] {
        let (is_good, checks) = diagnose(camera, &frames(camera), None, &[]);
        assert!(is_good, "{camera:?}: {checks:#?}");
        let of = |verdict: &str| -> Vec<&str> {
            let checks = checks.iter().filter(|check| check["verdict"] == verdict);
            checks.map(|check| check["check"].as_str().expect("a name")).collect()
        };
        // A Mega has no registers that can be read back, and no test pattern.
        let left_out: &[&str] = match camera {
            Camera::Ov2640 => &["orientation"],
            Camera::Arducam96 | Camera::Arducam128 => &["registers", "test pattern", "orientation"],
        };
        assert_eq!(of("left-out"), left_out, "{camera:?}: {checks:#?}");
        assert_eq!(of("doubtful"), <[&str; 0]>::default(), "{camera:?}: {checks:#?}");
    }
}

#[test]
fn the_test_card_tells_how_the_picture_is_turned() {
    let camera = Camera::Arducam96;
    let card = RgbImage::from_fn(96, 96, |x, y| match (x < 48, y < 48) {
        (true, true) => Rgb([0xE0, 0, 0]),
        (false, true) => Rgb([0, 0xB0, 0]),
        (true, false) => Rgb([0, 0x20, 0xE0]),
        (false, false) => Rgb([0xFF; 3]),
    });
    // Two, since a picture that stands still is none.
    let frames: Vec<_> = [0, 1]
        .map(|spot| {
            let mut turned = rotate180(&card);
            turned.put_pixel(spot, 0, Rgb([0; 3]));
            picture::frame(&DynamicImage::from(turned), camera.size())
        })
        .to_vec();
    let frames: Vec<_> = frames.iter().chain([&super::frames(camera)[0]]).cloned().collect();
    let (is_good, checks) = diagnose(camera, &frames, None, &["--test-card"]);
    assert!(is_good, "{checks:#?}");
    let turn = checks.iter().find(|check| check["check"] == "orientation").expect("it is asked for");
    assert_eq!((&turn["verdict"], &turn["text"]), (&json!("doubtful"), &json!("upside down")), "{checks:#?}");
}
